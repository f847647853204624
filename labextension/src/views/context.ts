import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import type { NotebookPipeline } from '../notebook/pipeline';
import type { Artifact, Diagnostic, Position } from '../protocol';
import type { ViewSpec } from './spec';

/** What views lead to. */
export interface ViewActions {
  open(spec: ViewSpec): void;
  openNotebook(path: string): void;
  /** Brings a cell of the notebook to the front. */
  showCell(pipeline: NotebookPipeline, id: string, place?: Position | null): void;
  /** The cell of a diagnostic, at its line. */
  showDiagnostic(pipeline: NotebookPipeline, diagnostic: Diagnostic): void;
  /** Opens a new notebook with the variables as they were at a step. */
  openRestored(pipeline: NotebookPipeline, run: string, step: string, before: boolean): Promise<void>;
  /** Asks how a variable of a run is to be served, and shows the service; without a step, the last that has a model. */
  serve(pipeline: NotebookPipeline, run: string, step?: string, variable?: string): void;
  /** Lets the browser keep a stored value, or a file as a step has left it. */
  downloadArtifact(pipeline: NotebookPipeline, artifact: Artifact): Promise<void>;
}

/** What every part of a view may need. */
export interface ViewServices {
  actions: ViewActions;
  rendermime: IRenderMimeRegistry;
  trans: TranslationBundle;
}

export const ViewContext = React.createContext<ViewServices | null>(null);

export function useView(): ViewServices {
  const services = React.useContext(ViewContext);
  if (services === null) {
    throw new Error('views are drawn within a ViewContext');
  }
  return services;
}
