import { NotebookActions } from '@jupyterlab/notebook';
import type { INotebookModel, NotebookPanel } from '@jupyterlab/notebook';

import type { Edit, Fix } from '../protocol';
import { changeNotebook, changeText, setTags } from './edits';
import { tagsOf } from './metadata';
import { offsetOf } from './places';
import type { Source } from './source';

/**
 * Carries out a fix in the document, where it can be undone: in the editor's own history if all of it is text of one
 * cell, else in the notebook's. Tells whether it was done: a fix of a text that is not there any more is not, since
 * its places would mean something else.
 */
export function applyFix(model: INotebookModel, fix: Fix, compiled: Source): boolean {
  const placed = fix.edits.map(edit => ({ edit, index: indexOf(model, edit, compiled) }));
  if (placed.length === 0 || placed.some(({ index }) => index < 0)) {
    return false;
  }
  // From the last place to the first, so that no edit moves what another refers to; what is put at one place stands in
  // the order of the edits.
  placed.reverse().sort((a, b) => b.index - a.index || placeOf(b.edit) - placeOf(a.edit));
  const change = () => placed.forEach(({ edit, index }) => applyEdit(model, index, edit));
  if (placed.every(({ edit, index }) => 'text' in edit && index === placed[0].index)) {
    changeText(model.cells.get(placed[0].index), change);
  } else {
    changeNotebook(model, change);
  }
  return true;
}

/** Where an edit's cell is now, if it still is what was compiled. */
function indexOf(model: INotebookModel, edit: Edit, { ids, sources }: Source): number {
  return Array.from(model.cells).findIndex(
    cell =>
      cell.id === ids[edit.cell] && (!('text' in edit) || cell.sharedModel.source === sources[edit.cell])
  );
}

function applyEdit(model: INotebookModel, index: number, edit: Edit): void {
  const cell = model.cells.get(index);
  if ('text' in edit) {
    const source = cell.sharedModel.source;
    cell.sharedModel.updateSource(offsetOf(source, edit.start), offsetOf(source, edit.end), edit.text);
  } else if ('tags' in edit) {
    const { add, remove } = edit.tags;
    const kept = tagsOf(cell.metadata).filter(tag => !remove.includes(tag));
    setTags(cell, [...kept, ...add.filter(tag => !kept.includes(tag))]);
  } else {
    const { source, tags } = edit.insert;
    model.sharedModel.insertCell(index + 1, { cell_type: 'code', source, metadata: { tags } });
  }
}

function placeOf(edit: Edit): number {
  return 'start' in edit ? edit.start.line * 1e6 + edit.start.column : 0;
}

/** Puts a new code cell under the active one and leaves it to the user to run it. */
export function insertCell(panel: NotebookPanel, source: string): void {
  NotebookActions.insertBelow(panel.content);
  panel.content.activeCell?.model.sharedModel.setSource(source);
}
