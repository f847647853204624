import type { RunDetail } from '../protocol';
import type { Analysis } from './analysis';
import type { Runs } from './runs';
import type { Source } from './source';

/** What a run was given: cells by their number in it. A text that is not known is left out. */
export interface RunSource {
  ids: readonly string[];
  sources: readonly (string | undefined)[];
}

/**
 * The notebooks that runs were started with. Of runs that this page has started they are known; of others the kernel
 * is asked for the cells of steps that have failed, so that an error is only shown in a line that still is the one.
 */
export class RunSources {
  constructor(
    private runs: Runs,
    private analysis: Analysis,
    /** Something has become known. */
    private learned: () => void
  ) {
    runs.changed.connect((_, run) => {
      const detail = run === null || run !== runs.currentRunId ? null : runs.detail(run);
      if (detail?.status === 'failed' && !this.known.has(detail.run_id!)) {
        void this.learn(detail);
      }
    });
  }

  began(run: string, source: Source): void {
    this.known.set(run, source);
  }

  of(run: string): RunSource | null {
    const ids = this.analysis.compilation?.source.ids;
    return this.known.get(run) ?? (ids === undefined ? null : { ids, sources: [] });
  }

  private async learn(run: RunDetail): Promise<void> {
    const id = run.run_id!;
    const { ids } = this.of(id) ?? { ids: [] };
    const failed = run.steps.filter(step => step.status === 'failed');
    const source = { ids: [...ids], sources: [] as (string | undefined)[] };
    this.known.set(id, source);
    try {
      for (const page of await Promise.all(failed.map(step => this.runs.step(id, step.name)))) {
        page.cells.forEach(cell => (source.sources[cell.cell] = cell.source));
      }
    } catch {
      // The connection was lost: it is asked again when the run is told again.
      this.known.delete(id);
      return;
    }
    for (const { cell, cell_id: cellId } of run.diagnostics) {
      if (cell !== null && cellId !== null) {
        source.ids[cell] = cellId;
      }
    }
    this.learned();
  }

  private known = new Map<string, RunSource>();
}
