import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import type { ServiceState, StepStatus } from '../protocol';
import { useTranslation } from './translation';

/** One sign for each status, of runs, steps and services, so that none is told by colour alone. */
export const STATUS_SIGNS: Record<StepStatus | ServiceState, string> = {
  pending: '·',
  running: '▸',
  interrupted: '‖',
  succeeded: '✓',
  failed: '✗',
  cancelled: '■',
  cached: '=',
  skipped: '–',
  starting: '▸',
  ready: '✓',
  degraded: '!',
  stopping: '■',
  silent: '?'
};

export function statusWord(status: StepStatus | ServiceState, trans: TranslationBundle): string {
  const words: Record<StepStatus | ServiceState, string> = {
    pending: trans.__('pending'),
    running: trans.__('running'),
    interrupted: trans.__('interrupted'),
    succeeded: trans.__('succeeded'),
    failed: trans.__('failed'),
    cancelled: trans.__('cancelled'),
    cached: trans.__('cached'),
    skipped: trans.__('skipped'),
    starting: trans.__('starting'),
    ready: trans.__('ready'),
    degraded: trans.__('degraded'),
    stopping: trans.__('stopping'),
    silent: trans.__('not answering')
  };
  return words[status];
}

export function Status({ status }: { status: StepStatus | ServiceState }): JSX.Element {
  const trans = useTranslation();
  return (
    <span className="kale-Status" data-status={status}>
      <span className="kale-Status-sign" aria-hidden="true">
        {STATUS_SIGNS[status]}
      </span>
      {statusWord(status, trans)}
    </span>
  );
}
