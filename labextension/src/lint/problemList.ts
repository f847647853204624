import type { TranslationBundle } from '@jupyterlab/translation';

import type { Problem } from '../notebook/problems';
import { SEVERITY_SIGNS, severityWord } from '../ui/severity';

/** Problems with their remedies, as plain DOM: in tooltips of editors and beside badges. */
export function problemList(
  problems: readonly Problem[],
  trans: TranslationBundle,
  fix: (problem: Problem, index: number) => void
): HTMLElement {
  const list = document.createElement('ul');
  list.className = 'kale-ProblemList';
  list.append(...problems.map(problem => problemItem(problem, trans, fix)));
  return list;
}

function problemItem(
  problem: Problem,
  trans: TranslationBundle,
  fix: (problem: Problem, index: number) => void
): HTMLElement {
  const item = document.createElement('li');
  item.dataset.severity = problem.diagnostic.severity;
  item.append(problemText(problem, trans));
  problem.diagnostic.fixes.forEach(({ title }, index) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'kale-Button';
    button.textContent = title;
    button.addEventListener('click', () => fix(problem, index));
    item.append(button);
  });
  return item;
}

export function problemText({ diagnostic, isOfRun }: Problem, trans: TranslationBundle): HTMLElement {
  const text = document.createElement('div');
  const head = document.createElement('strong');
  const { severity, message, help } = diagnostic;
  const word = isOfRun ? trans.__('failed in the last run') : severityWord(severity, trans);
  head.textContent = `${SEVERITY_SIGNS[severity]} ${word}`;
  head.className = 'kale-ProblemList-head';
  text.append(head, paragraph(message, ''), paragraph(help, 'kale-help'));
  return text;
}

function paragraph(text: string, className: string): HTMLElement {
  const found = document.createElement('p');
  found.className = className;
  found.textContent = text;
  found.hidden = text === '';
  return found;
}
