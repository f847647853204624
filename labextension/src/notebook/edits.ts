import type { YBaseCell, YNotebook } from '@jupyter/ydoc';
import type { ICellModel } from '@jupyterlab/cells';
import type { INotebookModel } from '@jupyterlab/notebook';

/**
 * Changes of the document that Undo takes back as one.
 *
 * A notebook has two histories: that of the notebook (`Z` in command mode), and one for the text of each cell
 * (`Ctrl Z` in its editor). JupyterLab keeps changes of metadata out of both, unless they are part of a change of the
 * whole notebook. What was done within half a second counts as one step to undo: so the history is cut on both sides.
 */
export function changeNotebook(model: INotebookModel, change: () => void): void {
  const notebook = model.sharedModel as YNotebook;
  apart(notebook.undoManager, () => notebook.transact(change));
}

/** A change of a cell's text, for the history of its editor. */
export function changeText(cell: ICellModel, change: () => void): void {
  const shared = cell.sharedModel as unknown as YBaseCell<never>;
  apart(shared.undoManager, () => shared.transact(change));
}

function apart(history: { stopCapturing(): void } | null, change: () => void): void {
  history?.stopCapturing();
  change();
  history?.stopCapturing();
}

export function setTags(cell: ICellModel, tags: readonly string[]): void {
  if (tags.length > 0) {
    cell.setMetadata('tags', [...tags]);
  } else {
    cell.deleteMetadata('tags');
  }
}
