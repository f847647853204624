import type { ICommandPalette } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';

import type { NotebookPipeline } from '../notebook/pipeline';
import type { PipelineRegistry } from '../notebook/registry';
import type { NotebookView } from './notebookView';

export namespace CellCommandIDs {
  export const editCell = 'kale-rs:edit-cell';
  export const nextProblem = 'kale-rs:next-problem';
  export const previousProblem = 'kale-rs:previous-problem';
  export const fixProblem = 'kale-rs:fix-problem';
}

/** Commands about the cells of the notebook in front; their keys are in `schema/plugin.json`. */
export function addCellCommands(
  commands: CommandRegistry,
  registry: PipelineRegistry,
  viewOf: (pipeline: NotebookPipeline) => NotebookView | null,
  trans: TranslationBundle,
  palette: ICommandPalette | null
): void {
  const current = () => (registry.current?.enabled ? viewOf(registry.current) : null);
  const add = (id: string, label: string, act: (view: NotebookView) => void) => {
    commands.addCommand(id, {
      label,
      describedBy: { args: { type: 'object', properties: {} } },
      isEnabled: () => current() !== null,
      execute: () => {
        const view = current();
        if (view !== null) {
          act(view);
        }
      }
    });
    palette?.addItem({ command: id, category: trans.__('Pipeline') });
  };
  add(CellCommandIDs.editCell, trans.__('Edit Step of Cell'), view => view.editActiveCell());
  add(CellCommandIDs.nextProblem, trans.__('Next Problem'), view => void view.problems.go(1));
  add(CellCommandIDs.previousProblem, trans.__('Previous Problem'), view => void view.problems.go(-1));
  add(CellCommandIDs.fixProblem, trans.__('Fix Problem at Cursor'), view => view.problems.fixHere());
}
