import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { Session } from '@jupyterlab/services';
import type { IStateDB } from '@jupyterlab/statedb';
import { Signal } from '@lumino/signaling';
import type { ISignal } from '@lumino/signaling';

import type { LiveSettings } from '../settings';
import { NotebookPipeline } from './pipeline';

/** One `NotebookPipeline` for each open notebook, and which of them is in front. */
export class PipelineRegistry {
  constructor(
    private tracker: INotebookTracker,
    private sessions: Session.IManager,
    private state: IStateDB,
    private settings: LiveSettings
  ) {
    tracker.currentChanged.connect(() => this.currentSignal.emit(this.current));
    tracker.widgetAdded.connect((_, panel) => void this.admit(panel));
    tracker.forEach(panel => void this.admit(panel));
  }

  /** A notebook was opened and its content is there. */
  get added(): ISignal<this, NotebookPipeline> {
    return this.addedSignal;
  }

  get currentChanged(): ISignal<this, NotebookPipeline | null> {
    return this.currentSignal;
  }

  /** The notebook in front; `null` also while its content is being read. */
  get current(): NotebookPipeline | null {
    const panel = this.tracker.currentWidget;
    return panel === null ? null : (this.pipelines.get(panel) ?? null);
  }

  get all(): Iterable<NotebookPipeline> {
    return this.pipelines.values();
  }

  private async admit(panel: NotebookPanel): Promise<void> {
    await panel.context.ready;
    if (panel.isDisposed || panel.model === null) {
      return;
    }
    const pipeline = new NotebookPipeline(panel, this.sessions, this.state, this.settings);
    this.pipelines.set(panel, pipeline);
    panel.disposed.connect(() => {
      this.pipelines.delete(panel);
      pipeline.dispose();
    });
    this.addedSignal.emit(pipeline);
    if (this.tracker.currentWidget === panel) {
      this.currentSignal.emit(pipeline);
    }
  }

  private pipelines = new Map<NotebookPanel, NotebookPipeline>();
  private addedSignal = new Signal<this, NotebookPipeline>(this);
  private currentSignal = new Signal<this, NotebookPipeline | null>(this);
}
