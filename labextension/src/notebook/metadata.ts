import type { INotebookModel } from '@jupyterlab/notebook';

import { roleOf } from './tags';

/** The notebook's metadata of ours; see `rust/kale_frontend/src/metadata.rs`. Keys that are not ours are kept. */
export interface PipelineMetadata {
  version?: number;
  /** Whether the panel shows this notebook as a pipeline; the compiler does not ask. */
  enabled?: boolean;
  name?: string;
  description?: string;
  experiment?: string;
  base_image?: string;
}

const KEY = 'kale_rs';
const VERSION = 1;

export type TextField = 'name' | 'description' | 'experiment' | 'base_image';

export function readMetadata(model: INotebookModel): PipelineMetadata {
  const found: unknown = model.getMetadata(KEY);
  const isObject = typeof found === 'object' && found !== null && !Array.isArray(found);
  return isObject ? (found as PipelineMetadata) : {};
}

/** What a field holds, if it is a text: other tools and people write into metadata as well. */
export function readText(model: INotebookModel, field: TextField): string {
  const found: unknown = readMetadata(model)[field];
  return typeof found === 'string' ? found : inheritedText(model, field);
}

/** What Kale's panel has written: shown where ours says nothing. */
function inheritedText(model: INotebookModel, field: TextField): string {
  const kale = (model.getMetadata('kubeflow_notebook') ?? {}) as Record<string, unknown>;
  const experiment = (kale.experiment as { name?: unknown } | undefined)?.name ?? kale.experiment_name;
  const fields: Record<TextField, unknown> = {
    name: kale.pipeline_name,
    description: kale.pipeline_description,
    experiment,
    base_image: kale.base_image ?? kale.docker_image
  };
  const found = fields[field];
  return typeof found === 'string' ? found : '';
}

export function writeMetadata(model: INotebookModel, change: Partial<PipelineMetadata>): void {
  const merged: Record<string, unknown> = { ...readMetadata(model), ...change, version: VERSION };
  for (const key of Object.keys(merged)) {
    if (merged[key] === '' || merged[key] === undefined) {
      delete merged[key];
    }
  }
  model.setMetadata(KEY, merged);
}

/** Whether the notebook is shown as a pipeline: by the user's word, else because it has been prepared as one. */
export function isEnabled(model: INotebookModel): boolean {
  const said = readMetadata(model).enabled;
  if (typeof said === 'boolean') {
    return said;
  }
  if (model.getMetadata(KEY) !== undefined || model.getMetadata('kubeflow_notebook') !== undefined) {
    return true;
  }
  return Array.from(model.cells).some(cell => roleOf(tagsOf(cell.metadata))?.kind === 'step');
}

/** The tags in a cell's metadata. */
export function tagsOf(metadata: object): string[] {
  const tags = (metadata as { tags?: unknown }).tags;
  return Array.isArray(tags) ? tags.filter((tag): tag is string => typeof tag === 'string') : [];
}
