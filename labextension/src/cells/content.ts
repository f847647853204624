import { flowsOf } from '../notebook/analysis';
import type { CellStep } from '../notebook/analysis';
import { isWholeCell } from '../notebook/places';
import type { StepState } from '../notebook/runs';
import type { Role } from '../notebook/tags';
import { isFinished } from '../protocol';
import type { Diagnostic, Severity, StepStatus } from '../protocol';
import { stepColour } from '../ui/colours';
import { SEVERITIES } from '../ui/severity';

/** A step that gives something, and what. */
export interface SourceStep {
  step: string;
  flows: string[];
}

/** How a step does in the run that is shown, or did. */
export interface StepLine {
  status: StepStatus;
  seconds: number;
  progress: [done: number, total: number] | null;
  /** Whether a cell of the step is not what was run any more. */
  isOutdated: boolean;
}

/** What a cell shows of its step. */
export interface BadgeContent {
  /** The step, or the part that the cell plays (`imports`); `null` when it plays none yet. */
  role: Role | null;
  colour: string | null;
  /** Whether a step or a part begins here: then there is a line above the cell, else only a mark beside it. */
  isFirst: boolean;
  sources: SourceStep[];
  status: StepLine | null;
  /** Whether the run is at this very cell, or has stopped short at it. */
  isAt: boolean;
  /** What there is to say about the cell as a whole. */
  problems: { severity: Severity; count: number } | null;
}

/** What is known of one cell. */
export interface CellFacts {
  isCode: boolean;
  role: Role | null;
  compiled: CellStep | undefined;
  diagnostics: readonly Diagnostic[];
  /** Whether the run is at this cell. */
  isAt: boolean;
}

/** What is known of a step's run beside what the kernel says. */
export interface RunFacts {
  seconds(state: StepState): number;
  isOutdated(state: StepState): boolean;
}

/** The badges of a notebook, by cell; `null` for cells that have no part in it, such as text. */
export function badgesOf(
  cells: readonly CellFacts[],
  states: ReadonlyMap<string, StepState>,
  run: RunFacts
): (BadgeContent | null)[] {
  const order = [...new Set(cells.flatMap(cell => (cell.role?.kind === 'step' ? [cell.role.name] : [])))];
  const indexOf = new Map(order.map((name, index) => [name, index]));
  let before: string | null = null;
  return cells.map(cell => {
    if (!cell.isCode) {
      return null;
    }
    const content = badgeOf(cell, states, indexOf, run);
    const key = content.role && `${content.role.kind} ${'name' in content.role ? content.role.name : ''}`;
    content.isFirst = key !== null && key !== before;
    before = key;
    return content;
  });
}

function badgeOf(
  cell: CellFacts,
  states: ReadonlyMap<string, StepState>,
  order: ReadonlyMap<string, number>,
  run: RunFacts
): BadgeContent {
  const content: BadgeContent = {
    role: cell.role,
    colour: cell.role?.kind === 'step' ? stepColour(order.get(cell.role.name) ?? 0) : null,
    isFirst: false,
    sources: [],
    status: null,
    isAt: cell.isAt,
    problems: problemsOf(cell.diagnostics)
  };
  const { compiled } = cell;
  // A tag that was changed a moment ago outranks what was compiled before.
  if (compiled === undefined || (cell.role?.kind === 'step' && cell.role.name !== compiled.step.name)) {
    return content;
  }
  const state = states.get(compiled.step.name);
  return {
    ...content,
    role: cell.role ?? { kind: 'step', name: compiled.step.name },
    colour: stepColour(compiled.index),
    sources: compiled.incoming.map(edge => ({
      step: edge.from,
      flows: flowsOf(edge)
    })),
    status: state === undefined ? null : statusOf(state, run)
  };
}

function statusOf(state: StepState, facts: RunFacts): StepLine {
  const { status } = state.step;
  const detail = state.run.details[state.index];
  const isLong = status === 'running' && detail?.cells_done != null && (detail.cells_total ?? 0) > 1;
  return {
    status,
    seconds: facts.seconds(state),
    progress: isLong ? [detail.cells_done!, detail.cells_total!] : null,
    isOutdated: isFinished(status) && facts.isOutdated(state)
  };
}

function problemsOf(diagnostics: readonly Diagnostic[]): BadgeContent['problems'] {
  const whole = diagnostics.filter(each => isWholeCell(each.start, each.end));
  const severity = SEVERITIES.find(each => whole.some(one => one.severity === each));
  return severity === undefined ? null : { severity, count: whole.length };
}
