import * as React from 'react';

import type { NotebookPipeline } from '../../notebook/pipeline';
import { isActive, stepsDone } from '../../notebook/runs';
import { errorsOf } from '../../notebook/problems';
import { isResumable } from '../../protocol';
import type { RunDetail } from '../../protocol';
import { Elapsed } from '../../ui/elapsed';
import { Status } from '../../ui/status';
import { useTranslation } from '../../ui/translation';
import { useView } from '../context';
import { runId } from '../ids';
import { Values } from '../values';

interface RunHeadProps {
  pipeline: NotebookPipeline;
  run: RunDetail;
  /** Whether something is being done, so that a click has been heard. */
  isActing: boolean;
  /** Does something, and shows why it could not be done. */
  act: (what: () => Promise<unknown>) => void;
}

export function RunHead({ pipeline, run, isActing, act }: RunHeadProps): JSX.Element {
  const trans = useTranslation();
  const { actions } = useView();
  const id = run.run_id!;
  const isRunning = isActive(run);
  const isArchived = pipeline.runs.isArchived(id);
  const path = pipeline.panel.context.path;
  return (
    <header className="kale-RunHead">
      <h2>
        {trans.__('Run')} <code>{id}</code>
      </h2>
      <p role="status" className="kale-RunHead-status">
        <Status status={run.status} />
        <span>{trans.__('%1 of %2 steps', stepsDone(run), run.steps.length)}</span>
      </p>
      <p className="kale-RunHead-time">
        <Elapsed run={run} />
      </p>
      {run.context !== undefined && (
        <p className="kale-RunHead-place">
          {run.remote !== undefined && /^https?:/.test(run.remote.url) ? (
            <a className="kale-Link" href={run.remote.url} target="_blank" rel="noopener">
              {trans.__('on %1', run.context)}
            </a>
          ) : (
            trans.__('on %1', run.context)
          )}
          {isArchived && trans.__(', archived')}
        </p>
      )}
      <div className="kale-Buttons">
        {isRunning && (
          <button
            className="kale-Button"
            data-action="stop"
            disabled={isActing}
            onClick={() => act(() => pipeline.stop(id))}
          >
            {trans.__('Stop')}
          </button>
        )}
        {isResumable(run.status) && (
          <button
            className="kale-Button"
            data-action="resume"
            disabled={isActing}
            onClick={() => act(() => pipeline.resume(id))}
          >
            {trans.__('Resume')}
          </button>
        )}
        {run.remote !== undefined && !isRunning && (
          <button
            className="kale-Button"
            data-action={isArchived ? 'unarchive' : 'archive'}
            disabled={isActing}
            onClick={() => act(() => pipeline.runs.archive(id, !isArchived))}
          >
            {isArchived ? trans.__('Unarchive') : trans.__('Archive')}
          </button>
        )}
        <button
          className="kale-Button"
          data-action="graph"
          onClick={() => actions.open({ kind: 'graph', path })}
        >
          {trans.__('Graph')}
        </button>
        <button
          className="kale-Button"
          data-action="lineage"
          onClick={() => actions.open({ kind: 'lineage', path, id: runId(id) })}
        >
          {trans.__('Lineage')}
        </button>
      </div>
      <Values title={trans.__('Parameters')} values={run.parameters} name="parameters" />
      <Values title={trans.__('Metrics')} values={run.metrics} name="metrics" />
      <Failure pipeline={pipeline} run={run} />
    </header>
  );
}

/** What went wrong, and the way to the line where it did. */
function Failure({ pipeline, run }: { pipeline: NotebookPipeline; run: RunDetail }): JSX.Element | null {
  const trans = useTranslation();
  const { actions } = useView();
  const errors = errorsOf(run.diagnostics);
  if (errors.length === 0) {
    return null;
  }
  return (
    <div className="kale-Refusal" role="alert">
      {errors.map((error, number) => (
        <div key={number}>
          <p>{error.message}</p>
          {error.help && <p className="kale-help">{error.help}</p>}
          {error.cell !== null && (
            <button
              className="kale-Button"
              data-action="show-failure"
              onClick={() => actions.showDiagnostic(pipeline, error)}
            >
              {trans.__('Show in notebook: cell %1, line %2', error.cell, error.start?.line ?? 1)}
            </button>
          )}
        </div>
      ))}
    </div>
  );
}
