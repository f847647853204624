import { ILayoutRestorer } from '@jupyterlab/application';
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IStateDB } from '@jupyterlab/statedb';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { CellDecorator } from './cells/decorator';
import { addCommands, CommandIDs } from './commands';
import { PipelineRegistry } from './notebook/registry';
import { PipelinePanel } from './panel/panel';
import { pipelineIcon } from './ui/icons';
import { DOMAIN } from './ui/translation';
import { VERSION } from './version';

/** The panel, the cells, and what they do. */
const plugin: JupyterFrontEndPlugin<void> = {
  id: 'kale-rs:plugin',
  description: 'Shows notebooks as pipelines, runs them, and follows the runs.',
  autoStart: true,
  requires: [INotebookTracker, IStateDB],
  optional: [ICommandPalette, ILayoutRestorer, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    tracker: INotebookTracker,
    state: IStateDB,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    const registry = new PipelineRegistry(tracker, app.serviceManager.sessions, VERSION, state);
    const actions = addCommands(app, registry, trans, palette);
    registry.added.connect((_, pipeline) => {
      const decorator = new CellDecorator(
        pipeline,
        trans,
        () => void app.commands.execute(CommandIDs.showPanel)
      );
      pipeline.panel.disposed.connect(() => decorator.dispose());
    });
    const panel = new PipelinePanel(registry, actions, trans);
    panel.title.icon = pipelineIcon;
    panel.title.caption = trans.__('Pipeline (kale_rs)');
    app.shell.add(panel, 'right', { rank: 350, type: 'kale-rs' });
    restorer?.add(panel, panel.id);
  }
};

export default plugin;
