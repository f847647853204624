import * as React from 'react';

import type { NotebookPipeline } from '../../notebook/pipeline';
import { isFinished, isResumable } from '../../protocol';
import type { Sweep } from '../../protocol';
import { Status } from '../../ui/status';
import { useTranslation } from '../../ui/translation';
import { useView } from '../context';
import { Values } from '../values';

interface SweepHeadProps {
  pipeline: NotebookPipeline;
  sweep: Sweep;
  isActing: boolean;
  act: (what: () => Promise<unknown>) => void;
  onExtend: () => void;
}

/** How the sweep goes, what can be done with it, and the best trial so far. */
export function SweepHead({ pipeline, sweep, isActing, act, onExtend }: SweepHeadProps): JSX.Element {
  const trans = useTranslation();
  const { sweep_id: id, trials } = sweep;
  const over = trials.filter(trial => isFinished(trial.status)).length;
  const change = (action: string) => () => act(() => pipeline.sweeps.change(action, id));
  return (
    <header className="kale-RunHead kale-SweepHead">
      <h2>
        {trans.__('Sweep')} <code>{id}</code>
      </h2>
      <p role="status" className="kale-RunHead-status">
        <Status status={sweep.status} />
        <span>{trans.__('%1 of %2 trials', over, sweep.definition.trials)}</span>
        <span>
          {sweep.planned_step_executions === null
            ? trans.__('%1 step runs', sweep.step_executions)
            : trans.__('%1 of %2 step runs', sweep.step_executions, sweep.planned_step_executions)}
        </span>
      </p>
      <div className="kale-Buttons">
        {!isFinished(sweep.status) && (
          <button className="kale-Button" data-action="stop" disabled={isActing} onClick={change('stop')}>
            {trans.__('Stop')}
          </button>
        )}
        {isResumable(sweep.status) && (
          <button className="kale-Button" data-action="resume" disabled={isActing} onClick={change('resume')}>
            {trans.__('Resume')}
          </button>
        )}
        {isFinished(sweep.status) && (
          <button className="kale-Button" data-action="extend-form" disabled={isActing} onClick={onExtend}>
            {trans.__('Extend …')}
          </button>
        )}
      </div>
      {sweep.reason !== undefined && (
        <p className="kale-Refusal" role="alert">
          {sweep.reason}
        </p>
      )}
      <Best pipeline={pipeline} sweep={sweep} act={act} isActing={isActing} />
    </header>
  );
}

function Best({ pipeline, sweep, act, isActing }: Omit<SweepHeadProps, 'onExtend'>): JSX.Element | null {
  const trans = useTranslation();
  const { actions } = useView();
  const { best, objective } = sweep;
  if (best === null) {
    return null;
  }
  const path = pipeline.panel.context.path;
  /** After its last step all its variables are there. */
  const restore = async () => {
    const run = await pipeline.runs.summary(best.run_id);
    const last = [...run.steps]
      .reverse()
      .find(step => step.status === 'succeeded' || step.status === 'cached');
    if (last !== undefined) {
      await actions.openRestored(pipeline, best.run_id, last.name, false);
    }
  };
  return (
    <Values
      title={trans.__('Best: trial %1', best.trial)}
      name="best"
      values={{ [objective.metric]: best.value, ...best.parameters }}
    >
      <div className="kale-Buttons">
        <button
          className="kale-Button"
          data-action="open-best"
          onClick={() => actions.open({ kind: 'run', path, run: best.run_id })}
        >
          {trans.__('Open its run')}
        </button>
        <button
          className="kale-Button"
          data-action="restore-best"
          disabled={isActing}
          onClick={() => act(restore)}
        >
          {trans.__('Open it in a notebook')}
        </button>
        <button
          className="kale-Button"
          data-action="serve-best"
          onClick={() => actions.serve(pipeline, best.run_id)}
        >
          {trans.__('Serve best …')}
        </button>
      </div>
    </Values>
  );
}
