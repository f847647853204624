import type { JupyterFrontEnd } from '@jupyterlab/application';
import { PathExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import type { NotebookPipeline } from '../notebook/pipeline';
import type { Artifact } from '../protocol';
import { besideNotebook } from './beside';

/** So long the browser may take to begin keeping what it was given. */
const KEPT_MS = 60_000;

/**
 * Lets the browser keep a stored value. The store is hidden from the Jupyter server: so the kernel writes a file beside
 * the notebook, which is there only until the browser has it.
 */
export async function downloadArtifact(
  app: JupyterFrontEnd,
  pipeline: NotebookPipeline,
  artifact: Artifact
): Promise<void> {
  const { contents, serverSettings } = app.serviceManager;
  const { name, extension } = fileName(artifact);
  const path = await besideNotebook(app, pipeline, name, extension);
  await pipeline.link.request('artifact', { id: artifact.id, output: PathExt.basename(path) });
  try {
    const url = await contents.getDownloadUrl(path);
    const response = await ServerConnection.makeRequest(url, {}, serverSettings);
    if (!response.ok) {
      throw new ServerConnection.ResponseError(response);
    }
    const kept = URL.createObjectURL(await response.blob());
    keep(kept, `${name}${extension}`);
    window.setTimeout(() => URL.revokeObjectURL(kept), KEPT_MS);
  } finally {
    await contents.delete(path);
  }
}

/** A file keeps its name; of a value, what other tools open as well. */
function fileName({ kind, names, type }: Artifact): { name: string; extension: string } {
  const file = /^file:(.+)$/.exec(kind);
  if (file) {
    const extension = PathExt.extname(file[1]);
    return { name: PathExt.basename(file[1], extension), extension };
  }
  const isTable = type === 'pandas.DataFrame' || type === 'pandas.Series';
  return { name: names.join('-') || 'value', extension: isTable ? '.csv' : (FORMATS[type] ?? '.pkl') };
}

const FORMATS: Record<string, string> = {
  'numpy.ndarray': '.npy',
  'matplotlib.Figure': '.png',
  str: '.txt',
  list: '.json',
  dict: '.json',
  int: '.json',
  float: '.json'
};

/** Lets the browser keep a text. */
export function keepText(text: string, name: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: 'text/plain' }));
  keep(url, name);
  window.setTimeout(() => URL.revokeObjectURL(url), KEPT_MS);
}

function keep(url: string, name: string): void {
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
}
