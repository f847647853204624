import type { INotebookModel } from '@jupyterlab/notebook';
import type { IDisposable } from '@lumino/disposable';
import { Debouncer } from '@lumino/polling';
import { Signal } from '@lumino/signaling';
import type { ISignal } from '@lumino/signaling';

import type { KernelLink } from '../channel/link';
import { ConnectionLost, messageOf } from '../channel/rpc';
import type { Diagnostic, Graph, GraphEdge, GraphStep } from '../protocol';
import { sourceOf } from './source';
import type { Source } from './source';

/** Pause in typing after which the notebook is compiled. */
const DEBOUNCE_MS = 250;

/** What is known of one cell: the step it is part of, and what that step is given. */
export interface CellStep {
  step: GraphStep;
  /** Index of the step, which decides its colour. */
  index: number;
  incoming: GraphEdge[];
}

/** What one step gives another: variables, and files and the like. */
export function flowsOf({ variables, resources }: GraphEdge): string[] {
  return [...variables, ...resources];
}

/** The compiler's answer about one state of the document. */
export interface Compilation {
  graph: Graph;
  source: Source;
}

/**
 * Keeps a compilation of the notebook as new as it can be: one request at a time, and an answer about a text that is
 * not the document's any more is shown until the next one is there.
 */
export class Analysis implements IDisposable {
  constructor(
    private model: INotebookModel,
    private link: KernelLink,
    /** Where the notebook lies, as the Jupyter server calls it. */
    private path: () => string,
    private isEager: () => boolean
  ) {
    this.debouncer = new Debouncer(() => this.afterPause(), DEBOUNCE_MS);
    model.contentChanged.connect(this.onContentChanged, this);
    model.metadataChanged.connect(this.onContentChanged, this);
    link.connected.connect(this.onConnected, this);
  }

  get isDisposed(): boolean {
    return this.disposed;
  }

  get changed(): ISignal<this, void> {
    return this.changedSignal;
  }

  get compilation(): Compilation | null {
    return this.current;
  }

  /** What is shown of steps and parameters: of the last compilation that had steps, while errors leave none. */
  get outline(): Graph | null {
    return this.outlined?.graph ?? null;
  }

  /** Whether what is shown of steps is older than the diagnostics. */
  get isOutlineOld(): boolean {
    return this.outlined !== this.current;
  }

  /** What the newest compilation has to say. */
  get verdict(): readonly Diagnostic[] {
    return this.current?.graph.diagnostics ?? [];
  }

  /** Whether the document has changed since the compilation was asked for. */
  get isStale(): boolean {
    return this.stale;
  }

  /** A refusal to compile at all, such as a path that cannot be read. */
  get fault(): string | null {
    return this.currentFault;
  }

  /** Steps by cell id. */
  get cells(): ReadonlyMap<string, CellStep> {
    return this.cellSteps;
  }

  /** Diagnostics by cell id; those of the notebook as a whole under the empty id. */
  get diagnostics(): ReadonlyMap<string, Diagnostic[]> {
    return this.cellDiagnostics;
  }

  /** The id that a cell had when it was compiled. */
  cellId(index: number): string | null {
    return this.current?.source.ids[index] ?? null;
  }

  /** The id of the cell where a step that is shown begins. */
  stepCell({ cells }: { cells: readonly number[] }): string | null {
    return this.stepCells({ cells })[0] ?? null;
  }

  stepCells({ cells }: { cells: readonly number[] }): string[] {
    return cells.flatMap(index => this.outlined?.source.ids[index] ?? []);
  }

  /** What a cell held when it was compiled. */
  compiledText(id: string): string | undefined {
    return this.texts.get(id);
  }

  /** Compiles now; does nothing while nobody listens at the other end. */
  async compile(): Promise<void> {
    if (this.disposed || this.link.state.kind === 'off') {
      return;
    }
    if (this.running) {
      this.again = true;
      return;
    }
    const source = sourceOf(this.model);
    if (source.text === this.asked) {
      // It has been undone, or was no change of the text.
      this.setStale(false);
      return;
    }
    this.running = true;
    try {
      const graph = await this.link.request('graph', {
        notebook: this.path(),
        text: source.text,
        layout: true
      });
      this.asked = source.text;
      this.currentFault = null;
      this.adopt({ graph, source });
    } catch (error) {
      this.asked = null;
      if (!(error instanceof ConnectionLost)) {
        this.currentFault = messageOf(error);
        this.changedSignal.emit();
      }
    } finally {
      this.running = false;
      if (this.again) {
        this.again = false;
        void this.compile();
      }
    }
  }

  dispose(): void {
    if (this.disposed) {
      return;
    }
    this.disposed = true;
    this.model.contentChanged.disconnect(this.onContentChanged, this);
    this.model.metadataChanged.disconnect(this.onContentChanged, this);
    this.link.connected.disconnect(this.onConnected, this);
    this.debouncer.dispose();
    Signal.clearData(this);
  }

  private onContentChanged(): void {
    this.setStale(true);
    // Whoever types on breaks off what was to be done before.
    void this.debouncer.invoke().catch(() => undefined);
  }

  private async afterPause(): Promise<void> {
    if (this.isEager()) {
      await this.compile();
    } else {
      this.setStale(sourceOf(this.model).text !== this.asked);
    }
  }

  private setStale(stale: boolean): void {
    if (stale !== this.stale) {
      this.stale = stale;
      this.changedSignal.emit();
    }
  }

  private onConnected(): void {
    this.asked = null;
    void this.compile();
  }

  private adopt(compilation: Compilation): void {
    if (this.disposed) {
      return;
    }
    this.current = compilation;
    this.stale = sourceOf(this.model).text !== compilation.source.text;
    const { ids, sources } = compilation.source;
    this.texts = new Map(ids.map((id, index) => [id, sources[index]]));
    if (this.outlined === null || !isUnfinished(compilation.graph)) {
      this.outlined = compilation;
      this.cellSteps = stepsByCell(compilation);
    }
    this.cellDiagnostics = diagnosticsByCell(compilation);
    this.changedSignal.emit();
  }

  private debouncer: Debouncer;
  private current: Compilation | null = null;
  private outlined: Compilation | null = null;
  private texts = new Map<string, string>();
  private cellSteps = new Map<string, CellStep>();
  private cellDiagnostics = new Map<string, Diagnostic[]>();
  private currentFault: string | null = null;
  /** The text that the current compilation is of. */
  private asked: string | null = null;
  private running = false;
  private again = false;
  private stale = false;
  private disposed = false;
  private changedSignal = new Signal<this, void>(this);
}

/**
 * Whether errors leave no steps, as with a line that is half typed. Cells and panel go on showing the steps of before:
 * otherwise every badge would go, and with it the place of the cell that is being typed in.
 */
function isUnfinished({ steps, diagnostics }: Graph): boolean {
  return steps.length === 0 && diagnostics.some(each => each.severity === 'error');
}

function stepsByCell({ graph, source }: Compilation): Map<string, CellStep> {
  const found = new Map<string, CellStep>();
  graph.steps.forEach((step, index) => {
    const incoming = graph.edges.filter(edge => edge.to === step.name);
    for (const cell of step.cells) {
      found.set(source.ids[cell], { step, index, incoming });
    }
  });
  return found;
}

function diagnosticsByCell({ graph, source }: Compilation): Map<string, Diagnostic[]> {
  const found = new Map<string, Diagnostic[]>();
  for (const diagnostic of graph.diagnostics) {
    const id = diagnostic.cell === null ? '' : (source.ids[diagnostic.cell] ?? '');
    found.set(id, [...(found.get(id) ?? []), diagnostic]);
  }
  return found;
}
