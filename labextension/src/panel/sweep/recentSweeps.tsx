import * as React from 'react';

import { isFinished } from '../../protocol';
import { formatNumber } from '../../ui/format';
import { Status } from '../../ui/status';
import { useTranslation } from '../../ui/translation';
import type { PanelProps } from '../actions';

/** The sweeps of the notebook's store, newest first. */
export function RecentSweeps({ pipeline, actions }: PanelProps): JSX.Element {
  const trans = useTranslation();
  const sweeps = pipeline.sweeps.list;
  return (
    <>
      {sweeps.length === 0 && (
        <p className="kale-empty">
          {trans.__('No sweeps yet. A sweep runs the notebook with many values of its parameters.')}
        </p>
      )}
      <ul className="kale-Runs kale-Sweeps">
        {sweeps.map(sweep => (
          <li key={sweep.sweep_id} data-sweep={sweep.sweep_id}>
            <button className="kale-Runs-open" onClick={() => actions.openSweep(pipeline, sweep.sweep_id)}>
              <Status status={sweep.status} />
              <span className="kale-Runs-id">{sweep.sweep_id}</span>
              <span>
                {trans.__(
                  '%1 of %2 trials',
                  sweep.trials.filter(trial => isFinished(trial.status)).length,
                  sweep.definition.trials
                )}
              </span>
              <span className="kale-Runs-metrics">
                {sweep.best !== null && `${sweep.objective.metric} ${formatNumber(sweep.best.value)}`}
              </span>
            </button>
          </li>
        ))}
      </ul>
      <button
        className="kale-Button"
        data-action="sweep"
        disabled={!pipeline.link.isReady}
        onClick={() => actions.newSweep(pipeline)}
      >
        {trans.__('New sweep …')}
      </button>
    </>
  );
}
