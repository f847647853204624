import type { ICellModel } from '@jupyterlab/cells';

import type { Diagnostic } from '../protocol';
import type { NotebookPipeline } from './pipeline';

/** A diagnostic, and the notebook that its places are of. */
export interface Problem {
  diagnostic: Diagnostic;
  /** Whether the kernel said it about the last run, and not about the text. */
  isOfRun: boolean;
}

/**
 * What there is to say about a cell: by the compiler, and by the run that is shown. What is about a text that is not
 * there any more is left out, since its places would point at something else.
 */
export function problemsOf(pipeline: NotebookPipeline, cell: ICellModel): Problem[] {
  const { analysis } = pipeline;
  const found: Problem[] = [];
  const said = analysis.diagnostics.get(cell.id) ?? [];
  if (said.length > 0 && isStill(cell, analysis.compiledText(cell.id))) {
    found.push(...said.map(diagnostic => ({ diagnostic, isOfRun: false })));
  }
  for (const diagnostic of failuresOf(pipeline)) {
    const source = pipeline.sourceOfRun(pipeline.runs.currentRunId!);
    if (source?.ids[diagnostic.cell!] === cell.id && isStill(cell, source.sources[diagnostic.cell!])) {
      found.push({ diagnostic, isOfRun: true });
    }
  }
  return found;
}

export function errorsOf(diagnostics: readonly Diagnostic[]): Diagnostic[] {
  return diagnostics.filter(diagnostic => diagnostic.severity === 'error');
}

/** Why steps of the shown run have failed. What the compiler warned of is known without a run. */
function failuresOf({ runs }: NotebookPipeline): readonly Diagnostic[] {
  return errorsOf(runs.current?.diagnostics ?? []).filter(each => each.cell !== null);
}

function isStill(cell: ICellModel, text: string | undefined): boolean {
  return cell.sharedModel.source === text;
}
