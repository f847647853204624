import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import type { StepStatus } from '../protocol';
import { useTranslation } from './translation';

/** One sign for each status, so that none is told by colour alone. */
export const STATUS_SIGNS: Record<StepStatus, string> = {
  pending: '·',
  running: '▸',
  interrupted: '‖',
  succeeded: '✓',
  failed: '✗',
  cancelled: '■',
  cached: '=',
  skipped: '–'
};

export function statusWord(status: StepStatus, trans: TranslationBundle): string {
  const words: Record<StepStatus, string> = {
    pending: trans.__('pending'),
    running: trans.__('running'),
    interrupted: trans.__('interrupted'),
    succeeded: trans.__('succeeded'),
    failed: trans.__('failed'),
    cancelled: trans.__('cancelled'),
    cached: trans.__('cached'),
    skipped: trans.__('skipped')
  };
  return words[status];
}

export function Status({ status }: { status: StepStatus }): JSX.Element {
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
