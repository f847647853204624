import type { Cell } from '@jupyterlab/cells';
import { ReactWidget } from '@jupyterlab/ui-components';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';
import * as React from 'react';

import { flowsOf } from '../../notebook/analysis';
import { changeNotebook, setTags } from '../../notebook/edits';
import { tagsOf } from '../../notebook/metadata';
import type { NotebookPipeline } from '../../notebook/pipeline';
import { roleOf, roleOfMagic, rolesByTags, roleTag } from '../../notebook/tags';
import type { Role } from '../../notebook/tags';
import { Popover } from '../../ui/popover';
import { TranslationContext } from '../../ui/translation';
import { formOf, keptTags, tagsFrom } from './form';
import type { TagForm } from './form';
import { TagEditor } from './tagEditor';

let serial = 0;
let current: Popover | null = null;

/** Opens the tag editor for a cell beside `anchor`. There is one at a time. */
export function openTagEditor(
  pipeline: NotebookPipeline,
  cell: Cell,
  anchor: HTMLElement,
  trans: TranslationBundle
): void {
  current?.close();
  const index = pipeline.panel.content.widgets.indexOf(cell);
  if (index < 0) {
    return;
  }
  const before = document.activeElement;
  const close = () => popover.close();
  const popover = new Popover(anchor, trans.__('Tags of cell %1', index), () => {
    cell.disposed.disconnect(close);
    widget.dispose();
  });
  // The notebook is closed, or the cell is removed.
  cell.disposed.connect(close);
  const { magic, inherited, steps, isTagged } = surroundings(pipeline, index);
  const tags = tagsOf(cell.model.metadata);
  const initial = formOf(magic === null ? tags : [roleTag(magic)], inherited);
  let isDirty = false;
  const compiled = pipeline.analysis.cells.get(cell.model.id);
  const inferred = (compiled?.incoming ?? [])
    .map(edge => ({ step: edge.from, flows: flowsOf(edge) }))
    .filter(({ flows }) => flows.length > 0);
  const save = (form: TagForm) => {
    popover.close();
    // The first tagged step takes the cut from the compiler, also with the name that the compiler had found.
    const decides = form.kind === 'step' && !isTagged;
    if (decides || JSON.stringify(form) !== JSON.stringify(initial)) {
      write(pipeline, cell, form);
    }
  };
  const widget = ReactWidget.create(
    <TranslationContext.Provider value={trans}>
      <h3 className="kale-TagEditor-title">{trans.__('Cell %1', index)}</h3>
      <TagEditor
        prefix={`kale-tags-${(serial += 1)}`}
        initial={initial}
        inherited={inherited}
        isMagic={magic !== null}
        isTagged={isTagged}
        steps={steps}
        inferred={inferred}
        kept={keptTags(tags)}
        onReady={() => focusFirst(popover)}
        onChange={form => (isDirty = JSON.stringify(form) !== JSON.stringify(initial))}
        save={save}
        cancel={close}
      />
    </TranslationContext.Provider>
  );
  current = popover;
  popover.node.classList.add('kale-TagPopover');
  popover.node.setAttribute('aria-modal', 'true');
  if (before instanceof HTMLElement && pipeline.panel.node.contains(before)) {
    popover.returnTo = before;
  }
  Widget.attach(widget, popover.node);
  // What has been typed is not lost by a click beside it.
  popover.closeOutside(() => isDirty);
}

/** One step to undo; a cell that has been removed meanwhile is left alone. */
function write(pipeline: NotebookPipeline, cell: Cell, form: TagForm): void {
  const model = pipeline.panel.model;
  if (model === null || cell.isDisposed) {
    return;
  }
  const before = tagsOf(cell.model.metadata);
  const after = tagsFrom(before, form);
  if (JSON.stringify(after) !== JSON.stringify(before)) {
    changeNotebook(model, () => setTags(cell.model, after));
  }
}

/** The name, where there is one: it is what people change most. */
function focusFirst(popover: Popover): void {
  const name = popover.node.querySelector<HTMLInputElement>('[role=combobox]:enabled');
  if (name === null) {
    popover.focus();
  } else {
    name.focus();
    name.select();
  }
}

interface Surroundings {
  /** What a `%%pipeline` line makes of the cell. */
  magic: Role | null;
  /** What it is by its place, if it says nothing itself. */
  inherited: Role | null;
  /** Names that it may take. */
  steps: string[];
  isTagged: boolean;
}

function surroundings(pipeline: NotebookPipeline, index: number): Surroundings {
  const cells = pipeline.panel.content.widgets.map(({ model }) => ({
    isCode: model.type === 'code',
    tags: tagsOf(model.metadata),
    source: model.sharedModel.source
  }));
  const magic = roleOfMagic(cells[index].source);
  const isSilent = magic === null && roleOf(cells[index].tags) === null;
  const compiled = pipeline.analysis.cells.get(pipeline.panel.content.widgets[index].model.id);
  const byCompiler: Role | null =
    isSilent && compiled !== undefined ? { kind: 'step', name: compiled.step.name } : null;
  const byPlace = rolesByTags(
    cells.map((cell, at) => (at === index ? { ...cell, tags: [], source: '' } : cell))
  );
  const names = [
    ...rolesByTags(cells).flatMap(role => (role?.kind === 'step' ? [role.name] : [])),
    ...(pipeline.analysis.outline?.steps ?? []).map(step => step.name)
  ];
  return {
    magic,
    inherited: byPlace[index] ?? byCompiler,
    steps: [...new Set(names)],
    isTagged: cells.some(cell => (roleOfMagic(cell.source) ?? roleOf(cell.tags))?.kind === 'step')
  };
}
