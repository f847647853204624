import { ILayoutRestorer } from '@jupyterlab/application';
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { IEditorExtensionRegistry } from '@jupyterlab/codemirror';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { IStateDB } from '@jupyterlab/statedb';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { addCellCommands } from './cells/commands';
import { NotebookView } from './cells/notebookView';
import { addCommands, CommandIDs } from './commands';
import { CellEditors } from './lint/editors';
import type { NotebookPipeline } from './notebook/pipeline';
import { PipelineRegistry } from './notebook/registry';
import { PipelinePanel } from './panel/panel';
import { announceEnd } from './shell/notifications';
import { LiveSettings } from './settings';
import { StatusItem } from './shell/statusItem';
import { pipelineIcon } from './ui/icons';
import { DOMAIN } from './ui/translation';
import { addViews } from './views/opener';

const PLUGIN_ID = 'kale-rs:plugin';

/** The panel, the cells, and what they do. */
const plugin: JupyterFrontEndPlugin<void> = {
  id: PLUGIN_ID,
  description: 'Shows notebooks as pipelines, runs them, and follows the runs.',
  autoStart: true,
  requires: [INotebookTracker, IEditorExtensionRegistry, IRenderMimeRegistry, IStateDB],
  optional: [ICommandPalette, ILayoutRestorer, ISettingRegistry, IStatusBar, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    tracker: INotebookTracker,
    extensions: IEditorExtensionRegistry,
    rendermime: IRenderMimeRegistry,
    state: IStateDB,
    palette: ICommandPalette | null,
    restorer: ILayoutRestorer | null,
    settingRegistry: ISettingRegistry | null,
    statusBar: IStatusBar | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    const settings = new LiveSettings(settingRegistry, PLUGIN_ID);
    const registry = new PipelineRegistry(tracker, app.serviceManager.sessions, state, settings);
    const views = addViews(app, registry, rendermime, trans, palette, restorer);
    const actions = addCommands(app, registry, views, trans, palette);
    const editors = new CellEditors();
    const onCells = new WeakMap<NotebookPipeline, NotebookView>();
    extensions.addExtension(editors.extension);
    addCellCommands(app.commands, registry, pipeline => onCells.get(pipeline) ?? null, trans, palette);
    const showPanel = () => void app.commands.execute(CommandIDs.showPanel);

    registry.added.connect((_, pipeline) => {
      const view = new NotebookView(
        pipeline,
        editors,
        (run, step) => actions.openRun(pipeline, run, step),
        trans
      );
      onCells.set(pipeline, view);
      pipeline.panel.disposed.connect(() => view.dispose());
      pipeline.runs.finished.connect((_, run) => {
        if (settings.value.notify && !pipeline.panel.isVisible) {
          announceEnd(pipeline, run, actions.targets(pipeline), trans);
        }
      });
    });

    const panel = new PipelinePanel(registry, actions, trans);
    panel.title.icon = pipelineIcon;
    panel.title.caption = trans.__('Pipeline (kale_rs)');
    app.shell.add(panel, 'right', { rank: 350, type: 'kale-rs' });
    restorer?.add(panel, panel.id);

    statusBar?.registerStatusItem(PLUGIN_ID, {
      item: new StatusItem(registry, showPanel, trans),
      align: 'left',
      rank: 90
    });
  }
};

export default plugin;
