import * as React from 'react';

import type { NotebookPipeline } from '../../notebook/pipeline';
import { useTranslation } from '../../ui/translation';
import { useView } from '../context';

interface FactsProps {
  pipeline: NotebookPipeline;
  /** The run that cells are counted in. */
  run: string;
  facts: Record<string, unknown>;
}

/** What is known of something, as the compiler calls it. Cells lead to the notebook. */
export function Facts({ pipeline, run, facts }: FactsProps): JSX.Element {
  return (
    <dl className="kale-Facts">
      {Object.entries(facts).map(([name, value]) => (
        <div key={name} data-fact={name}>
          <dt>{name.replaceAll('_', ' ')}</dt>
          <dd>
            {name === 'cells' && isCells(value) ? (
              <Cells pipeline={pipeline} run={run} cells={value} />
            ) : (
              <Value value={value} />
            )}
          </dd>
        </div>
      ))}
    </dl>
  );
}

function isCells(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(cell => typeof cell === 'number');
}

function Cells({
  pipeline,
  run,
  cells
}: Pick<FactsProps, 'pipeline' | 'run'> & { cells: number[] }): JSX.Element {
  const trans = useTranslation();
  const { actions } = useView();
  const present = new Set(pipeline.panel.content.widgets.map(widget => widget.model.id));
  const ids = pipeline.sourceOfRun(run)?.ids ?? [];
  return (
    <>
      {cells.map(cell => (
        <button
          key={cell}
          className="kale-Link"
          data-cell={cell}
          disabled={!present.has(ids[cell])}
          onClick={() => actions.showCell(pipeline, ids[cell])}
        >
          {trans.__('cell %1', cell)}
        </button>
      ))}
    </>
  );
}

function Value({ value }: { value: unknown }): JSX.Element {
  if (Array.isArray(value) && value.every(each => typeof each !== 'object')) {
    return <>{value.join(', ')}</>;
  }
  if (typeof value === 'object' && value !== null) {
    return <pre>{JSON.stringify(value, null, 2)}</pre>;
  }
  return <>{String(value)}</>;
}
