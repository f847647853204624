import * as React from 'react';

import type { Sweep } from '../../protocol';
import { useTranslation } from '../../ui/translation';
import { importance } from './points';
import type { Valued } from './points';

/** With fewer trials, chance looks like importance. */
const ENOUGH = 8;

interface ImportanceProps {
  sweep: Sweep;
  points: readonly Valued[];
}

/** How much each parameter matters by itself. */
export function Importance({ sweep, points }: ImportanceProps): JSX.Element | null {
  const trans = useTranslation();
  const rated = React.useMemo(() => importance(sweep, points), [sweep, points]);
  if (points.length < ENOUGH || rated.length < 2) {
    return null;
  }
  return (
    <figure className="kale-Importance">
      <figcaption title={trans.__('The share of its variance that the parameter explains by itself')}>
        {trans.__('What %1 depends on', sweep.objective.metric)}
      </figcaption>
      <dl>
        {rated.map(({ name, share }) => (
          <div key={name} data-parameter={name}>
            <dt>{name}</dt>
            <dd>
              <span className="kale-Importance-bar" style={{ width: `${Math.round(share * 100)}px` }} />
              {Math.round(share * 100)} %
            </dd>
          </div>
        ))}
      </dl>
    </figure>
  );
}
