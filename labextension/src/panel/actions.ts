import type { NotebookPipeline, RunChoice } from '../notebook/pipeline';
import type { Diagnostic, RunDetail } from '../protocol';
import type { LinkActions } from './linkStatus';

/** What the panel's buttons do; each is a command as well, see `commands.ts`. */
export interface PanelActions {
  run(pipeline: NotebookPipeline, choice: RunChoice): void;
  stop(pipeline: NotebookPipeline, run: string): void;
  compile(pipeline: NotebookPipeline): void;
  openRun(pipeline: NotebookPipeline, run: string, step?: string): void;
  openGraph(pipeline: NotebookPipeline): void;
  /** Asks what is to be varied, and begins a sweep. */
  newSweep(pipeline: NotebookPipeline): void;
  openSweep(pipeline: NotebookPipeline, sweep: string): void;
  openService(pipeline: NotebookPipeline, name: string): void;
  /** Asks when the cluster of the chosen context is to run the notebook, and shows what it runs so already. */
  schedule(pipeline: NotebookPipeline): void;
  compare(pipeline: NotebookPipeline, before: string, after: string): void;
  /** The cell of a diagnostic, at its line. */
  showDiagnostic(pipeline: NotebookPipeline, diagnostic: Diagnostic): void;
  showCell(pipeline: NotebookPipeline, id: string): void;
  fix(pipeline: NotebookPipeline, diagnostic: Diagnostic, index: number): void;
  /** Where a message about a run leads. */
  targets(pipeline: NotebookPipeline): { openRun(run: string): void; showFailure(run: RunDetail): void };
  link(pipeline: NotebookPipeline): LinkActions;
}

/** What every part of the panel is given. */
export interface PanelProps {
  pipeline: NotebookPipeline;
  actions: PanelActions;
}
