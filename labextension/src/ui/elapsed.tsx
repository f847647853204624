import * as React from 'react';

import { isFinished } from '../protocol';
import type { RunDetail } from '../protocol';
import { formatSeconds } from './format';
import { useNow } from './useNow';

/** The time so far; the kernel tells it only when something happens. */
export function Elapsed({ run }: { run: RunDetail }): JSX.Element {
  const isRunning = !isFinished(run.status);
  const now = useNow(isRunning);
  const started = run.details?.reduce<number | null>(
    (first, { started }) => (started !== null && (first === null || started < first) ? started : first),
    null
  );
  const seconds = isRunning && started != null ? Math.max(run.seconds, now / 1000 - started) : run.seconds;
  return <>{formatSeconds(seconds)}</>;
}
