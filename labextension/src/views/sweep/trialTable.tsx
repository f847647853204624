import * as React from 'react';

import type { Sweep, Trial } from '../../protocol';
import { formatSeconds, formatValue } from '../../ui/format';
import { Status } from '../../ui/status';
import { useTranslation } from '../../ui/translation';
import type { Linked } from './points';

interface TrialTableProps extends Linked {
  sweep: Sweep;
  /** Those that are shown. */
  trials: readonly Trial[];
}

/** By which column the table is sorted: `trial`, `status`, `seconds`, `parameter:NAME` or `metric:NAME`. */
interface Order {
  column: string;
  isDescending: boolean;
}

/** All trials; a click on a column's head sorts them, one on a trial opens its run. */
export function TrialTable({ sweep, trials, hovered, onHover, onOpen }: TrialTableProps): JSX.Element {
  const trans = useTranslation();
  const { metric, direction } = sweep.objective;
  const [order, setOrder] = React.useState<Order>({
    column: `metric:${metric}`,
    isDescending: direction === 'maximize'
  });
  const parameters = Object.keys(sweep.trials[0]?.parameters ?? {});
  const metrics = [metric, ...otherMetrics(sweep)];
  const columns = [
    { id: 'trial', label: trans.__('Trial') },
    { id: 'status', label: trans.__('State, and why') },
    ...parameters.map(name => ({ id: `parameter:${name}`, label: name })),
    ...metrics.map(name => ({ id: `metric:${name}`, label: name })),
    { id: 'seconds', label: trans.__('Time') }
  ];
  const front = new Set(sweep.front);
  const sorted = React.useMemo(() => sort(trials, order), [trials, order]);
  const choose = (column: string) =>
    setOrder({ column, isDescending: order.column === column ? !order.isDescending : false });
  return (
    <div className="kale-Table-frame">
      <table className="kale-Table kale-TrialTable" onMouseLeave={() => onHover(null)}>
        <caption>
          {sweep.front === undefined
            ? trans.__('Trials')
            : trans.__('Trials; no other is better in all objectives than those with ◆')}
        </caption>
        <thead>
          <tr>
            {columns.map(({ id, label }) => (
              <th
                key={id}
                scope="col"
                aria-sort={order.column !== id ? 'none' : order.isDescending ? 'descending' : 'ascending'}
              >
                <button onClick={() => choose(id)} data-column={id}>
                  {label}
                  <span aria-hidden="true">
                    {order.column !== id ? '' : order.isDescending ? ' ▾' : ' ▴'}
                  </span>
                </button>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {sorted.map(trial => (
            <Row
              key={trial.trial}
              trial={trial}
              parameters={parameters}
              metrics={metrics}
              isBest={sweep.best?.trial === trial.trial}
              isOfFront={front.has(trial.trial)}
              isHovered={hovered === trial.trial}
              onHover={onHover}
              onOpen={onOpen}
            />
          ))}
        </tbody>
      </table>
    </div>
  );
}

interface RowProps {
  trial: Trial;
  parameters: readonly string[];
  metrics: readonly string[];
  isBest: boolean;
  /** With several objectives: no other trial is better in all of them. */
  isOfFront: boolean;
  isHovered: boolean;
  onHover: (trial: number) => void;
  onOpen: (trial: number) => void;
}

/** A trial that is over does not change: of five hundred, only those are drawn again that do. */
const Row = React.memo(
  function Row(props: RowProps): JSX.Element {
    const { trial, parameters, metrics, isBest, isOfFront, isHovered, onHover, onOpen } = props;
    return (
      <tr
        data-trial={trial.trial}
        data-status={trial.status}
        data-selected={isHovered}
        data-best={isBest}
        data-front={isOfFront}
        onMouseEnter={() => onHover(trial.trial)}
        onClick={() => onOpen(trial.trial)}
      >
        <th scope="row">
          <button onFocus={() => onHover(trial.trial)}>
            {trial.trial}
            {isBest ? ' ★' : ''}
            {isOfFront ? ' ◆' : ''}
          </button>
        </th>
        <td>
          <Status status={trial.status} />
          {trial.reason !== undefined && <small className="kale-StepTable-reason">{trial.reason}</small>}
        </td>
        {parameters.map(name => (
          <td key={name}>{formatValue(trial.parameters[name])}</td>
        ))}
        {metrics.map(name => (
          <td key={name}>{formatValue(trial.metrics[name])}</td>
        ))}
        <td>{trial.status === 'pending' ? '' : formatSeconds(trial.seconds)}</td>
      </tr>
    );
  },
  (before, after) =>
    before.isBest === after.isBest &&
    before.isOfFront === after.isOfFront &&
    before.isHovered === after.isHovered &&
    before.trial.status === after.trial.status &&
    before.trial.seconds === after.trial.seconds &&
    before.metrics.length === after.metrics.length
);

function otherMetrics(sweep: Sweep): string[] {
  const names = new Set(sweep.trials.flatMap(trial => Object.keys(trial.metrics)));
  names.delete(sweep.objective.metric);
  return [...names].sort();
}

function sort(trials: readonly Trial[], { column, isDescending }: Order): Trial[] {
  const [kind, name] = column.split(/:(.*)/s);
  const key = (trial: Trial): unknown =>
    kind === 'parameter'
      ? trial.parameters[name]
      : kind === 'metric'
        ? trial.metrics[name]
        : trial[kind as 'trial' | 'status' | 'seconds'];
  const sign = isDescending ? -1 : 1;
  return [...trials].sort((a, b) => {
    const [left, right] = [key(a), key(b)];
    // What has no value comes last, whichever way the others go.
    if (left === undefined || right === undefined) {
      return Number(left === undefined) - Number(right === undefined) || a.trial - b.trial;
    }
    const isNumeric = typeof left === 'number' && typeof right === 'number';
    const order = isNumeric ? left - right : String(left).localeCompare(String(right));
    return sign * order || a.trial - b.trial;
  });
}
