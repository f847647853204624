import type { IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';
import type { ISignal } from '@lumino/signaling';

import type { NotebookPipeline } from '../notebook/pipeline';
import type { PipelineRegistry } from '../notebook/registry';

/**
 * The notebook that a view is about. A view outlives it: the notebook may be closed and opened again, renamed, or not
 * yet be there after the page was loaded.
 */
export class Subject implements IDisposable {
  constructor(
    private registry: PipelineRegistry,
    private currentPath: string
  ) {
    registry.added.connect(this.onAdded, this);
    for (const pipeline of registry.all) {
      this.onAdded(registry, pipeline);
    }
  }

  get isDisposed(): boolean {
    return this.disposed;
  }

  /** Where the notebook lies, as the Jupyter server calls it. */
  get path(): string {
    return this.currentPath;
  }

  get pipeline(): NotebookPipeline | null {
    return this.current;
  }

  /** Anything that is shown may have changed. */
  get changed(): ISignal<this, void> {
    return this.changedSignal;
  }

  /** The notebook has another path now. */
  get renamed(): ISignal<this, void> {
    return this.renamedSignal;
  }

  dispose(): void {
    if (!this.disposed) {
      this.disposed = true;
      this.registry.added.disconnect(this.onAdded, this);
      this.drop();
      Signal.clearData(this);
    }
  }

  private onAdded(_: PipelineRegistry, pipeline: NotebookPipeline): void {
    if (this.current !== null || pipeline.panel.context.path !== this.currentPath) {
      return;
    }
    this.current = pipeline;
    pipeline.changed.connect(this.onChanged, this);
    pipeline.panel.context.pathChanged.connect(this.onPathChanged, this);
    pipeline.panel.disposed.connect(this.onClosed, this);
    this.changedSignal.emit();
  }

  private onChanged(): void {
    this.changedSignal.emit();
  }

  private onPathChanged(): void {
    this.currentPath = this.current?.panel.context.path ?? this.currentPath;
    this.renamedSignal.emit();
    this.changedSignal.emit();
  }

  private onClosed(): void {
    this.drop();
    // The same notebook may be open a second time.
    for (const pipeline of this.registry.all) {
      if (!pipeline.panel.isDisposed) {
        this.onAdded(this.registry, pipeline);
      }
    }
    this.changedSignal.emit();
  }

  private drop(): void {
    const pipeline = this.current;
    this.current = null;
    if (pipeline !== null) {
      pipeline.changed.disconnect(this.onChanged, this);
      pipeline.panel.context?.pathChanged.disconnect(this.onPathChanged, this);
      pipeline.panel.disposed.disconnect(this.onClosed, this);
    }
  }

  private current: NotebookPipeline | null = null;
  private disposed = false;
  private changedSignal = new Signal<this, void>(this);
  private renamedSignal = new Signal<this, void>(this);
}
