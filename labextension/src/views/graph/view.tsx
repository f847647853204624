import * as React from 'react';

import type { NotebookPipeline } from '../../notebook/pipeline';
import { errorsOf } from '../../notebook/problems';
import type { RunDetail, StepStatus } from '../../protocol';
import { formatSeconds } from '../../ui/format';
import { useTranslation } from '../../ui/translation';
import { useView } from '../context';
import { graphElements } from './elements';
import type { NodeState } from './elements';
import { StepGraph } from './graph';
import { lightCells } from './lights';

/** The graph of a notebook, with the state of the run that its cells show. */
export function GraphView({ pipeline }: { pipeline: NotebookPipeline }): JSX.Element {
  const { actions } = useView();
  return (
    <PipelineGraph pipeline={pipeline} isSmall={false} onOpen={cell => actions.showCell(pipeline, cell)} />
  );
}

interface PipelineGraphProps {
  pipeline: NotebookPipeline;
  isSmall: boolean;
  /** Shows a cell, by its id. */
  onOpen: (cell: string) => void;
}

export function PipelineGraph({ pipeline, isSmall, onOpen }: PipelineGraphProps): JSX.Element {
  const trans = useTranslation();
  const graph = pipeline.analysis.outline;
  const run = pipeline.runs.current;
  const elements = React.useMemo(
    () =>
      graph === null
        ? null
        : graphElements(
            graph,
            nodeStates(run, (done, total) => trans.__('%1 of %2 cells', done, total))
          ),
    [graph, run, trans]
  );
  if (elements === null || elements.nodes.length === 0) {
    const isBroken = errorsOf(graph?.diagnostics ?? []).length > 0;
    return (
      <p className="kale-empty">
        {isBroken ? trans.__('No steps while there are errors.') : trans.__('No steps yet.')}
      </p>
    );
  }
  return (
    <StepGraph
      elements={elements}
      label={trans.__('Steps of %1', graph!.pipeline ?? pipeline.panel.title.label)}
      isSmall={isSmall}
      onOpen={node => {
        const cell = pipeline.analysis.stepCell(elements.nodes[node]);
        if (cell !== null) {
          onOpen(cell);
        }
      }}
      onLight={lit => lightCells(pipeline, elements, lit)}
    />
  );
}

const IN_WORDS: readonly StepStatus[] = ['succeeded', 'failed'];

function nodeStates(
  run: RunDetail | null,
  cellsDone: (done: number, total: number) => string
): Map<string, NodeState> {
  const states = (run?.steps ?? []).map((step, index): [string, NodeState] => {
    const { cells_done: done, cells_total: total } = run!.details?.[index] ?? {};
    const progress =
      step.status === 'running' && done != null && total != null
        ? cellsDone(done, total)
        : IN_WORDS.includes(step.status)
          ? formatSeconds(step.seconds)
          : '';
    return [step.name, { status: step.status, progress }];
  });
  return new Map(states);
}
