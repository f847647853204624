import type { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';

import type { StepStatus } from '../protocol';
import { STATUS_SIGNS, statusWord } from '../ui/status';

/** What a cell shows of its step. */
export interface BadgeContent {
  /** The step's name, or the word of its role (`imports`). */
  label: string;
  colour: string | null;
  /** Where the step's inputs come from. */
  sources: { step: string; flows: string[] }[];
  status: { status: StepStatus; text: string } | null;
}

/** The line above a cell. Plain DOM: there is one on every cell, and they change while people type. */
export class Badge extends Widget {
  constructor(
    private trans: TranslationBundle,
    onClick: () => void
  ) {
    super();
    this.addClass('kale-Badge');
    this.button = document.createElement('button');
    this.button.className = 'kale-Badge-step';
    this.button.addEventListener('click', onClick);
    this.sources = document.createElement('span');
    this.sources.className = 'kale-Badge-sources';
    this.status = document.createElement('span');
    this.status.className = 'kale-Status';
    this.status.setAttribute('role', 'status');
    this.node.append(this.button, this.sources, this.status);
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
    this.button.textContent = content.label;
    this.button.setAttribute('aria-label', this.trans.__('Step %1: edit its tags', content.label));
    const sources = content.sources.map(source => `${source.step} (${source.flows.join(', ') || '–'})`);
    this.sources.textContent = content.sources.length
      ? `← ${content.sources.map(source => source.step).join(', ')}`
      : '';
    this.sources.title = sources.join('\n');
    this.showStatus(content.status);
  }

  private showStatus(status: BadgeContent['status']): void {
    this.status.hidden = status === null;
    if (status !== null) {
      this.status.dataset.status = status.status;
      this.status.textContent = `${STATUS_SIGNS[status.status]} ${statusWord(status.status, this.trans)}${status.text}`;
    }
  }

  private button: HTMLButtonElement;
  private sources: HTMLSpanElement;
  private status: HTMLSpanElement;
  private shown = '';
}
