import type { Cell } from '@jupyterlab/cells';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { IDisposable } from '@lumino/disposable';

import type { CellEditors } from '../lint/editors';
import { LintPainter } from '../lint/painter';
import type { NotebookPipeline } from '../notebook/pipeline';
import { CellDecorator } from './decorator';

/** What the extension shows in a notebook itself: badges, the tag editor, and problems in the editors. */
export class NotebookView implements IDisposable {
  constructor(
    private pipeline: NotebookPipeline,
    editors: CellEditors,
    openStep: (run: string, step: string) => void,
    private trans: TranslationBundle
  ) {
    this.decorator = new CellDecorator(pipeline, trans, {
      edit: (cell, anchor) => void this.openEditor(cell, anchor),
      openStep
    });
    this.problems = new LintPainter(pipeline, editors, trans, cell => this.decorator.showProblemsOf(cell));
  }

  readonly problems: LintPainter;

  get isDisposed(): boolean {
    return this.decorator.isDisposed;
  }

  /** Opens the tag editor for the active cell. */
  editActiveCell(): void {
    const cell = this.pipeline.panel.content.activeCell;
    if (cell?.model.type === 'code') {
      void this.openEditor(cell, this.decorator.anchorOf(cell));
    }
  }

  dispose(): void {
    this.decorator.dispose();
    this.problems.dispose();
  }

  /** The form is loaded when it is wanted for the first time. */
  private async openEditor(cell: Cell, anchor: HTMLElement): Promise<void> {
    const { openTagEditor } = await import('./editor/open');
    if (!cell.isDisposed) {
      openTagEditor(this.pipeline, cell, anchor, this.trans);
    }
  }

  private decorator: CellDecorator;
}
