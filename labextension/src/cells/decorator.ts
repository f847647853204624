import type { Cell } from '@jupyterlab/cells';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { IDisposable } from '@lumino/disposable';
import type { PanelLayout } from '@lumino/widgets';

import { tagsOf } from '../notebook/metadata';
import type { NotebookPipeline } from '../notebook/pipeline';
import { rolesByTags } from '../notebook/tags';
import type { Role } from '../notebook/tags';
import { stepColour } from '../ui/colours';
import { formatSeconds } from '../ui/format';
import { Badge } from './badge';
import type { BadgeContent } from './badge';

/**
 * Draws steps on the cells of one notebook: a coloured edge, and a badge where a step begins.
 *
 * At once from the tags alone; the compiler's answer then says more. Badges are widgets of their cells' layouts, so
 * that cells which the notebook detaches outside of the window keep theirs.
 */
export class CellDecorator implements IDisposable {
  constructor(
    private pipeline: NotebookPipeline,
    private trans: TranslationBundle,
    private edit: (cell: Cell) => void
  ) {
    pipeline.changed.connect(this.schedule, this);
    pipeline.panel.model!.contentChanged.connect(this.schedule, this);
    this.draw();
  }

  get isDisposed(): boolean {
    return this.disposed;
  }

  dispose(): void {
    if (!this.disposed) {
      this.disposed = true;
      cancelAnimationFrame(this.frame);
      this.pipeline.changed.disconnect(this.schedule, this);
      this.pipeline.panel.model?.contentChanged.disconnect(this.schedule, this);
    }
  }

  /** Several changes in one frame are drawn once. */
  private schedule(): void {
    if (this.frame === 0) {
      this.frame = requestAnimationFrame(() => {
        this.frame = 0;
        this.draw();
      });
    }
  }

  private draw(): void {
    if (this.disposed || this.pipeline.panel.isDisposed) {
      return;
    }
    const cells = this.pipeline.panel.content.widgets;
    const contents = this.pipeline.enabled ? this.contents(cells) : cells.map(() => null);
    cells.forEach((cell, index) => this.decorate(cell, contents[index], contents[index - 1]));
  }

  private contents(cells: readonly Cell[]): (BadgeContent | null)[] {
    const roles = rolesByTags(
      cells.map(cell => ({ isCode: cell.model.type === 'code', tags: tagsOf(cell.model.metadata) }))
    );
    const order = [...new Set(roles.flatMap(role => (role?.kind === 'step' ? [role.name] : [])))];
    const states = this.pipeline.runs.steps;
    return cells.map((cell, index) => {
      const known = this.pipeline.analysis.cells.get(cell.model.id);
      const role = roles[index];
      if (known === undefined || disagrees(role, known.step.name)) {
        return role && byTags(role, order);
      }
      const state = states.get(known.step.name);
      return {
        label: known.step.name,
        colour: stepColour(known.index),
        sources: known.incoming.map(edge => ({
          step: edge.from,
          flows: [...edge.variables, ...edge.resources]
        })),
        status: state
          ? {
              status: state.step.status,
              text: state.step.seconds > 0 ? ` ${formatSeconds(state.step.seconds)}` : ''
            }
          : null
      };
    });
  }

  private decorate(cell: Cell, content: BadgeContent | null, before: BadgeContent | null | undefined): void {
    cell.node.classList.toggle('kale-mod-step', content !== null);
    if (content === null) {
      cell.node.style.removeProperty('--kale-step');
      delete cell.node.dataset.kaleStep;
    } else {
      cell.node.style.setProperty('--kale-step', content.colour ?? 'var(--jp-ui-font-color2)');
      cell.node.dataset.kaleStep = content.label;
    }
    const isFirst = content !== null && content.label !== before?.label;
    const badge = this.badges.get(cell);
    if (badge !== undefined) {
      badge.display(isFirst ? content : null);
    } else if (isFirst) {
      this.attach(cell).display(content);
    }
  }

  private attach(cell: Cell): Badge {
    const badge = new Badge(this.trans, () => this.edit(cell));
    (cell.layout as PanelLayout).insertWidget(0, badge);
    this.badges.set(cell, badge);
    return badge;
  }

  private badges = new WeakMap<Cell, Badge>();
  private frame = 0;
  private disposed = false;
}

/** A tag that was changed a moment ago outranks what was compiled before. */
function disagrees(role: Role | null, compiled: string): boolean {
  return role?.kind === 'step' && role.name !== compiled;
}

function byTags(role: Role, order: readonly string[]): BadgeContent {
  const isStep = role.kind === 'step';
  return {
    label: role.kind === 'step' || role.kind === 'notebook' ? role.name : role.kind,
    colour: isStep ? stepColour(order.indexOf(role.name)) : null,
    sources: [],
    status: null
  };
}
