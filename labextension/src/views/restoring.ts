import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import { PathExt } from '@jupyterlab/coreutils';
import { NotebookActions } from '@jupyterlab/notebook';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';

import type { NotebookPipeline } from '../notebook/pipeline';
import { besideNotebook } from './beside';

/**
 * Opens a notebook restored at a step, with the variables in the memory of its kernel: the kernel of the run's notebook
 * writes the new one beside it, which is opened with a kernel of the same kind, and whose first cell is run.
 */
export async function openRestored(
  app: JupyterFrontEnd,
  pipeline: NotebookPipeline,
  run: string,
  step: string,
  before: boolean,
  trans: TranslationBundle
): Promise<void> {
  const stem = PathExt.basename(pipeline.panel.context.path, '.ipynb');
  const wanted = `${stem}-${before ? 'before' : 'after'}-${step}`;
  const path = await besideNotebook(app, pipeline, wanted, '.ipynb');
  await pipeline.restore(run, step, before, PathExt.basename(path));
  const kernel = pipeline.panel.sessionContext.session?.kernel?.name;
  const opened: NotebookPanel = await app.commands.execute('docmanager:open', {
    path,
    factory: 'Notebook',
    kernel: kernel === undefined ? undefined : { name: kernel }
  });
  await opened.context.ready;
  await opened.sessionContext.ready;
  await opened.revealed;
  const first = opened.content.widgets[0];
  const done = await NotebookActions.runCells(opened.content, [first], opened.sessionContext);
  if (!done) {
    Notification.warning(
      trans.__('%1: the variables could not all be put back; its first cell says why.', path)
    );
  }
}
