import type { JupyterFrontEnd } from '@jupyterlab/application';
import { PathExt } from '@jupyterlab/coreutils';
import type { TranslationBundle } from '@jupyterlab/translation';

import type { NotebookPipeline } from '../notebook/pipeline';

interface Place {
  /** As the Jupyter server calls it. */
  path: string;
  /** On the disk of the kernel. */
  onKernel: string;
}

/** A file beside a notebook under a name that nothing has: what is there may hold somebody's work. */
export async function besideNotebook(
  app: JupyterFrontEnd,
  pipeline: NotebookPipeline,
  wanted: string,
  extension: string,
  trans: TranslationBundle
): Promise<Place> {
  const own = pipeline.link.hello?.notebook ?? null;
  if (own === null) {
    throw new Error(
      trans.__('The kernel does not know where the notebook lies: save it, and restart the kernel.')
    );
  }
  const folder = PathExt.dirname(pipeline.panel.context.path);
  const stem = wanted.replace(/[^\p{L}\p{N}_-]+/gu, '_');
  const listing = await app.serviceManager.contents.get(folder, { content: true });
  const taken = new Set((listing.content as { name: string }[]).map(entry => entry.name));
  let name = `${stem}${extension}`;
  for (let number = 2; taken.has(name); number += 1) {
    name = `${stem}-${number}${extension}`;
  }
  return { path: PathExt.join(folder, name), onKernel: own.replace(/[^\\/]*$/, name) };
}
