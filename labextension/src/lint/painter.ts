import { diagnosticCount } from '@codemirror/lint';
import type { Diagnostic as Mark } from '@codemirror/lint';
import type { EditorView } from '@codemirror/view';
import type { Cell, ICellModel } from '@jupyterlab/cells';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { IDisposable } from '@lumino/disposable';

import { problemList, problemText } from './problemList';
import { applyFix } from '../notebook/fixes';
import type { NotebookPipeline } from '../notebook/pipeline';
import { problemsOf } from '../notebook/problems';
import type { Problem } from '../notebook/problems';
import { revealCell } from '../notebook/reveal';
import { show, showBox } from './editors';
import type { CellEditors } from './editors';
import { neighbour, rangeOf } from './marks';
import type { Spot } from './marks';

/** A problem and where it is. */
interface Placed extends Spot {
  to: number;
  model: ICellModel;
  problem: Problem;
}

/** Shows the problems of one notebook in the editors of its cells, and leads from one to the next. */
export class LintPainter implements IDisposable {
  constructor(
    private pipeline: NotebookPipeline,
    private editors: CellEditors,
    private trans: TranslationBundle,
    /** Shows what there is to say about a cell as a whole. */
    private showWhole: (cell: Cell) => void
  ) {
    pipeline.changed.connect(this.paint, this);
    editors.added.connect(this.onEditor, this);
    this.paint();
  }

  get isDisposed(): boolean {
    return this.disposed;
  }

  dispose(): void {
    if (!this.disposed) {
      this.disposed = true;
      this.pipeline.changed.disconnect(this.paint, this);
      this.editors.added.disconnect(this.onEditor, this);
    }
  }

  /** Goes to the next problem of the notebook, or to the one before. */
  async go(direction: 1 | -1): Promise<void> {
    const { panel } = this.pipeline;
    const here = this.here();
    const next = neighbour(this.spots(), here, direction);
    if (next === null) {
      return;
    }
    await revealCell(panel, next.model.id, next.from < 0 ? null : { line: 1, column: 1 });
    const cell = panel.content.activeCell;
    if (next.from < 0 && cell !== null) {
      this.showWhole(cell);
      return;
    }
    const view = this.viewOf(next.model);
    if (view !== null && next.from <= view.state.doc.length) {
      showBox(view, next.from, this.list([next]), next.problem.diagnostic.message);
    }
  }

  /** Carries out the remedy at the cursor; of several, the box offers them. */
  fixHere(): void {
    const here = this.here();
    const view =
      this.pipeline.panel.content.activeCell && this.viewOf(this.pipeline.panel.content.activeCell.model);
    if (!view) {
      return;
    }
    const line = view.state.doc.lineAt(Math.max(here.from, 0));
    const found = this.spots().filter(
      spot =>
        spot.cell === here.cell &&
        spot.from <= line.to &&
        spot.to >= line.from &&
        spot.problem.diagnostic.fixes.length > 0
    );
    if (found.length === 1 && found[0].problem.diagnostic.fixes.length === 1) {
      this.fix(found[0].problem, 0);
    } else if (found.length > 0) {
      const list = this.list(found);
      showBox(view, found[0].from, list, this.trans.__('Choose a remedy'));
      view.requestMeasure({ read: () => null, write: () => list.querySelector('button')?.focus() });
    }
  }

  private paint(): void {
    if (this.disposed || this.pipeline.panel.isDisposed) {
      return;
    }
    for (const model of this.pipeline.panel.model!.cells) {
      for (const view of this.editors.viewsOf(model.sharedModel)) {
        this.paintView(model, view);
      }
    }
  }

  private paintView(model: ICellModel, view: EditorView): void {
    const { analysis, enabled } = this.pipeline;
    const compiled = analysis.compiledText(model.id);
    if (enabled && compiled !== undefined && compiled !== model.sharedModel.source) {
      // The marks that are left move with the text until the answer to it is here.
      return;
    }
    const problems = enabled ? problemsOf(this.pipeline, model) : [];
    const key = JSON.stringify(problems);
    const painted = this.painted.get(view);
    if (painted?.key !== key || painted.count !== diagnosticCount(view.state)) {
      show(view, this.marks(view, problems));
      this.painted.set(view, { key, count: diagnosticCount(view.state) });
    }
  }

  private marks(view: EditorView, problems: readonly Problem[]): Mark[] {
    const source = view.state.doc.toString();
    return problems.flatMap(problem => {
      const range = rangeOf(source, problem.diagnostic, problem.isOfRun);
      if (range === null) {
        return [];
      }
      const { severity, message, fixes } = problem.diagnostic;
      const mark: Mark = {
        ...range,
        severity,
        message,
        markClass: problem.isOfRun ? 'kale-mod-run' : undefined,
        renderMessage: () => problemText(problem, this.trans),
        actions: fixes.map(({ title }, index) => ({ name: title, apply: () => this.fix(problem, index) }))
      };
      return [mark];
    });
  }

  private onEditor(_: CellEditors, text: object): void {
    if (this.disposed || this.pipeline.panel.isDisposed) {
      return;
    }
    for (const model of this.pipeline.panel.model!.cells) {
      if (model.sharedModel === text) {
        for (const view of this.editors.viewsOf(text)) {
          this.paintView(model, view);
        }
        return;
      }
    }
  }

  private fix(problem: Problem, index: number): void {
    const source = this.pipeline.analysis.compilation?.source;
    if (source !== undefined) {
      applyFix(this.pipeline.panel.model!, problem.diagnostic.fixes[index], source);
    }
    const active = this.pipeline.panel.content.activeCell;
    if (active?.editor && this.pipeline.panel.content.mode === 'edit') {
      active.editor.focus();
    }
  }

  private list(spots: readonly Placed[]): HTMLElement {
    return problemList(
      spots.map(spot => spot.problem),
      this.trans,
      (problem, index) => this.fix(problem, index)
    );
  }

  /** Everything that there is a place for, in the order of the notebook. */
  private spots(): Placed[] {
    const found = Array.from(this.pipeline.panel.model!.cells).flatMap((model, cell) =>
      problemsOf(this.pipeline, model).map(problem => {
        const range = rangeOf(model.sharedModel.source, problem.diagnostic, problem.isOfRun) ?? {
          from: -1,
          to: -1
        };
        return { cell, model, problem, ...range };
      })
    );
    return found.sort((a, b) => a.cell - b.cell || a.from - b.from);
  }

  /** Where the cursor is. */
  private here(): Spot {
    const { activeCell, activeCellIndex, mode } = this.pipeline.panel.content;
    const view = activeCell === null ? null : this.viewOf(activeCell.model);
    return {
      cell: activeCellIndex,
      from: mode === 'edit' && view !== null ? view.state.selection.main.head : -1
    };
  }

  private viewOf(model: ICellModel): EditorView | null {
    for (const view of this.editors.viewsOf(model.sharedModel)) {
      if (this.pipeline.panel.node.contains(view.dom)) {
        return view;
      }
    }
    return null;
  }

  /** What was drawn in an editor, and as how many marks: an edit takes some away. */
  private painted = new WeakMap<EditorView, { key: string; count: number }>();
  private disposed = false;
}
