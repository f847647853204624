import * as React from 'react';

import { formatValue } from '../ui/format';

interface ValuesProps {
  title: string;
  name: string;
  values: Record<string, unknown>;
  /** Shown below them. */
  children?: React.ReactNode;
}

/** Named values, such as parameters or metrics; nothing where there are none. */
export function Values({ title, name, values, children }: ValuesProps): JSX.Element | null {
  const entries = Object.entries(values);
  if (entries.length === 0) {
    return null;
  }
  return (
    <section className="kale-Values" data-values={name} aria-label={title}>
      <h3>{title}</h3>
      <dl>
        {entries.map(([key, value]) => (
          <div key={key}>
            <dt>{key}</dt>
            <dd>{formatValue(value)}</dd>
          </div>
        ))}
      </dl>
      {children}
    </section>
  );
}
