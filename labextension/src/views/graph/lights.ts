import type { NotebookPipeline } from '../../notebook/pipeline';
import { highlight, rangeOf } from '../../ui/ranges';
import type { GraphElements, Lit } from './elements';

const HIGHLIGHT = 'kale-variables';

/**
 * Lights up in the notebook what is looked at in the graph: the cells of the step, those of its neighbours, and in
 * both the variables that flow between them. Only classes and the browser's own highlights: the document is not touched.
 */
export function lightCells(pipeline: NotebookPipeline, elements: GraphElements, lit: Lit): void {
  const cellsOf = (nodes: Set<number>) =>
    new Set([...nodes].flatMap(node => pipeline.analysis.stepCells(elements.nodes[node])));
  const lights = cellsOf(lit.nodes);
  const near = cellsOf(lit.near);
  const shown: HTMLElement[] = [];
  for (const cell of pipeline.panel.content.widgets) {
    cell.node.classList.toggle('kale-mod-lit', lights.has(cell.model.id));
    cell.node.classList.toggle('kale-mod-near', near.has(cell.model.id));
    if ((lights.has(cell.model.id) || near.has(cell.model.id)) && cell.node.isConnected) {
      shown.push(cell.node);
    }
  }
  const editors =
    lit.variables.size > 0 ? shown.flatMap(cell => [...cell.querySelectorAll('.cm-content')]) : [];
  highlight(
    HIGHLIGHT,
    editors.flatMap(editor => find(editor, lit.variables))
  );
}

/** Names in an editor's text. What comes after a dot is an attribute, and no variable. */
function find(editor: Element, variables: ReadonlySet<string>): Range[] {
  const found: Range[] = [];
  for (const line of editor.querySelectorAll('.cm-line')) {
    for (const match of (line.textContent ?? '').matchAll(/(?<![.\p{L}\p{N}_])[\p{L}_][\p{L}\p{N}_]*/gu)) {
      if (variables.has(match[0])) {
        found.push(rangeOf(line, match.index, match.index + match[0].length));
      }
    }
  }
  return found;
}
