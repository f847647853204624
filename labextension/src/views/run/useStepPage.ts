import * as React from 'react';

import type { NotebookPipeline } from '../../notebook/pipeline';
import type { Step, StepDetail, StepPage } from '../../protocol';
import { useAnswer } from '../useAnswer';

/** What a step has made; read again when a cell of it is done, and when it has ended. */
export function useStepPage(
  pipeline: NotebookPipeline,
  run: string,
  step: Step,
  detail: StepDetail | undefined
): { page: StepPage | null; fault: string | null; readAgain: () => void } {
  const [times, setTimes] = React.useState(0);
  const ask = () => pipeline.runs.step(run, step.name);
  const about = [run, step.name, step.status, detail?.cells_done, detail?.attempt, times];
  const { answer: page, fault } = useAnswer(pipeline, ask, about);
  return { page, fault, readAgain: () => setTimes(before => before + 1) };
}
