import * as React from 'react';

import type { NotebookPipeline } from '../../notebook/pipeline';
import type { Step, StepDetail, StepPage } from '../../protocol';

/** What a step has made; read again when a cell of it is done, and when it has ended. */
export function useStepPage(
  pipeline: NotebookPipeline,
  run: string,
  step: Step,
  detail: StepDetail | undefined
): { page: StepPage | null; readAgain: () => void } {
  const [page, setPage] = React.useState<StepPage | null>(null);
  const [times, setTimes] = React.useState(0);
  const isReady = pipeline.link.state.kind === 'ready';
  const done = detail?.cells_done ?? 0;
  const attempt = detail?.attempt ?? 0;
  React.useEffect(() => {
    if (!isReady) {
      return;
    }
    let isWanted = true;
    pipeline.runs.step(run, step.name).then(
      found => isWanted && setPage(found),
      // The connection was lost: it is asked again when there is one.
      () => undefined
    );
    return () => {
      isWanted = false;
    };
  }, [pipeline, run, step.name, step.status, done, attempt, isReady, times]);
  return { page, readAgain: () => setTimes(before => before + 1) };
}
