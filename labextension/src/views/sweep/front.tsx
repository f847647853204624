import * as React from 'react';

import type { Sweep } from '../../protocol';
import { formatNumber } from '../../ui/format';
import { useTranslation } from '../../ui/translation';
import { axisOf } from './points';
import type { Linked, Valued } from './points';

const WIDTH = 320;
const HEIGHT = 200;
const EDGE = 12;

/** Two objectives against each other: what is best in both lies on the front. */
export function Front({
  sweep,
  points,
  hovered,
  onHover,
  onOpen
}: { sweep: Sweep; points: readonly Valued[] } & Linked): JSX.Element | null {
  const trans = useTranslation();
  const [first, second] = sweep.objectives ?? [];
  if (second === undefined || points.length < 2) {
    return null;
  }
  const of = (metric: string) => points.map(({ trial }) => trial.metrics[metric]);
  const [across, up] = [axisOf(first.metric, of(first.metric)), axisOf(second.metric, of(second.metric))];
  const front = new Set(sweep.front);
  const words = { minimize: trans.__('smaller is better'), maximize: trans.__('larger is better') };
  const about = ({ metric, direction }: typeof first) => `${metric} (${words[direction]})`;
  return (
    <figure className="kale-Front">
      <figcaption>{trans.__('%1 across, %2 upwards', about(first), about(second))}</figcaption>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        role="img"
        aria-label={trans.__('%1 trials that no other is better than in all objectives', front.size)}
      >
        {points.map(({ trial }) => (
          <circle
            key={trial.trial}
            cx={EDGE + (across.place(trial.metrics[first.metric]) ?? 0) * (WIDTH - 2 * EDGE)}
            cy={HEIGHT - EDGE - (up.place(trial.metrics[second.metric]) ?? 0) * (HEIGHT - 2 * EDGE)}
            r={trial.trial === hovered ? 6 : 4}
            data-front={front.has(trial.trial)}
            data-hovered={trial.trial === hovered}
            onMouseEnter={() => onHover(trial.trial)}
            onMouseLeave={() => onHover(null)}
            onClick={() => onOpen(trial.trial)}
          >
            <title>
              {trans.__(
                'trial %1: %2, %3',
                trial.trial,
                formatNumber(trial.metrics[first.metric]),
                formatNumber(trial.metrics[second.metric])
              )}
            </title>
          </circle>
        ))}
      </svg>
    </figure>
  );
}
