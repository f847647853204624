import * as React from 'react';

import { flowsOf } from '../notebook/analysis';
import { errorsOf } from '../notebook/problems';
import { stepColour } from '../ui/colours';
import { Status } from '../ui/status';
import { useTranslation } from '../ui/translation';
import type { PanelProps } from './actions';

/** The steps with what they are given: the graph as a list, for keyboard and screen reader. */
export function StepList({ pipeline, actions }: PanelProps): JSX.Element {
  const trans = useTranslation();
  const graph = pipeline.analysis.outline;
  if (graph === null || graph.steps.length === 0) {
    const isBroken = errorsOf(graph?.diagnostics ?? []).length > 0;
    return (
      <p className="kale-empty">
        {isBroken ? trans.__('No steps while there are errors.') : trans.__('No steps yet.')}
      </p>
    );
  }
  const states = pipeline.runs.steps;
  return (
    <ol className="kale-Steps">
      {graph.steps.map((step, index) => {
        const state = states.get(step.name);
        const incoming = graph.edges.filter(edge => edge.to === step.name);
        const cell = pipeline.analysis.stepCell(step);
        return (
          <li key={step.name} style={{ '--kale-step': stepColour(index) } as React.CSSProperties}>
            <button
              className="kale-Steps-step"
              disabled={cell === null}
              onClick={() => cell !== null && actions.showCell(pipeline, cell)}
            >
              <span className="kale-Steps-name">{step.name}</span>
              {incoming.length > 0 && (
                <span className="kale-Steps-from">
                  {'← '}
                  {incoming.map(edge => `${edge.from} (${flowsOf(edge).join(', ') || '–'})`).join(', ')}
                </span>
              )}
            </button>
            {state && <Status status={state.step.status} />}
          </li>
        );
      })}
    </ol>
  );
}
