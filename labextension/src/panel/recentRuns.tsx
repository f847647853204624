import * as React from 'react';

import type { NotebookPipeline } from '../notebook/pipeline';
import type { Run } from '../protocol';
import { Elapsed } from '../ui/elapsed';
import { formatNumber, formatSeconds } from '../ui/format';
import { Status } from '../ui/status';
import { useTranslation } from '../ui/translation';
import type { PanelProps } from './actions';

/** The notebook's runs, newest first; two that are ticked can be compared. */
export function RecentRuns({ pipeline, actions }: PanelProps): JSX.Element {
  const trans = useTranslation();
  const [ticked, setTicked] = React.useState<string[]>([]);
  const runs = pipeline.runs.list.filter(run => run.run_id !== null);
  if (runs.length === 0) {
    return <p className="kale-empty">{trans.__('No runs yet. Run executes the notebook as a pipeline.')}</p>;
  }
  const toggle = (id: string) =>
    setTicked(ticked.includes(id) ? ticked.filter(each => each !== id) : [...ticked.slice(-1), id]);
  const [after, before] = runs.map(run => run.run_id!).filter(id => ticked.includes(id));
  return (
    <>
      <ul className="kale-Runs">
        {runs.map(run => (
          <li key={run.run_id} data-run={run.run_id}>
            <input
              type="checkbox"
              checked={ticked.includes(run.run_id!)}
              onChange={() => toggle(run.run_id!)}
              aria-label={trans.__('Compare run %1', run.run_id!)}
            />
            <button className="kale-Runs-open" onClick={() => actions.openRun(pipeline, run.run_id!)}>
              <Status status={pipeline.runs.detail(run.run_id!)?.status ?? run.status} />
              <span className="kale-Runs-id">{run.run_id}</span>
              <span>
                <RunTime pipeline={pipeline} run={run} />
              </span>
              <span className="kale-Runs-metrics">
                {Object.entries(run.metrics)
                  .map(([name, value]) => `${name} ${formatNumber(value)}`)
                  .join(' · ')}
              </span>
            </button>
          </li>
        ))}
      </ul>
      <button
        className="kale-Button"
        data-action="compare"
        disabled={before === undefined}
        onClick={() => actions.compare(pipeline, before, after)}
      >
        {trans.__('Compare two')}
      </button>
    </>
  );
}

/** Of a run that is followed, the time goes on. */
function RunTime({ pipeline, run }: { pipeline: NotebookPipeline; run: Run }): JSX.Element {
  const detail = pipeline.runs.detail(run.run_id!);
  return detail === null ? <>{formatSeconds(run.seconds)}</> : <Elapsed run={detail} />;
}
