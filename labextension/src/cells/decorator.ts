import type { Cell } from '@jupyterlab/cells';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { IDisposable } from '@lumino/disposable';
import type { PanelLayout } from '@lumino/widgets';

import { applyFix } from '../notebook/fixes';
import { tagsOf } from '../notebook/metadata';
import type { NotebookPipeline } from '../notebook/pipeline';
import { isWholeCell } from '../notebook/places';
import { problemsOf } from '../notebook/problems';
import type { StepState } from '../notebook/runs';
import { rolesByTags } from '../notebook/tags';
import { isFinished } from '../protocol';
import type { RunDetail } from '../protocol';
import { Popover } from '../ui/popover';
import { Badge } from './badge';
import { badgesOf } from './content';
import type { BadgeContent } from './content';
import { problemList } from '../lint/problemList';
import { WhyPopover } from './why';

/** How often the time of a running step is drawn. */
const TICK_MS = 1000;

/** The name of the browser's measure of one drawing. */
const DRAW = 'kale-rs:draw';

/** What leads away from the cells. */
export interface CellActions {
  edit(cell: Cell, anchor: HTMLElement): void;
  openStep(run: string, step: string): void;
}

/**
 * Draws steps on the cells of one notebook: a coloured edge, a line where a step begins, the state of its last run.
 *
 * At once from the tags alone; the compiler's answer then says more. Badges are widgets of their cells' layouts, so
 * that cells which the notebook detaches outside of the window keep theirs. A cell that only goes on with a step gets
 * its mark when it is pointed at or chosen.
 */
export class CellDecorator implements IDisposable {
  constructor(
    private pipeline: NotebookPipeline,
    private trans: TranslationBundle,
    private actions: CellActions
  ) {
    this.why = new WhyPopover(pipeline, trans);
    const { panel } = pipeline;
    pipeline.changed.connect(this.schedule, this);
    panel.model!.contentChanged.connect(this.schedule, this);
    panel.content.activeCellChanged.connect(this.onActiveCell, this);
    panel.content.node.addEventListener('mouseover', this.onPointer);
    this.draw();
  }

  get isDisposed(): boolean {
    return this.disposed;
  }

  dispose(): void {
    if (!this.disposed) {
      this.disposed = true;
      cancelAnimationFrame(this.frame);
      clearTimeout(this.tick);
      this.why.close();
      const { panel, changed } = this.pipeline;
      changed.disconnect(this.schedule, this);
      panel.model?.contentChanged.disconnect(this.schedule, this);
      panel.content.activeCellChanged.disconnect(this.onActiveCell, this);
      panel.content.node.removeEventListener('mouseover', this.onPointer);
    }
  }

  /** What a popover about a cell stands beside. */
  anchorOf(cell: Cell): HTMLElement {
    const badge = this.mark(cell);
    return badge === null || badge.isHidden ? cell.node : badge.anchor;
  }

  /** Says what there is to say about a cell as a whole. */
  showProblemsOf(cell: Cell): void {
    this.showProblems(cell, this.anchorOf(cell));
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
    const start = performance.now();
    const cells = this.pipeline.panel.content.widgets;
    const contents = this.pipeline.enabled ? this.contents(cells) : cells.map(() => null);
    cells.forEach((cell, index) => this.decorate(cell, contents[index]));
    performance.clearMeasures(DRAW);
    performance.measure(DRAW, { start });
    clearTimeout(this.tick);
    if (contents.some(content => content?.status?.status === 'running')) {
      this.tick = window.setTimeout(() => this.schedule(), TICK_MS);
    }
  }

  private contents(cells: readonly Cell[]): (BadgeContent | null)[] {
    const roles = rolesByTags(
      cells.map(({ model }) => ({
        isCode: model.type === 'code',
        tags: tagsOf({ tags: model.getMetadata('tags') }),
        source: model.sharedModel.source
      }))
    );
    const at = this.cellsOfRun();
    const facts = cells.map(({ model }, index) => ({
      isCode: model.type === 'code',
      role: roles[index],
      compiled: this.pipeline.analysis.cells.get(model.id),
      diagnostics: problemsOf(this.pipeline, model).map(problem => problem.diagnostic),
      isAt: at.has(model.id)
    }));
    const edited = this.editedCells(cells);
    return badgesOf(facts, this.pipeline.runs.steps, {
      seconds: state => this.secondsOf(state),
      isOutdated: ({ step }) => step.cells.some(cell => edited.has(cell))
    });
  }

  /** The cells that the shown run is at, or has stopped short at. */
  private cellsOfRun(): Set<string> {
    const found = new Set<string>();
    const run = this.pipeline.runs.current;
    run?.details.forEach(({ cell }, index) => {
      const status = run.steps[index]?.status;
      if (cell !== null && (status === 'running' || status === 'failed')) {
        found.add(this.pipeline.sourceOfRun(run.run_id!)?.ids[cell] ?? '');
      }
    });
    return found;
  }

  /** Cells, by their number in the shown run, that are not what was run any more. */
  private editedCells(cells: readonly Cell[]): Set<number> {
    const { runs } = this.pipeline;
    const source = runs.currentRunId === null ? null : this.pipeline.sourceOfRun(runs.currentRunId);
    const found = new Set<number>();
    if (source !== null) {
      const now = new Map(cells.map(({ model }) => [model.id, model.sharedModel.source]));
      source.sources.forEach((text, index) => {
        if (text !== undefined && now.get(source.ids[index]) !== text) {
          found.add(index);
        }
      });
    }
    return found;
  }

  /** The kernel tells times only when something happens: what has passed since is added. */
  private secondsOf({ run, step }: StepState): number {
    if (!this.arrival.has(run)) {
      this.arrival.set(run, performance.now());
    }
    const since = isFinished(step.status) ? 0 : performance.now() - this.arrival.get(run)!;
    return step.status === 'pending' ? 0 : Math.round(step.seconds * 1000 + since) / 1000;
  }

  private decorate(cell: Cell, content: BadgeContent | null): void {
    const key = JSON.stringify(content);
    if (this.drawn.get(cell) === key) {
      return;
    }
    this.drawn.set(cell, key);
    this.shown.set(cell, content);
    const { classList, dataset, style } = cell.node;
    classList.toggle('kale-mod-cell', content !== null);
    classList.toggle('kale-mod-step', content !== null && content.role !== null);
    style.setProperty('--kale-step', content?.colour ?? 'var(--jp-ui-font-color2)');
    setData(
      dataset,
      'kaleStep',
      content?.role ? ('name' in content.role ? content.role.name : content.role.kind) : null
    );
    setData(dataset, 'kaleAt', content?.isAt ? (content.status?.status ?? null) : null);
    const isShown = content !== null && (content.isFirst || content.isAt || content.problems !== null);
    const badge = this.badges.get(cell);
    if (badge !== undefined) {
      badge.display(content);
    } else if (isShown || this.pipeline.panel.content.activeCell === cell) {
      this.mark(cell);
    }
  }

  /** The badge of a cell, which is made when it is needed. */
  private mark(cell: Cell): Badge | null {
    const content = this.shown.get(cell) ?? null;
    let badge = this.badges.get(cell);
    if (badge === undefined && content !== null) {
      badge = new Badge(this.trans, {
        edit: anchor => this.actions.edit(cell, anchor),
        explain: (anchor, source, enter) => {
          const step = this.pipeline.analysis.cells.get(cell.model.id)?.step.name;
          if (step !== undefined) {
            this.why.show(anchor, source, step, enter);
          }
        },
        openStep: () => this.openStep(cell),
        showProblems: anchor => this.showProblems(cell, anchor)
      });
      (cell.layout as PanelLayout).insertWidget(0, badge);
      this.badges.set(cell, badge);
      badge.display(content);
    }
    return badge ?? null;
  }

  /** Opens the run that the cells show at the step of a cell. */
  private openStep(cell: Cell): void {
    const name = this.pipeline.analysis.cells.get(cell.model.id)?.step.name;
    const state = name === undefined ? undefined : this.pipeline.runs.steps.get(name);
    if (state !== undefined) {
      this.actions.openStep(state.run.run_id!, state.step.name);
    }
  }

  private showProblems(cell: Cell, anchor: HTMLElement): void {
    const problems = problemsOf(this.pipeline, cell.model).filter(({ diagnostic: { start, end } }) =>
      isWholeCell(start, end)
    );
    const popover = new Popover(anchor, this.trans.__('Problems of this cell'));
    const list = problemList(problems, this.trans, ({ diagnostic }, index) => {
      const compiled = this.pipeline.analysis.compilation;
      popover.close();
      if (compiled !== null) {
        applyFix(this.pipeline.panel.model!, diagnostic.fixes[index], compiled.source);
      }
    });
    popover.node.append(list);
    popover.closeOutside();
    popover.focus();
  }

  private onActiveCell(_: unknown, cell: Cell | null): void {
    if (cell !== null) {
      this.mark(cell);
    }
  }

  private onPointer = (event: MouseEvent): void => {
    const node = event.target instanceof Element ? event.target.closest('.jp-Cell.kale-mod-cell') : null;
    if (node !== null && node !== this.pointed) {
      const cell = this.pipeline.panel.content.widgets.find(widget => widget.node === node);
      if (cell !== undefined) {
        this.mark(cell);
      }
    }
    this.pointed = node;
  };

  private badges = new WeakMap<Cell, Badge>();
  private shown = new WeakMap<Cell, BadgeContent | null>();
  private drawn = new WeakMap<Cell, string>();
  /** When the kernel told of a state of a run. */
  private arrival = new WeakMap<RunDetail, number>();
  private why: WhyPopover;
  private pointed: Element | null = null;
  private frame = 0;
  private tick = 0;
  private disposed = false;
}

function setData(dataset: DOMStringMap, name: string, value: string | null): void {
  if (value === null) {
    delete dataset[name];
  } else {
    dataset[name] = value;
  }
}
