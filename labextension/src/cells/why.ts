import type { TranslationBundle } from '@jupyterlab/translation';

import { messageOf } from '../channel/rpc';
import { isWholeCell, lineAt } from '../notebook/places';
import type { Compilation } from '../notebook/analysis';
import type { NotebookPipeline } from '../notebook/pipeline';
import { revealCell } from '../notebook/reveal';
import type { Position, Reason, Related } from '../protocol';
import { Popover } from '../ui/popover';

/** Time for which the pointer rests before a box opens, and is away before it closes. */
const OPEN_MS = 200;
const CLOSE_MS = 300;

/**
 * Says why a step needs another, beside its name on a cell: what is made where, and where it is used. The kernel is
 * asked when somebody wants to know, and once for each compilation.
 */
export class WhyPopover {
  constructor(
    private pipeline: NotebookPipeline,
    private trans: TranslationBundle
  ) {}

  /** `enter` puts the focus on the first place; else the pointer or the focus rests on the anchor. */
  show(anchor: HTMLElement, from: string, to: string, enter: boolean): void {
    clearTimeout(this.timer);
    if (this.popover?.isOpen && this.anchor === anchor) {
      if (enter) {
        this.popover.focus();
      }
      return;
    }
    anchor.addEventListener('mouseleave', this.leave);
    anchor.addEventListener('blur', this.leave);
    if (enter || document.activeElement === anchor) {
      this.open(anchor, from, to, enter);
    } else {
      this.timer = window.setTimeout(() => this.open(anchor, from, to, false), OPEN_MS);
    }
  }

  close(): void {
    clearTimeout(this.timer);
    this.popover?.close();
  }

  private open(anchor: HTMLElement, from: string, to: string, enter: boolean): void {
    this.popover?.close();
    const { trans } = this;
    const popover = new Popover(anchor, trans.__('Why %1 comes after %2', to, from), () => {
      anchor.removeAttribute('aria-describedby');
      anchor.removeEventListener('mouseleave', this.leave);
      anchor.removeEventListener('blur', this.leave);
    });
    this.popover = popover;
    this.anchor = anchor;
    popover.node.classList.add('kale-Why');
    popover.node.addEventListener('mouseenter', () => clearTimeout(this.timer));
    popover.node.addEventListener('mouseleave', this.leave);
    popover.node.addEventListener('focusout', this.leave);
    popover.node.textContent = trans.__('Asking the compiler …');
    anchor.setAttribute('aria-describedby', popover.node.id);
    void this.fill(popover, from, to).then(() => enter && popover.isOpen && popover.focus());
  }

  private async fill(popover: Popover, from: string, to: string): Promise<void> {
    const { compilation } = this.pipeline.analysis;
    try {
      const reasons = compilation === null ? [] : await this.reasons(compilation, from, to);
      const list = document.createElement('ul');
      list.append(...reasons.map(reason => this.item(reason, compilation!)));
      popover.node.replaceChildren(
        reasons.length > 0 ? list : this.trans.__('The compiler gives no reason.')
      );
    } catch (error) {
      popover.node.textContent = messageOf(error);
    }
  }

  private async reasons(compilation: Compilation, from: string, to: string): Promise<readonly Reason[]> {
    if (this.compilation !== compilation) {
      this.compilation = compilation;
      this.known.clear();
    }
    const key = `${from} ${to}`;
    let found = this.known.get(key);
    if (found === undefined) {
      found = this.pipeline.link
        .request('graph', {
          notebook: this.pipeline.panel.context.path,
          text: compilation.source.text,
          why: [from, to]
        })
        .then(graph => graph.why ?? []);
      found.catch(() => this.known.delete(key));
      this.known.set(key, found);
    }
    return found;
  }

  private item(reason: Reason, compilation: Compilation): HTMLElement {
    const item = document.createElement('li');
    const name = document.createElement('code');
    name.textContent = reason.name;
    item.append(name, this.place(reason.produced, compilation), this.place(reason.consumed, compilation));
    return item;
  }

  /** A link that leads to a line. */
  private place(related: Related, { source }: Compilation): HTMLElement {
    const link = document.createElement('button');
    link.type = 'button';
    link.className = 'kale-Why-place';
    const isWhole = isWholeCell(related.start, related.end);
    const text = document.createElement('span');
    text.textContent = isWhole
      ? this.trans.__('cell %1 %2', related.cell, related.message)
      : this.trans.__('cell %1, line %2: %3', related.cell, related.start.line, related.message);
    const line = document.createElement('code');
    line.textContent = isWhole ? '' : lineAt(source.sources[related.cell] ?? '', related.start);
    link.append(text, line);
    link.addEventListener('click', () => this.go(source.ids[related.cell], isWhole ? null : related.start));
    return link;
  }

  private go(id: string | undefined, place: Position | null): void {
    this.popover?.close();
    if (id !== undefined) {
      void revealCell(this.pipeline.panel, id, place);
    }
  }

  private leave = (): void => {
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => {
      const { popover, anchor } = this;
      const active = document.activeElement;
      const isUsed = popover?.contains(active) || active === anchor || popover?.node.matches(':hover');
      if (!isUsed && !anchor?.matches(':hover')) {
        popover?.close();
      }
    }, CLOSE_MS);
  };

  private popover: Popover | null = null;
  private anchor: HTMLElement | null = null;
  private timer = 0;
  private compilation: Compilation | null = null;
  private known = new Map<string, Promise<readonly Reason[]>>();
}
