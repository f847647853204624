import type { NotebookPanel } from '@jupyterlab/notebook';

import type { Position } from '../protocol';

/** Scrolls to a cell, selects it, and puts the cursor on a place in it. */
export async function revealCell(panel: NotebookPanel, id: string, place?: Position | null): Promise<void> {
  const notebook = panel.content;
  const index = notebook.widgets.findIndex(cell => cell.model.id === id);
  if (index < 0) {
    return;
  }
  notebook.activeCellIndex = index;
  notebook.deselectAll();
  await notebook.scrollToItem(index, 'smart');
  const cell = notebook.widgets[index];
  await cell.ready;
  if (place && cell.editor) {
    notebook.mode = 'edit';
    // The notebook does so only if the focus was in it.
    cell.editor.focus();
    cell.editor.setCursorPosition({ line: place.line - 1, column: place.column - 1 });
    cell.editor.revealPosition({ line: place.line - 1, column: place.column - 1 });
  } else {
    notebook.node.focus();
  }
}
