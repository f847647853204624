import type { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';

import type { Role } from '../notebook/tags';
import { formatSeconds } from '../ui/format';
import { STATUS_SIGNS, statusWord } from '../ui/status';
import { SEVERITY_SIGNS, severityWord } from '../ui/severity';
import type { BadgeContent, SourceStep } from './content';
import { roleWord } from './roleWords';

/** What can be done with a badge. Each is given the element that was used, which a popover can stand beside. */
export interface BadgeActions {
  edit(anchor: HTMLElement): void;
  /** Says why the step needs another; `enter`: the keyboard goes there too. */
  explain(anchor: HTMLElement, source: string, enter: boolean): void;
  /** Opens the run at this step. */
  openStep(): void;
  showProblems(anchor: HTMLElement): void;
}

/**
 * The line above a cell where a step begins, or the mark beside one that goes on with it. Plain DOM: there may be one
 * on every cell, and they change while people type.
 */
export class Badge extends Widget {
  constructor(
    private trans: TranslationBundle,
    private actions: BadgeActions
  ) {
    super();
    this.addClass('kale-Badge');
    this.step = button('kale-Badge-step', anchor => actions.edit(anchor));
    this.sources = document.createElement('span');
    this.sources.className = 'kale-Badge-sources';
    this.problems = button('kale-Badge-problems', anchor => actions.showProblems(anchor));
    this.status = button('kale-Status', () => actions.openStep());
    this.node.append(this.step, this.sources, this.status, this.problems);
  }

  display(content: BadgeContent | null): void {
    const key = JSON.stringify(content);
    if (key === this.shown) {
      return;
    }
    this.shown = key;
    this.setHidden(content === null);
    if (content === null) {
      return;
    }
    this.node.dataset.kind = content.isFirst ? 'line' : 'mark';
    this.node.dataset.loud = String(content.isFirst || content.isAt || content.problems !== null);
    this.showStep(content);
    this.showSources(content.isFirst ? content.sources : []);
    this.showStatus(content.isFirst ? content.status : null);
    this.showProblems(content.problems, content.isFirst);
  }

  /** Where a popover about the cell stands. */
  get anchor(): HTMLElement {
    return this.step;
  }

  /** A mark beside a cell has room for one sign: that of the run, if it is at this cell. */
  private showStep({ role, isFirst, isAt, status }: BadgeContent): void {
    const { trans } = this;
    const label = roleLabel(role, trans);
    const state = isAt && !isFirst ? (status?.status ?? null) : null;
    const name =
      role === null
        ? trans.__('No step: tag this cell')
        : role.kind === 'step'
          ? trans.__('Step %1: edit its tags', label)
          : trans.__('%1: edit the tags of this cell', label);
    const text = state === null ? name : trans.__('%1 here. %2', statusWord(state, trans), name);
    const sign = state === null ? (role === null ? '+' : '⋮') : STATUS_SIGNS[state];
    this.step.textContent = isFirst ? label : sign;
    this.step.setAttribute('aria-label', text);
    this.step.title = isFirst ? '' : text;
  }

  private showSources(sources: readonly SourceStep[]): void {
    const key = JSON.stringify(sources);
    if (key === this.shownSources) {
      return;
    }
    this.shownSources = key;
    this.sources.replaceChildren(
      ...(sources.length > 0 ? ['←', ...sources.map(each => this.source(each))] : [])
    );
  }

  private source({ step, flows }: SourceStep): HTMLElement {
    const found = button('kale-Badge-source', anchor => this.actions.explain(anchor, step, true));
    found.textContent = step;
    found.dataset.step = step;
    found.setAttribute('aria-haspopup', 'dialog');
    found.setAttribute(
      'aria-label',
      flows.length > 0
        ? this.trans.__('%1 gives %2: say why', step, flows.join(', '))
        : this.trans.__('After %1: say why', step)
    );
    found.addEventListener('mouseenter', () => this.actions.explain(found, step, false));
    found.addEventListener('focus', () => {
      if (found.matches(':focus-visible')) {
        this.actions.explain(found, step, false);
      }
    });
    return found;
  }

  private showStatus(status: BadgeContent['status']): void {
    this.status.hidden = status === null;
    if (status === null) {
      return;
    }
    this.status.dataset.status = status.status;
    const parts = [`${STATUS_SIGNS[status.status]} ${statusWord(status.status, this.trans)}`];
    if (status.progress !== null) {
      parts.push(this.trans.__('cell %1 of %2', status.progress[0] + 1, status.progress[1]));
    }
    if (status.seconds > 0) {
      parts.push(formatSeconds(status.seconds));
    }
    if (status.isOutdated) {
      parts.push(this.trans.__('edited since'));
    }
    const text = parts.join(' · ');
    this.status.textContent = text;
    this.status.setAttribute('aria-label', this.trans.__('%1: open this step of the run', text));
  }

  private showProblems(problems: BadgeContent['problems'], isLong: boolean): void {
    this.problems.hidden = problems === null;
    if (problems === null) {
      return;
    }
    const { severity, count } = problems;
    const word = severityWord(severity, this.trans);
    this.problems.dataset.severity = severity;
    this.problems.textContent = isLong ? `${SEVERITY_SIGNS[severity]} ${word}` : SEVERITY_SIGNS[severity];
    this.problems.setAttribute('aria-label', this.trans._n('%2: show it', '%2: show all %1', count, word));
  }

  private step: HTMLButtonElement;
  private sources: HTMLSpanElement;
  private status: HTMLButtonElement;
  private problems: HTMLButtonElement;
  private shown = '';
  private shownSources = '[]';
}

/** How a role is called on the page. */
function roleLabel(role: Role | null, trans: TranslationBundle): string {
  if (role === null) {
    return '';
  }
  switch (role.kind) {
    case 'step':
    case 'notebook':
      return role.name;
    case 'skip':
      return trans.__('skipped');
    default:
      return roleWord(role.kind, trans);
  }
}

function button(className: string, onClick: (anchor: HTMLElement) => void): HTMLButtonElement {
  const found = document.createElement('button');
  found.type = 'button';
  found.className = className;
  found.addEventListener('click', () => onClick(found));
  return found;
}
