import type { INotebookModel } from '@jupyterlab/notebook';

/** A notebook as the compiler reads it: without outputs, and with the ids of its cells beside it. */
export interface Source {
  /** The document as JSON text. */
  text: string;
  /** Cell ids by index: what the compiler calls cell 3 may have moved since. */
  ids: string[];
  /** What the cells held, by the same index: a place in a cell means something only as long as this is its text. */
  sources: string[];
}

/** Takes a picture of the document. Outputs are not part of it, so running a cell changes nothing here. */
export function sourceOf(model: INotebookModel): Source {
  const ids: string[] = [];
  const sources: string[] = [];
  const cells = Array.from(model.cells, cell => {
    const source = cell.sharedModel.source;
    ids.push(cell.id);
    sources.push(source);
    const common = {
      id: cell.id,
      cell_type: cell.type,
      metadata: cell.metadata,
      source
    };
    return cell.type === 'code' ? { ...common, execution_count: null, outputs: [] } : common;
  });
  const text = JSON.stringify({
    nbformat: model.nbformat,
    nbformat_minor: Math.max(model.nbformatMinor, 5),
    metadata: model.metadata,
    cells
  });
  return { text, ids, sources };
}
