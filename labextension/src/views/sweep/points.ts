/** What the pictures of a sweep are drawn from: plain functions of its trials. */

import type { Direction, Sweep, Trial } from '../../protocol';

/** A trial that counts, with the value of the objective. */
export interface Valued {
  trial: Trial;
  value: number;
}

export function valued(sweep: Sweep): Valued[] {
  return sweep.trials.flatMap(trial => {
    const value = trial.metrics[sweep.objective.metric];
    return trial.status === 'succeeded' && typeof value === 'number' ? [{ trial, value }] : [];
  });
}

/** What pictures of the same trials have in common: the one under the pointer. */
export interface Linked {
  hovered: number | null;
  onHover: (trial: number | null) => void;
  onOpen: (trial: number) => void;
}

export function isBetter(direction: Direction, a: number, b: number): boolean {
  return direction === 'maximize' ? a > b : a < b;
}

/** The best value so far, for each of them in turn. */
export function bestSoFar(points: readonly Valued[], direction: Direction): number[] {
  let best: number | null = null;
  return points.map(({ value }) => {
    best = best === null || isBetter(direction, value, best) ? value : best;
    return best;
  });
}

/** One vertical line of the parallel coordinates: a varied parameter, or the objective. */
export interface Axis {
  /** Its own, also where a metric has the name of a parameter. */
  id: string;
  name: string;
  /** Where a value lies, from 0 (below) to 1; `null` where it has no place. */
  place(value: unknown): number | null;
  /** What is written beside it, with the places. */
  ticks: { text: string; place: number }[];
}

/** Numbers lie in proportion, and in that of their logarithms where they span more than two decades. */
export function axisOf(name: string, values: readonly unknown[], id = name): Axis {
  const numbers = values.filter((value): value is number => typeof value === 'number');
  if (numbers.length === values.length && numbers.length > 0) {
    return numericAxis(id, name, Math.min(...numbers), Math.max(...numbers));
  }
  const texts = [...new Set(values.map(value => JSON.stringify(value)))].sort();
  const place = (index: number) => (texts.length > 1 ? index / (texts.length - 1) : 0.5);
  return {
    id,
    name,
    place: value => {
      const index = texts.indexOf(JSON.stringify(value));
      return index < 0 ? null : place(index);
    },
    ticks: texts.map((text, index) => ({ text: text.replace(/^"|"$/g, ''), place: place(index) }))
  };
}

function numericAxis(id: string, name: string, low: number, high: number): Axis {
  const isLogarithmic = low > 0 && high / low >= 100;
  const scale = isLogarithmic ? Math.log : (value: number) => value;
  const [from, to] = [scale(low), scale(high)];
  const place = (value: unknown) =>
    typeof value !== 'number' ? null : to > from ? (scale(value) - from) / (to - from) : 0.5;
  const ends = low === high ? [low] : [low, high];
  return {
    id,
    name,
    place,
    ticks: ends.map(value => ({ text: String(Number(value.toPrecision(3))), place: place(value)! }))
  };
}

/** The axes of a sweep: what is varied, and then the objective. */
export function axesOf(sweep: Sweep, points: readonly Valued[]): Axis[] {
  const names = Object.keys(sweep.trials[0]?.parameters ?? {});
  const ofParameter = (name: string) =>
    axisOf(
      name,
      points.map(({ trial }) => trial.parameters[name]),
      `parameter:${name}`
    );
  const objective = axisOf(
    sweep.objective.metric,
    points.map(({ value }) => value),
    'objective'
  );
  return [...names.map(ofParameter), objective];
}

/** Parts of an axis that are chosen, from 0 to 1, by the axis's id. */
export type Brushes = Readonly<Record<string, readonly [number, number]>>;

export function isChosen(point: Valued, axes: readonly Axis[], brushes: Brushes): boolean {
  return axes.every((axis, index) => {
    const brush = brushes[axis.id];
    if (brush === undefined) {
      return true;
    }
    const value = index === axes.length - 1 ? point.value : point.trial.parameters[axis.name];
    const place = axis.place(value);
    return place !== null && place >= brush[0] && place <= brush[1];
  });
}

/** As many groups a range of numbers is cut into, to see how much of the objective follows from it. */
const GROUPS = 5;

/**
 * How much of the objective's variance each parameter explains by itself: the correlation ratio over groups of equal
 * values, or of equally many neighbouring numbers, less what chance would explain (epsilon squared; Kelley 1935). From 0
 * to 1; parameters that act only together with others are rated low.
 */
export function importance(sweep: Sweep, points: readonly Valued[]): { name: string; share: number }[] {
  const names = Object.keys(sweep.trials[0]?.parameters ?? {});
  if (points.every(({ value }) => value === points[0].value)) {
    return [];
  }
  const mean = average(points.map(({ value }) => value));
  const whole = sum(points.map(({ value }) => (value - mean) ** 2));
  const share = (name: string) => {
    const groups = grouped(points, name).map(group => group.map(({ value }) => value));
    const within = sum(groups.map(group => sum(group.map(value => (value - average(group)) ** 2))));
    const free = points.length - groups.length;
    return whole > 0 && free > 0 ? Math.max(0, 1 - within / free / (whole / (points.length - 1))) : 0;
  };
  return names.map(name => ({ name, share: share(name) })).sort((a, b) => b.share - a.share);
}

function grouped(points: readonly Valued[], name: string): Valued[][] {
  const distinct = new Map<string, Valued[]>();
  for (const point of points) {
    const key = JSON.stringify(point.trial.parameters[name]);
    distinct.set(key, [...(distinct.get(key) ?? []), point]);
  }
  const isNumeric = points.every(({ trial }) => typeof trial.parameters[name] === 'number');
  if (!isNumeric || distinct.size <= GROUPS) {
    return [...distinct.values()];
  }
  const number = ({ trial }: Valued) => trial.parameters[name] as number;
  const sorted = [...points].sort((a, b) => number(a) - number(b));
  const size = Math.ceil(sorted.length / GROUPS);
  return Array.from({ length: GROUPS }, (_, index) => sorted.slice(index * size, (index + 1) * size)).filter(
    group => group.length > 0
  );
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function average(values: readonly number[]): number {
  return values.length === 0 ? 0 : sum(values) / values.length;
}
