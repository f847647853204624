import type { IOutput } from '@jupyterlab/nbformat';
import { OutputAreaModel, SimplifiedOutputArea } from '@jupyterlab/outputarea';
import { Widget } from '@lumino/widgets';
import * as React from 'react';

import type { NotebookPipeline } from '../../notebook/pipeline';
import type { StepPage } from '../../protocol';
import { useTranslation } from '../../ui/translation';
import { findCell } from '../findCell';
import { useView } from '../context';

/** The cells of a step, each with what it put out. */
export function StepOutputs({ pipeline, page }: { pipeline: NotebookPipeline; page: StepPage }): JSX.Element {
  const trans = useTranslation();
  const { actions } = useView();
  return (
    <>
      {page.cells.map(cell => (
        <section key={cell.cell} className="kale-Cell" data-cell={cell.cell}>
          <details>
            <summary>
              {trans.__('Cell %1', cell.cell)} <code>{firstLine(cell.source)}</code>
            </summary>
            <pre>{cell.source}</pre>
          </details>
          <button
            className="kale-Button"
            onClick={() => {
              const id = findCell(pipeline, cell.cell, cell.source);
              if (id !== null) {
                actions.showCell(pipeline, id);
              }
            }}
          >
            {trans.__('Show in notebook')}
          </button>
          {cell.outputs.length > 0 ? (
            <Outputs outputs={cell.outputs} />
          ) : (
            <p className="kale-empty">{trans.__('No output.')}</p>
          )}
        </section>
      ))}
    </>
  );
}

function firstLine(source: string): string {
  return source.split('\n').find(line => line.trim() !== '') ?? '';
}

/** Outputs in nbformat's form, drawn as in a notebook that is not trusted: HTML is sanitised, and no script is run. */
export function Outputs({ outputs }: { outputs: readonly object[] }): JSX.Element {
  const { rendermime } = useView();
  const host = React.useRef<HTMLDivElement>(null);
  const key = JSON.stringify(outputs);
  // In layout effects, which are undone while the host is still in the page, as Lumino wants it.
  React.useLayoutEffect(() => {
    const model = new OutputAreaModel({ values: JSON.parse(key) as IOutput[], trusted: false });
    const area = new SimplifiedOutputArea({ model, rendermime });
    Widget.attach(area, host.current!);
    return () => {
      area.dispose();
      model.dispose();
    };
  }, [key, rendermime]);
  return <div className="kale-Outputs" ref={host} />;
}
