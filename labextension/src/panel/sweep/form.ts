/** What the dialog of a new sweep holds, and what is asked of the kernel with it: plain functions of texts. */

import type { SweepChoice } from '../../notebook/sweeps';
import type { Dimension, Direction, Domain, Graph, Parameter } from '../../protocol';

/** Whether a parameter stays as it is, has values from a range, or from a list. */
export type Mode = 'fixed' | 'range' | 'list';

/** One parameter. All texts are as they stand in their fields. */
export interface Row {
  name: string;
  type: string;
  mode: Mode;
  /** Of `fixed`; empty: the notebook's value. */
  value: string;
  low: string;
  high: string;
  step: string;
  isLogarithmic: boolean;
  /** With commas between them. */
  values: string;
  /** The notebook's value. */
  placeholder: string;
}

export interface SweepForm {
  rows: readonly Row[];
  objective: string;
  direction: Direction;
  algorithm: string;
  trials: string;
  parallel: string;
}

/** In the order in which they are offered; the others need `kale-rs[sweep]`. */
export const ALGORITHMS = [
  'random',
  'grid',
  'sobol',
  'tpe',
  'multivariate-tpe',
  'cmaes',
  'bayesianoptimization'
] as const;

/** Metrics that people want small. */
const SMALL = /loss|error|cost|rmse|mse|mae|perplexity|seconds|time/i;

export function initialForm(graph: Graph, guessed: readonly Dimension[]): SweepForm {
  const objective = graph.metrics[0]?.name ?? '';
  return {
    rows: graph.parameters.map(parameter =>
      rowOf(
        parameter,
        guessed.find(dimension => dimension.name === parameter.name)
      )
    ),
    objective,
    direction: directionOf(objective),
    algorithm: 'random',
    trials: '10',
    parallel: ''
  };
}

export function directionOf(metric: string): Direction {
  return SMALL.test(metric) ? 'minimize' : 'maximize';
}

function rowOf(parameter: Parameter, guessed: Dimension | undefined): Row {
  const shown = typeof parameter.default === 'string' ? parameter.default : JSON.stringify(parameter.default);
  const row: Row = {
    name: parameter.name,
    type: parameter.type,
    mode: 'fixed',
    value: '',
    low: '',
    high: '',
    step: '',
    isLogarithmic: false,
    values: shown,
    placeholder: shown
  };
  return guessed === undefined ? row : { ...row, ...fieldsOf(guessed.domain) };
}

function fieldsOf(domain: Domain): Partial<Row> {
  if (domain.kind === 'discrete' || domain.kind === 'categorical') {
    return { mode: 'list', values: domain.values.map(value => textOf(value)).join(', ') };
  }
  const step =
    domain.step === null || (domain.kind === 'int' && domain.step === 1) ? '' : String(domain.step);
  return {
    mode: 'range',
    low: String(domain.low),
    high: String(domain.high),
    step,
    isLogarithmic: domain.scale === 'logarithmic'
  };
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** Which modes a type has: only numbers have ranges. */
export function modesOf(type: string): Mode[] {
  return type === 'int' || type === 'float' ? ['fixed', 'range', 'list'] : ['fixed', 'list'];
}

/** `NAME=RANGE` of a row that is varied. */
export function rangeOf(row: Row): string | null {
  if (row.mode === 'fixed') {
    return null;
  }
  if (row.mode === 'list') {
    const values = row.values
      .split(',')
      .map(value => value.trim())
      .filter(value => value !== '')
      .join(',');
    return `${row.name}=choice:${values}`;
  }
  const isInt = row.type === 'int';
  const kind = row.isLogarithmic ? (isInt ? 'logint' : 'loguniform') : isInt ? 'int' : 'uniform';
  const step = row.step.trim() === '' || row.isLogarithmic ? '' : `:${row.step.trim()}`;
  return `${row.name}=${kind}:${row.low.trim()}:${row.high.trim()}${step}`;
}

/** What is asked of the kernel. */
export function choiceOf(form: SweepForm): SweepChoice {
  const fixed = form.rows.filter(row => row.mode === 'fixed' && row.value.trim() !== '');
  return {
    vary: form.rows.flatMap(row => rangeOf(row) ?? []),
    fixed: fixed.map(row => `${row.name}=${row.value}`),
    objectives: form.objective === '' ? [] : [form.objective],
    direction: form.direction,
    algorithm: form.algorithm,
    settings: [],
    trials: wholeOrNull(form.trials),
    parallel: wholeOrNull(form.parallel)
  };
}

/** Why the kernel need not be asked. */
export function faultOf(form: SweepForm): 'nothing-varied' | 'trials' | 'parallel' | null {
  if (form.rows.every(row => row.mode === 'fixed')) {
    return 'nothing-varied';
  }
  if (form.trials.trim() !== '' && wholeOrNull(form.trials) === null) {
    return 'trials';
  }
  return form.parallel.trim() !== '' && wholeOrNull(form.parallel) === null ? 'parallel' : null;
}

function wholeOrNull(text: string): number | null {
  return /^[1-9]\d*$/.test(text.trim()) ? Number(text) : null;
}
