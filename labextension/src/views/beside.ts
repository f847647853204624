import type { JupyterFrontEnd } from '@jupyterlab/application';
import { PathExt } from '@jupyterlab/coreutils';

import type { NotebookPipeline } from '../notebook/pipeline';

/**
 * The path of a file beside a notebook that does not exist yet, or may be replaced: what is there may hold somebody's
 * work. The kernel, told the name alone, writes it into the same folder.
 */
export async function besideNotebook(
  app: JupyterFrontEnd,
  pipeline: NotebookPipeline,
  wanted: string,
  extension: string,
  mayReplace: (path: string) => Promise<boolean> = async () => false
): Promise<string> {
  const folder = PathExt.dirname(pipeline.panel.context.path);
  const stem = wanted.replace(/[^\p{L}\p{N}_-]+/gu, '_');
  const listing = await app.serviceManager.contents.get(folder, { content: true });
  const taken = new Set((listing.content as { name: string }[]).map(entry => entry.name));
  let name = `${stem}${extension}`;
  for (let number = 2; taken.has(name) && !(await mayReplace(PathExt.join(folder, name))); number += 1) {
    name = `${stem}-${number}${extension}`;
  }
  return PathExt.join(folder, name);
}
