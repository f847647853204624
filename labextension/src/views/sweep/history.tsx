import * as React from 'react';

import { formatNumber } from '../../ui/format';
import { useTranslation } from '../../ui/translation';
import type { Direction } from '../../protocol';
import { bestSoFar } from './points';
import type { Linked, Valued } from './points';

const WIDTH = 420;
const HEIGHT = 140;
const EDGE = 10;

interface HistoryProps extends Linked {
  points: readonly Valued[];
  direction: Direction;
  metric: string;
}

/** The objective of each trial in the order in which they began, and the best so far. */
export function History({
  points,
  direction,
  metric,
  hovered,
  onHover,
  onOpen
}: HistoryProps): JSX.Element | null {
  const trans = useTranslation();
  if (points.length < 2) {
    return null;
  }
  const values = points.map(({ value }) => value);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const last = Math.max(...points.map(({ trial }) => trial.trial)) || 1;
  const x = (trial: number) => EDGE + (trial / last) * (WIDTH - 2 * EDGE);
  const y = (value: number) =>
    HEIGHT - EDGE - (high > low ? (value - low) / (high - low) : 0.5) * (HEIGHT - 2 * EDGE);
  const best = bestSoFar(points, direction);
  const steps = points.map(({ trial }, index) => `${x(trial.trial).toFixed(1)},${y(best[index]).toFixed(1)}`);
  return (
    <figure className="kale-History">
      <figcaption>{trans.__('%1, from %2 to %3', metric, formatNumber(low), formatNumber(high))}</figcaption>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={trans.__('%1 of each trial', metric)}>
        <polyline points={steps.join(' ')} />
        {points.map(({ trial, value }) => (
          <circle
            key={trial.trial}
            cx={x(trial.trial)}
            cy={y(value)}
            r={trial.trial === hovered ? 5 : 3}
            data-hovered={trial.trial === hovered}
            onMouseEnter={() => onHover(trial.trial)}
            onMouseLeave={() => onHover(null)}
            onClick={() => onOpen(trial.trial)}
          />
        ))}
      </svg>
    </figure>
  );
}
