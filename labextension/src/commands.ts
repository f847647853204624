import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import type { ICommandPalette } from '@jupyterlab/apputils';
import { PathExt } from '@jupyterlab/coreutils';
import type { TranslationBundle } from '@jupyterlab/translation';

import { messageOf } from './channel/rpc';
import { applyFix, insertCell } from './notebook/fixes';
import type { NotebookPipeline } from './notebook/pipeline';
import { errorsOf } from './notebook/problems';
import type { PipelineRegistry } from './notebook/registry';
import type { PanelActions } from './panel/actions';
import { INSTALL_COMMAND } from './panel/linkStatus';
import { PANEL_ID } from './panel/panel';
import { askForSchedule } from './panel/schedule/dialog';
import { askForSweep } from './panel/sweep/dialog';
import { pipelineIcon } from './ui/icons';
import { besideNotebook } from './views/beside';
import type { ViewActions } from './views/context';

export namespace CommandIDs {
  export const showPanel = 'kale-rs:show-panel';
  export const toggle = 'kale-rs:toggle';
  export const run = 'kale-rs:run';
  export const stop = 'kale-rs:stop';
  export const compile = 'kale-rs:compile';
  export const sweep = 'kale-rs:sweep';
  export const schedule = 'kale-rs:schedule';
}

/** What a command without arguments says of them. */
const NO_ARGUMENTS = { args: { type: 'object', properties: {} } } as const;

/** Makes the commands known, and gives the panel's buttons the same deeds. */
export function addCommands(
  app: JupyterFrontEnd,
  registry: PipelineRegistry,
  views: ViewActions,
  trans: TranslationBundle,
  palette: ICommandPalette | null
): PanelActions {
  const { commands, shell } = app;
  const actions = panelActions(app, views, trans);
  const add = (id: string, options: Omit<Parameters<typeof commands.addCommand>[1], 'describedBy'>) => {
    commands.addCommand(id, { describedBy: NO_ARGUMENTS, ...options });
    palette?.addItem({ command: id, category: trans.__('Pipeline') });
  };
  /** Does something with the notebook in front. */
  const onCurrent = (act: (pipeline: NotebookPipeline) => void) => () => {
    const pipeline = registry.current;
    if (pipeline !== null) {
      act(pipeline);
    }
  };
  registry.currentChanged.connect(() => {
    // Also when its content has been read, which nobody else tells the buttons of.
    Object.values(CommandIDs).forEach(id => commands.notifyCommandChanged(id));
  });
  const isNotebook = () => registry.current !== null;
  const isEnabled = () => registry.current?.enabled ?? false;

  add(CommandIDs.showPanel, {
    label: trans.__('Show Pipeline Panel'),
    execute: () => shell.activateById(PANEL_ID)
  });
  add(CommandIDs.toggle, {
    label: trans.__('Notebook Is a Pipeline'),
    isToggled: isEnabled,
    isEnabled: isNotebook,
    execute: onCurrent(pipeline => (pipeline.enabled = !pipeline.enabled))
  });
  add(CommandIDs.run, {
    label: trans.__('Run as Pipeline'),
    caption: trans.__('Run this notebook as a pipeline, where the panel says'),
    icon: pipelineIcon,
    isEnabled: isNotebook,
    execute: onCurrent(pipeline => {
      shell.activateById(PANEL_ID);
      if (pipeline.enabled) {
        actions.run(pipeline, {});
      } else {
        pipeline.enabled = true;
      }
    })
  });
  add(CommandIDs.stop, {
    label: trans.__('Stop Pipeline Run'),
    isEnabled,
    execute: onCurrent(
      pipeline => pipeline.runs.currentRunId && actions.stop(pipeline, pipeline.runs.currentRunId)
    )
  });
  add(CommandIDs.compile, {
    label: trans.__('Compile Pipeline for Kubeflow'),
    isEnabled,
    execute: onCurrent(actions.compile)
  });
  add(CommandIDs.sweep, {
    label: trans.__('Sweep Parameters …'),
    caption: trans.__('Run this notebook with many values of its parameters, and find the best'),
    isEnabled,
    execute: onCurrent(actions.newSweep)
  });
  add(CommandIDs.schedule, {
    label: trans.__('Schedule on Cluster …'),
    caption: trans.__('Have the cluster that the panel says run this notebook by the clock'),
    isEnabled: () => isEnabled() && registry.current!.isOnCluster,
    execute: onCurrent(actions.schedule)
  });
  return actions;
}

function panelActions(app: JupyterFrontEnd, views: ViewActions, trans: TranslationBundle): PanelActions {
  const tell = (what: Promise<unknown>) => {
    what.catch(error => Notification.error(messageOf(error)));
  };
  const actions: PanelActions = {
    run: (pipeline, choice) => tell(pipeline.run(choice)),
    stop: (pipeline, run) => tell(pipeline.stop(run)),
    compile: pipeline => tell(writeCompiled(app, pipeline, trans)),
    newSweep: pipeline => tell(askForSweep(pipeline, sweep => actions.openSweep(pipeline, sweep), trans)),
    schedule: pipeline => tell(askForSchedule(pipeline, trans)),
    openSweep: (pipeline, sweep) => views.open({ kind: 'sweep', path: pipeline.panel.context.path, sweep }),
    openService: (pipeline, name) => views.open({ kind: 'service', path: pipeline.panel.context.path, name }),
    openRun: (pipeline, run, step) => {
      tell(pipeline.runs.follow(run));
      views.open({ kind: 'run', path: pipeline.panel.context.path, run, step });
    },
    openGraph: pipeline => views.open({ kind: 'graph', path: pipeline.panel.context.path }),
    compare: (pipeline, before, after) =>
      views.open({ kind: 'comparison', path: pipeline.panel.context.path, before, after }),
    showDiagnostic: views.showDiagnostic,
    showCell: views.showCell,
    fix: (pipeline, diagnostic, index) => {
      const compiled = pipeline.analysis.compilation?.source;
      const { panel } = pipeline;
      if (compiled !== undefined && applyFix(panel.model!, diagnostic.fixes[index], compiled)) {
        views.showDiagnostic(pipeline, diagnostic);
      }
    },
    link: pipeline => ({
      retry: () => pipeline.link.retry(),
      restartKernel: () => tell(app.commands.execute('kernelmenu:restart')),
      selectKernel: () => tell(app.commands.execute('notebook:change-kernel')),
      insertInstall: () => insertCell(pipeline.panel, INSTALL_COMMAND)
    }),
    targets: pipeline => ({
      openRun: run => actions.openRun(pipeline, run),
      showFailure: run => {
        const [failure] = errorsOf(run.diagnostics);
        if (failure !== undefined) {
          views.showDiagnostic(pipeline, failure);
        }
      }
    })
  };
  return actions;
}

/** What every compiled pipeline begins with. Such a file may be written again; what else has its name is kept. */
const HEAD = '# PIPELINE DEFINITION';

/** Puts the compiled pipeline beside the notebook, and opens it. */
async function writeCompiled(
  app: JupyterFrontEnd,
  pipeline: NotebookPipeline,
  trans: TranslationBundle
): Promise<void> {
  const text = await pipeline.compile('kfp');
  if (text === null) {
    return;
  }
  const { contents } = app.serviceManager;
  const stem = PathExt.basename(pipeline.panel.context.path, '.ipynb');
  const path = await besideNotebook(app, pipeline, stem, '.yaml', async found => {
    const before = await contents.get(found, { type: 'file', format: 'text', content: true });
    return String(before.content).startsWith(HEAD);
  });
  await contents.save(path, { type: 'file', format: 'text', content: text });
  Notification.success(trans.__('Compiled to %1', path));
  await app.commands.execute('docmanager:open', { path });
}
