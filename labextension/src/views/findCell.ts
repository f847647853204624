import type { NotebookPipeline } from '../notebook/pipeline';

/**
 * The cell of the open notebook that a run has carried out as its cell `index`. The notebook may have changed since: the
 * cell that still has the source is meant, first that at its old place.
 */
export function findCell(pipeline: NotebookPipeline, index: number, source: string): string | null {
  const cells = pipeline.panel.content.widgets.map(widget => widget.model);
  const same = cells.filter(cell => cell.sharedModel.source === source);
  const found = same.find(cell => cell === cells[index]) ?? same[0] ?? cells[index];
  return found?.id ?? null;
}
