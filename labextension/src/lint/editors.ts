import {
  forEachDiagnostic,
  diagnosticCount,
  lintGutter,
  setDiagnostics,
  setDiagnosticsEffect
} from '@codemirror/lint';
import type { Diagnostic } from '@codemirror/lint';
import { Compartment, EditorState, StateEffect, StateField } from '@codemirror/state';
import { EditorView, showTooltip, tooltips, ViewPlugin } from '@codemirror/view';
import type { Tooltip } from '@codemirror/view';
import { EditorExtensionRegistry } from '@jupyterlab/codemirror';
import type { IEditorExtensionFactory } from '@jupyterlab/codemirror';
import { Signal } from '@lumino/signaling';
import type { ISignal } from '@lumino/signaling';

/**
 * The editors of all code cells, with what CodeMirror needs to show problems in them. A notebook makes an editor when
 * its cell comes into the window for the first time: so it is told of each one, by the text that it shows.
 */
export class CellEditors {
  /** An editor has been made for a text. */
  get added(): ISignal<this, object> {
    return this.addedSignal;
  }

  /** The editors of a cell's shared model; a notebook may be open in several views. */
  viewsOf(text: object): Iterable<EditorView> {
    return this.views.get(text) ?? [];
  }

  /** For JupyterLab's registry: it is asked for every editor. */
  get extension(): IEditorExtensionFactory<undefined> {
    return {
      name: 'kale-rs:problems',
      factory: ({ model }) => {
        const text = model.sharedModel as { cell_type?: unknown };
        return text.cell_type === 'code'
          ? EditorExtensionRegistry.createImmutableExtension([this.register(text), ...EXTENSIONS])
          : null;
      }
    };
  }

  private register(text: object): ViewPlugin<{ destroy(): void }> {
    return ViewPlugin.define(view => {
      const views = this.views.get(text) ?? new Set();
      this.views.set(text, views.add(view));
      // An editor cannot be changed while it is being made.
      void Promise.resolve().then(() => this.addedSignal.emit(text));
      return { destroy: () => void views.delete(view) };
    });
  }

  private views = new WeakMap<object, Set<EditorView>>();
  private addedSignal = new Signal<this, object>(this);
}

/** The marks beside the lines, once an editor has had some: text that moves to and fro would be worse. */
const gutter = new Compartment();

/** Shows problems in place of those before. */
export function show(view: EditorView, problems: readonly Diagnostic[]): void {
  if (problems.length === 0 && diagnosticCount(view.state) === 0) {
    return;
  }
  if (gutter.get(view.state) === NOTHING) {
    view.dispatch({ effects: gutter.reconfigure(lintGutter()) });
  }
  view.dispatch(setDiagnostics(view.state, problems));
}

const NOTHING: [] = [];

/** What was said of a text that has been edited may be wrong by now: it goes until the compiler has spoken again. */
const forgetEdited = EditorState.transactionExtender.of(transaction => {
  const { changes, docChanged, startState } = transaction;
  if (!docChanged || diagnosticCount(startState) === 0) {
    return null;
  }
  const kept: Diagnostic[] = [];
  let isTouched = false;
  forEachDiagnostic(startState, (diagnostic, from, to) => {
    if (changes.touchesRange(from, to)) {
      isTouched = true;
    } else {
      kept.push({ ...diagnostic, from: changes.mapPos(from, 1), to: changes.mapPos(to, -1) });
    }
  });
  return isTouched ? { effects: setDiagnosticsEffect.of(kept) } : null;
});

/** A box at the cursor for those who do not point: it goes with the next movement. */
const setBox = StateEffect.define<Tooltip | null>();

const box = StateField.define<Tooltip | null>({
  create: () => null,
  update: (shown, transaction) => {
    for (const effect of transaction.effects) {
      if (effect.is(setBox)) {
        return effect.value;
      }
    }
    return transaction.docChanged || transaction.selection !== undefined ? null : shown;
  },
  provide: field => showTooltip.from(field)
});

function closeBox(view: EditorView): void {
  if (view.state.field(box, false)) {
    view.dispatch({ effects: setBox.of(null) });
  }
}

/** The box goes when one leaves the editor, unless it is into the box. */
const closeOnLeave = EditorView.domEventHandlers({
  blur: ({ relatedTarget }, view) => {
    if (!(relatedTarget instanceof Element && relatedTarget.closest('.kale-ProblemBox'))) {
      // Not while the editor is told.
      void Promise.resolve().then(() => closeBox(view));
    }
  }
});

/** Puts the cursor on a place and what there is to say about it beside that. */
export function showBox(view: EditorView, from: number, dom: HTMLElement, announcement: string): void {
  dom.classList.add('kale-ProblemBox');
  dom.addEventListener('focusout', ({ relatedTarget }) => {
    if (!(
      relatedTarget instanceof Node &&
      (dom.contains(relatedTarget) || view.dom.contains(relatedTarget))
    )) {
      closeBox(view);
    }
  });
  dom.addEventListener('keydown', event => {
    if (event.key === 'Escape') {
      event.stopPropagation();
      view.focus();
      closeBox(view);
    }
  });
  view.dispatch({
    selection: { anchor: from },
    effects: [
      setBox.of({ pos: from, above: false, create: () => ({ dom }) }),
      EditorView.announce.of(announcement)
    ],
    scrollIntoView: true
  });
}

const EXTENSIONS = [
  forgetEdited,
  box,
  closeOnLeave,
  gutter.of(NOTHING),
  // Cells cut off what they hold.
  tooltips({ parent: document.body })
];
