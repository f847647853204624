import { NotebookActions } from '@jupyterlab/notebook';
import type { NotebookPanel } from '@jupyterlab/notebook';

import type { Edit, Fix, Position } from '../protocol';
import { tagsOf } from './metadata';

/**
 * Carries out a fix in the editor, where it can be undone. `ids` are those of the cells as they were compiled: a cell
 * that has been removed since is left out.
 */
export function applyFix(panel: NotebookPanel, fix: Fix, ids: readonly string[]): void {
  const notebook = panel.content;
  panel.model!.sharedModel.transact(() => {
    // From the last place to the first, so that no edit moves what another refers to.
    for (const edit of [...fix.edits].sort(fromTheEnd)) {
      const index = notebook.widgets.findIndex(cell => cell.model.id === ids[edit.cell]);
      if (index >= 0) {
        applyEdit(panel, index, edit);
      }
    }
  });
}

function applyEdit(panel: NotebookPanel, index: number, edit: Edit): void {
  const cell = panel.model!.cells.get(index);
  if ('text' in edit) {
    const source = cell.sharedModel.source;
    cell.sharedModel.updateSource(offsetOf(source, edit.start), offsetOf(source, edit.end), edit.text);
  } else if ('tags' in edit) {
    const { add, remove } = edit.tags;
    const kept = tagsOf(cell.metadata).filter(tag => !remove.includes(tag));
    cell.setMetadata('tags', [...kept, ...add.filter(tag => !kept.includes(tag))]);
  } else {
    const { source, tags } = edit.insert;
    panel.model!.sharedModel.insertCell(index + 1, { cell_type: 'code', source, metadata: { tags } });
  }
}

function fromTheEnd(a: Edit, b: Edit): number {
  const place = (edit: Edit) => ('start' in edit ? edit.start.line * 1e6 + edit.start.column : 0);
  return b.cell - a.cell || place(b) - place(a);
}

function offsetOf(source: string, place: Position): number {
  const lines = source.split('\n').slice(0, place.line - 1);
  return lines.reduce((sum, line) => sum + line.length + 1, 0) + place.column - 1;
}

/** Puts a new code cell under the active one and leaves it to the user to run it. */
export function insertCell(panel: NotebookPanel, source: string): void {
  NotebookActions.insertBelow(panel.content);
  panel.content.activeCell?.model.sharedModel.setSource(source);
}
