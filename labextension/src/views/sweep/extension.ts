/** What "Extend" and "Narrow" ask for: plain functions of a sweep and of the trials that are chosen. */

import { fieldsOf, rangeOf, rowNamed, wholeOrNull } from '../../panel/sweep/form';
import type { Row } from '../../panel/sweep/form';
import type { Dimension, Domain, Sweep, Trial } from '../../protocol';

export interface Extension {
  /** Of what is varied; none where the algorithm's trials follow from its ranges. */
  rows: readonly Row[];
  trials: string;
}

/** Algorithms whose ranges stay as they are. */
const SCHEDULED = ['grid', 'hyperband'];

export function canNarrow(sweep: Sweep): boolean {
  return !SCHEDULED.includes(sweep.definition.algorithm);
}

/** As many trials again, from the same ranges, or from those in which the chosen trials lie. */
export function extensionOf(sweep: Sweep, chosen: readonly Trial[] | null): Extension {
  const { space, trials } = sweep.definition;
  const rows = space.map(dimension =>
    rowOf(chosen === null ? dimension : { ...dimension, domain: narrowed(dimension, chosen) })
  );
  return { rows: canNarrow(sweep) ? rows : [], trials: String(2 * Math.max(trials, sweep.trials.length)) };
}

function rowOf({ name, domain }: Dimension): Row {
  return { ...rowNamed(name, typeOf(domain)), ...fieldsOf(domain) };
}

function typeOf(domain: Domain): string {
  switch (domain.kind) {
    case 'int':
      return 'int';
    case 'double':
      return 'float';
    case 'discrete':
      return domain.values.every(Number.isInteger) ? 'int' : 'float';
    case 'categorical':
      return 'str';
  }
}

/** The part of a range in which the values of these trials are. */
export function narrowed({ name, domain }: Dimension, trials: readonly Trial[]): Domain {
  const values = trials.map(trial => trial.parameters[name]);
  if (domain.kind === 'discrete' || domain.kind === 'categorical') {
    const texts = new Set(values.map(value => JSON.stringify(value)));
    const left = (domain.values as unknown[]).filter(value => texts.has(JSON.stringify(value)));
    return left.length === 0 ? domain : ({ ...domain, values: left } as Domain);
  }
  const numbers = values.filter((value): value is number => typeof value === 'number');
  const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
  if (numbers.length === 0) {
    return domain;
  }
  if (low === high) {
    return { kind: 'discrete', values: [low] };
  }
  if (domain.kind === 'int' || domain.step !== null) {
    return { ...domain, low, high };
  }
  // As people write numbers, and not beyond the range.
  return {
    ...domain,
    low: Math.max(domain.low, Number(low.toPrecision(4))),
    high: Math.min(domain.high, Number(high.toPrecision(4)))
  };
}

/** What is asked of the kernel: ranges only where they are others than before. */
export function choiceOf(extension: Extension, sweep: Sweep): { trials: number | null; vary: string[] } {
  const before = extensionOf(sweep, null).rows.map(rangeOf);
  const now = extension.rows.map(rangeOf);
  return {
    trials: wholeOrNull(extension.trials),
    vary: now.flatMap((range, index) => (range === null || range === before[index] ? [] : range))
  };
}
