/** What the dialog of a new sweep holds, and what is asked of the kernel with it: plain functions of texts. */

import type { SweepChoice } from '../../notebook/sweeps';
import type { Dimension, Direction, Domain, Graph, Parameter, SweepDefinition } from '../../protocol';

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
  /** Whether numbers of a list have an order for the algorithm. */
  isOrdered: boolean;
  /** The notebook's value. */
  placeholder: string;
}

export interface SweepForm {
  rows: readonly Row[];
  objective: string;
  direction: Direction;
  algorithm: string;
  /** `NAME=VALUE`, with spaces or commas between them. */
  settings: string;
  trials: string;
  parallel: string;
  /** What is planned is what is begun. */
  seed: number | null;
}

/** In the order in which they are offered; the others need `kale-rs[sweep]`. */
export const ALGORITHMS = [
  'random',
  'grid',
  'sobol',
  'hyperband',
  'tpe',
  'multivariate-tpe',
  'cmaes',
  'bayesianoptimization'
] as const;

/** Metrics that people want large; as `Direction::guess` in `kale_model`, which is asked for the first one. */
const LARGE =
  /(?<![a-z\d])(accuracy|acc|auc|auroc|f1|score|precision|recall|r2|reward|iou|dice|bleu|map)(?![a-z\d])/i;

/** Filled from what is written in the notebook's metadata, and from ranges around its own values. */
export function initialForm(graph: Graph, definition: SweepDefinition | null): SweepForm {
  const objective = definition?.objectives[0]?.metric ?? graph.metrics[0]?.name ?? '';
  const algorithm = definition?.algorithm ?? 'random';
  const settings = Object.entries(definition?.settings ?? {}).map(([name, value]) => `${name}=${value}`);
  return {
    rows: graph.parameters.map(parameter =>
      rowOf(
        parameter,
        definition?.space.find(dimension => dimension.name === parameter.name)
      )
    ),
    objective,
    direction: definition?.objectives[0]?.direction ?? directionOf(objective),
    algorithm,
    settings: settings.join(' '),
    trials: SCHEDULED.includes(algorithm) ? '' : String(definition?.trials ?? 10),
    parallel: '',
    seed: definition?.seed ?? null
  };
}

/** Algorithms that have as many trials as they need by themselves. */
const SCHEDULED = ['grid', 'hyperband'];

export function directionOf(metric: string): Direction {
  return LARGE.test(metric) ? 'maximize' : 'minimize';
}

function rowOf(parameter: Parameter, guessed: Dimension | undefined): Row {
  const shown = typeof parameter.default === 'string' ? parameter.default : JSON.stringify(parameter.default);
  const row = { ...rowNamed(parameter.name, parameter.type), values: shown, placeholder: shown };
  return guessed === undefined ? row : { ...row, ...fieldsOf(guessed.domain) };
}

/** A row with nothing in its fields. */
export function rowNamed(name: string, type: string): Row {
  return {
    name,
    type,
    mode: 'fixed',
    value: '',
    low: '',
    high: '',
    step: '',
    isLogarithmic: false,
    values: '',
    isOrdered: false,
    placeholder: ''
  };
}

/** The fields of a row that has these values. */
export function fieldsOf(domain: Domain): Partial<Row> {
  if (domain.kind === 'discrete' || domain.kind === 'categorical') {
    return { mode: 'list', values: listOf(domain.values), isOrdered: domain.kind === 'discrete' };
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

/** With commas between them; as JSON where they hold commas themselves. */
function listOf(values: readonly unknown[]): string {
  const texts = values.map(value => (typeof value === 'string' ? value : JSON.stringify(value)));
  return texts.some(text => /[,"[{]/.test(text)) ? JSON.stringify(values) : texts.join(', ');
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
    const text = row.values.trim();
    const parts = text.split(',').map(value => value.trim());
    // JSON has commas of its own.
    const values = /^[[{]/.test(text) ? text : parts.filter(value => value !== '').join(',');
    return `${row.name}=${row.isOrdered ? 'discrete' : 'choice'}:${values}`;
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
    settings: form.settings.split(/[\s,]+/).filter(setting => setting !== ''),
    trials: wholeOrNull(form.trials),
    parallel: wholeOrNull(form.parallel),
    seed: form.seed
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

export function wholeOrNull(text: string): number | null {
  return /^[1-9]\d*$/.test(text.trim()) ? Number(text) : null;
}
