import * as React from 'react';

import type { NotebookPipeline } from '../../notebook/pipeline';
import { useTranslation } from '../../ui/translation';
import { useView } from '../context';

/** What is known of something, as the compiler calls it. Cells lead to the notebook. */
export function Facts({
  pipeline,
  facts
}: {
  pipeline: NotebookPipeline;
  facts: Record<string, unknown>;
}): JSX.Element {
  return (
    <dl className="kale-Facts">
      {Object.entries(facts).map(([name, value]) => (
        <div key={name} data-fact={name}>
          <dt>{name.replaceAll('_', ' ')}</dt>
          <dd>
            {name === 'cells' && isCells(value) ? (
              <Cells pipeline={pipeline} cells={value} />
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

function Cells({ pipeline, cells }: { pipeline: NotebookPipeline; cells: number[] }): JSX.Element {
  const trans = useTranslation();
  const { actions } = useView();
  const ids = pipeline.panel.content.widgets.map(widget => widget.model.id);
  return (
    <>
      {cells.map(cell => (
        <button
          key={cell}
          className="kale-Link"
          data-cell={cell}
          disabled={ids[cell] === undefined}
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
