import type { ILayoutRestorer, JupyterFrontEnd } from '@jupyterlab/application';
import { MainAreaWidget, Notification, WidgetTracker } from '@jupyterlab/apputils';
import type { ICommandPalette } from '@jupyterlab/apputils';
import type { DocumentRegistry } from '@jupyterlab/docregistry';
import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import type { TranslationBundle } from '@jupyterlab/translation';

import { messageOf } from '../channel/rpc';
import type { NotebookPipeline } from '../notebook/pipeline';
import type { PipelineRegistry } from '../notebook/registry';
import { revealCell } from '../notebook/reveal';
import type { ViewActions, ViewServices } from './context';
import { downloadArtifact } from './downloads';
import { stepId } from './ids';
import { openRestored } from './restoring';
import { viewKey } from './spec';
import type { ViewSpec } from './spec';
import { Subject } from './subject';
import type { ViewWidget } from './widget';

export namespace ViewCommands {
  export const openGraph = 'kale-rs:open-graph';
  export const openRun = 'kale-rs:open-run';
  export const openLineage = 'kale-rs:open-lineage';
  export const openService = 'kale-rs:open-service';
  export const compare = 'kale-rs:compare-runs';
  /** Opens any view again, when the layout is restored. */
  export const openView = 'kale-rs:open-view';
}

type ViewTab = MainAreaWidget<ViewWidget>;

/** Views of the main area: opened by commands, drawn by code that is loaded with the first of them. */
export function addViews(
  app: JupyterFrontEnd,
  registry: PipelineRegistry,
  rendermime: IRenderMimeRegistry,
  trans: TranslationBundle,
  palette: ICommandPalette | null,
  restorer: ILayoutRestorer | null
): ViewActions {
  const tracker = new WidgetTracker<ViewTab>({ namespace: 'kale-rs-views' });
  const openView = (spec: ViewSpec) => open(app, registry, tracker, { actions, rendermime, trans }, spec);
  const actions = viewActions(app, trans, openView);
  addCommands(app, registry, openView, trans, palette);
  void restorer?.restore(tracker, {
    command: ViewCommands.openView,
    args: tab => tab.content.spec,
    name: tab => viewKey(tab.content.spec)
  });
  return actions;
}

function viewActions(
  app: JupyterFrontEnd,
  trans: TranslationBundle,
  openView: (spec: ViewSpec) => Promise<void>
): ViewActions {
  const tell = (what: Promise<unknown>) => {
    what.catch(error => Notification.error(messageOf(error)));
  };
  const showCell: ViewActions['showCell'] = (pipeline, id, place) => {
    app.shell.activateById(pipeline.panel.id);
    tell(revealCell(pipeline.panel, id, place));
  };
  return {
    open: spec => tell(openView(spec)),
    openNotebook: path => tell(app.commands.execute('docmanager:open', { path, factory: 'Notebook' })),
    showCell,
    showDiagnostic: (pipeline, { cell, cell_id, start }) => {
      const ids = pipeline.panel.content.widgets.map(widget => widget.model.id);
      const id = cell_id !== null && ids.includes(cell_id) ? cell_id : pipeline.analysis.cellId(cell ?? -1);
      if (id !== null) {
        showCell(pipeline, id, start);
      }
    },
    openRestored: (pipeline, run, step, before) => openRestored(app, pipeline, run, step, before, trans),
    serve: (pipeline, run, step, variable) => tell(serve(pipeline, openView, trans, { run, step, variable })),
    downloadArtifact: (pipeline, artifact) => downloadArtifact(app, pipeline, artifact)
  };
}

async function serve(
  pipeline: NotebookPipeline,
  openView: (spec: ViewSpec) => Promise<void>,
  trans: TranslationBundle,
  what: { run: string; step?: string; variable?: string }
): Promise<void> {
  const { askToServe } = await import('./service/dialog');
  const name = await askToServe(pipeline, what, trans);
  if (name !== null) {
    await openView({ kind: 'service', path: pipeline.panel.context.path, name });
  }
}

/** Shows a view: the one that is there, else a new one beside its notebook. */
async function open(
  app: JupyterFrontEnd,
  registry: PipelineRegistry,
  tracker: WidgetTracker<ViewTab>,
  services: ViewServices,
  spec: ViewSpec
): Promise<void> {
  // First of all: two clicks while it is being loaded open one view.
  const { ViewWidget } = await import('./widget');
  const found = tracker.find(tab => viewKey(tab.content.spec) === viewKey(spec));
  if (found !== undefined) {
    found.content.display(spec);
    void tracker.save(found);
    app.shell.activateById(found.id);
    return;
  }
  const content = new ViewWidget(spec, new Subject(registry, spec.path), services);
  const tab = new MainAreaWidget({ content });
  tab.id = `kale-rs:view:${viewKey(spec)}`;
  tab.title.closable = true;
  tab.toolbar.hide();
  // The tab has given its content a name of its own.
  content.display(spec);
  content.renamed.connect(() => void tracker.save(tab));
  const options = place(registry, tracker, spec.path);
  const isTracked = tracker.add(tab);
  app.shell.add(tab, 'main', { ...options, type: 'kale-rs' });
  await isTracked;
}

/** With the other views where one is to be seen, else beside the notebook. */
function place(
  registry: PipelineRegistry,
  tracker: WidgetTracker<ViewTab>,
  path: string
): DocumentRegistry.IOpenOptions {
  const view = tracker.find(tab => tab.isVisible);
  if (view !== undefined) {
    return { mode: 'tab-after', ref: view.id };
  }
  const panel = [...registry.all].find(pipeline => pipeline.panel.context.path === path)?.panel;
  return panel?.isVisible ? { mode: 'split-right', ref: panel.id } : {};
}

/** The step of the active cell, in the run that the cells show. */
function activeStep(pipeline: NotebookPipeline | null): string | null {
  const cell = pipeline?.panel.content.activeCell?.model.id;
  const step = cell === undefined ? undefined : pipeline!.analysis.cells.get(cell)?.step.name;
  const run = pipeline?.runs.current;
  const isOfRun = run?.steps.some(each => each.name === step) ?? false;
  return isOfRun ? stepId(run!.run_id!, step!) : null;
}

function addCommands(
  app: JupyterFrontEnd,
  registry: PipelineRegistry,
  openView: (spec: ViewSpec) => Promise<void>,
  trans: TranslationBundle,
  palette: ICommandPalette | null
): void {
  const text = { type: 'string' } as const;
  const path = { ...text, description: trans.__('The notebook; that in front when left out') };
  const add = (
    id: string,
    label: string,
    properties: Record<string, typeof text>,
    spec: (given: Record<string, string>, pipeline: NotebookPipeline | null) => ViewSpec | null
  ) => {
    const find = (given: object) => spec({ ...given } as Record<string, string>, registry.current);
    app.commands.addCommand(id, {
      label,
      describedBy: { args: { type: 'object', properties: { path, ...properties } } },
      isEnabled: given => find(given) !== null,
      execute: given => {
        const found = find(given);
        return found === null ? undefined : openView(found);
      }
    });
  };
  const pathOf = (given: Record<string, string>, pipeline: NotebookPipeline | null) =>
    given.path ?? pipeline?.panel.context.path;
  /** The run that is asked for; else the one that the cells show, else the newest. */
  const runOf = (given: Record<string, string>, pipeline: NotebookPipeline | null) =>
    given.run ?? pipeline?.runs.currentRunId ?? pipeline?.runs.list.find(run => run.run_id !== null)?.run_id;

  add(ViewCommands.openGraph, trans.__('Open Graph of Steps'), {}, (given, pipeline) => {
    const path = pathOf(given, pipeline);
    return path ? { kind: 'graph', path } : null;
  });
  add(ViewCommands.openRun, trans.__('Open Pipeline Run'), { run: text, step: text }, (given, pipeline) => {
    const [path, run] = [pathOf(given, pipeline), runOf(given, pipeline)];
    return path && run ? { kind: 'run', path, run, step: given.step } : null;
  });
  add(ViewCommands.openLineage, trans.__('Open Lineage'), { id: text }, (given, pipeline) => {
    const [path, id] = [pathOf(given, pipeline), given.id ?? activeStep(pipeline) ?? runOf(given, pipeline)];
    return path && id ? { kind: 'lineage', path, id } : null;
  });
  add(ViewCommands.openService, trans.__('Open Service'), { name: text }, (given, pipeline) => {
    const [path, name] = [pathOf(given, pipeline), given.name ?? pipeline?.services.list?.[0]?.name];
    return path && name ? { kind: 'service', path, name } : null;
  });
  add(
    ViewCommands.compare,
    trans.__('Compare Last Two Pipeline Runs'),
    { before: text, after: text },
    (given, pipeline) => {
      const [newest, previous] = pipeline?.runs.list.filter(run => run.run_id !== null) ?? [];
      const [path, after, before] = [
        pathOf(given, pipeline),
        given.after ?? newest?.run_id,
        given.before ?? previous?.run_id
      ];
      return path && before && after ? { kind: 'comparison', path, before, after } : null;
    }
  );
  app.commands.addCommand(ViewCommands.openView, {
    label: trans.__('Open a View of a Pipeline'),
    describedBy: { args: { type: 'object', properties: { kind: text, path: text } } },
    execute: given => openView(given as unknown as ViewSpec)
  });
  for (const command of [
    ViewCommands.openGraph,
    ViewCommands.openRun,
    ViewCommands.openLineage,
    ViewCommands.openService,
    ViewCommands.compare
  ]) {
    palette?.addItem({ command, category: trans.__('Pipeline') });
  }
}
