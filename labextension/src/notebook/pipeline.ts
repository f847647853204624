import type { DocumentRegistry } from '@jupyterlab/docregistry';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { Session } from '@jupyterlab/services';
import type { IStateDB } from '@jupyterlab/statedb';
import type { IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';
import type { ISignal } from '@lumino/signaling';

import { KernelLink } from '../channel/link';
import { messageOf } from '../channel/rpc';
import type {
  Compiled,
  Context,
  Contexts,
  Diagnostic,
  Restored,
  Run,
  Scheduled,
  SweepAnswer
} from '../protocol';
import type { LiveSettings } from '../settings';
import { VERSION } from '../version';
import { Analysis } from './analysis';
import { isEnabled, writeMetadata } from './metadata';
import { isActive, Runs } from './runs';
import { RunSources } from './runSources';
import type { RunSource } from './runSources';
import { Schedules } from './schedules';
import type { ScheduleChoice } from './schedules';
import { Services } from './services';
import { sourceOf } from './source';
import { Sweeps } from './sweeps';
import type { SweepChoice } from './sweeps';

/** What a run is started with. */
export interface RunChoice {
  /** By name, as texts that the declared types read: `{"epochs": "20"}`. */
  parameters?: Record<string, string>;
  from?: string;
  noCache?: boolean;
}

/** Why something was not done: a fault of the surroundings, or errors in the notebook. */
export interface Refusal {
  fault: string | null;
  diagnostics: readonly Diagnostic[];
}

/** This machine. */
const LOCAL: Context = { name: 'local', kind: 'local' };

/** Everything the extension knows of one open notebook: the document's intent, its compilation, and its runs. */
export class NotebookPipeline implements IDisposable {
  constructor(
    readonly panel: NotebookPanel,
    sessions: Session.IManager,
    private state: IStateDB,
    settings: LiveSettings
  ) {
    const model = panel.model!;
    const path = () => panel.context.path;
    this.link = new KernelLink(panel.sessionContext, sessions, VERSION);
    this.analysis = new Analysis(model, this.link, path, () => settings.value.checkWhileTyping);
    this.runs = new Runs(this.link, path);
    this.sweeps = new Sweeps(this.link, path);
    this.schedules = new Schedules(this.link);
    this.services = new Services(this.link);
    this.sources = new RunSources(this.runs, this.analysis, () => this.emit());
    model.metadataChanged.connect(this.onMetadataChanged, this);
    this.link.stateChanged.connect(this.emit, this);
    this.analysis.changed.connect(this.onAnalysed, this);
    this.runs.changed.connect(this.emit, this);
    this.sweeps.changed.connect(this.emit, this);
    this.services.changed.connect(this.emit, this);
    this.runs.finished.connect(() => void this.state.remove(this.stateKey));
    panel.context.pathChanged.connect(this.onPathChanged, this);
    this.stateKey = stateKeyOf(panel.context.path);
    this.link.connected.connect(() => void this.followAgain());
    this.link.connected.connect(() => void this.readContexts().catch(() => undefined));
    panel.context.saveState.connect(this.onSaveState, this);
    this.wasEnabled = isEnabled(model);
    if (this.wasEnabled) {
      this.link.enable();
    }
  }

  readonly link: KernelLink;
  readonly analysis: Analysis;
  readonly runs: Runs;
  readonly sweeps: Sweeps;
  readonly schedules: Schedules;
  readonly services: Services;

  get isDisposed(): boolean {
    return this.disposed;
  }

  /** Anything that is shown may have changed. */
  get changed(): ISignal<this, void> {
    return this.changedSignal;
  }

  get enabled(): boolean {
    return this.wasEnabled;
  }

  set enabled(enabled: boolean) {
    writeMetadata(this.panel.model!, { enabled });
  }

  /** Whether a click on Run has not been answered yet. */
  get isSubmitting(): boolean {
    return this.submitting;
  }

  /** Why the last click on Run or Compile led to nothing. */
  get refusal(): Refusal | null {
    return this.lastRefusal;
  }

  /** What a run is given in place of the notebook's values, as texts by name. Kept while another notebook is in front. */
  get parameters(): Readonly<Record<string, string>> {
    return this.given;
  }

  /** Where runs can be carried out, as far as the kernel has told. */
  get contexts(): readonly Context[] {
    return this.known.contexts;
  }

  /** Where the next run is carried out. */
  get context(): string {
    const { contexts, current } = this.known;
    return contexts.some(each => each.name === this.chosenContext) ? this.chosenContext! : current;
  }

  set context(name: string) {
    this.chosenContext = name;
    this.emit();
  }

  /** Whether the next run is carried out by a cluster. */
  get isOnCluster(): boolean {
    return this.contexts.some(({ name, kind }) => name === this.context && kind !== 'local');
  }

  /** Contexts are added in a terminal, too. */
  async readContexts(): Promise<void> {
    this.known = await this.link.request('context', { action: 'list' });
    this.emit();
  }

  /** An empty text leaves the notebook's value. */
  setParameter(name: string, text: string): void {
    this.given = { ...this.given, [name]: text };
    this.lastRefusal = null;
    this.emit();
  }

  /** Starts a run of the notebook as it is in the editor. Gives `null` where it was refused; see `refusal`. */
  async run(choice: RunChoice = {}): Promise<Run | null> {
    if (this.submitting) {
      // The toolbar and the palette know no disabled button: an impatient second click is the first one's.
      return null;
    }
    this.submitting = true;
    this.lastRefusal = null;
    this.emit();
    const source = sourceOf(this.panel.model!);
    this.refusedText = source.text;
    // Where nothing is checked while people type, what is run is shown as well.
    void this.analysis.compile();
    try {
      const run = await this.link.request('run', {
        notebook: this.panel.context.path,
        text: source.text,
        parameters: { assignments: assignments(choice.parameters ?? this.shownParameters()) },
        from: choice.from ?? null,
        no_cache: choice.noCache ?? false,
        // What comes before a step is taken from runs of this machine.
        on: choice.from === undefined ? this.context : LOCAL.name
      });
      if (run.run_id === null) {
        this.lastRefusal = { fault: null, diagnostics: run.diagnostics };
        return null;
      }
      this.sources.began(run.run_id, source);
      void this.state.save(this.stateKey, run.run_id);
      await this.runs.expectEnd(run.run_id);
      return run;
    } catch (error) {
      this.lastRefusal = { fault: messageOf(error), diagnostics: [] };
      return null;
    } finally {
      this.submitting = false;
      this.emit();
    }
  }

  /** What a sweep of the notebook as it is in the editor would cost. */
  async planSweep(choice: Partial<SweepChoice>): Promise<SweepAnswer> {
    return this.sweeps.plan(this.panel.context.path, sourceOf(this.panel.model!).text, choice);
  }

  async sweep(choice: SweepChoice): Promise<SweepAnswer> {
    return this.sweeps.begin(this.panel.context.path, sourceOf(this.panel.model!).text, choice);
  }

  /** Has a cluster run the notebook as it is in the editor by the clock, with the panel's parameters. */
  async schedule(choice: ScheduleChoice, on: string): Promise<Scheduled> {
    const { text } = sourceOf(this.panel.model!);
    return this.schedules.add(this.panel.context.path, text, assignments(this.shownParameters()), choice, on);
  }

  /** What a run was given, as far as it is known. */
  sourceOfRun(run: string): RunSource | null {
    return this.sources.of(run);
  }

  async stop(run: string): Promise<void> {
    await this.link.request('cancel', { run });
  }

  async resume(run: string): Promise<void> {
    await this.link.request('resume', { run });
    await this.runs.expectEnd(run);
  }

  /** Writes a notebook whose first cell puts the variables back; `output` is its name, beside this one. */
  async restore(run: string, step: string, before: boolean, output: string): Promise<Restored> {
    return this.link.request('restore', { run, step, before, output });
  }

  /** The resource of KServe for a service's bundle, where that is read from `storage`. */
  async manifest(bundle: string, name: string, storage: string): Promise<Compiled> {
    const kserve = { name, storage_uri: storage || null };
    return this.link.request('compile', { notebook: bundle, target: 'kserve', kserve });
  }

  /** The pipeline for another system, as text. */
  async compile(target: string): Promise<string | null> {
    this.lastRefusal = null;
    const { text } = sourceOf(this.panel.model!);
    this.refusedText = text;
    const compiled = await this.link.request('compile', {
      notebook: this.panel.context.path,
      text,
      target
    });
    if (compiled.emitted === null) {
      this.lastRefusal = { fault: null, diagnostics: compiled.diagnostics };
    }
    this.emit();
    return compiled.emitted;
  }

  dispose(): void {
    if (this.disposed) {
      return;
    }
    this.disposed = true;
    this.analysis.dispose();
    this.runs.dispose();
    this.sweeps.dispose();
    this.services.dispose();
    this.link.dispose();
    Signal.clearData(this);
  }

  /** What the fields hold of the parameters that there are: one that was renamed has no field any more. */
  private shownParameters(): Record<string, string> {
    const names = this.analysis.outline?.parameters.map(parameter => parameter.name) ?? [];
    return Object.fromEntries(
      Object.entries(this.given).filter(([name, text]) => text !== '' && names.includes(name))
    );
  }

  /** What was refused is not what is there any more: whether it would be refused again, nobody knows. */
  private onAnalysed(): void {
    const { compilation, isStale } = this.analysis;
    if (!isStale && compilation !== null && compilation.source.text !== this.refusedText) {
      this.lastRefusal = null;
    }
    this.emit();
  }

  /** A run that goes on belongs to the notebook, wherever that is moved. */
  private onPathChanged(_: unknown, path: string): void {
    const before = this.stateKey;
    this.stateKey = stateKeyOf(path);
    void this.state.fetch(before).then(async run => {
      await this.state.remove(before);
      if (run !== undefined) {
        await this.state.save(this.stateKey, run);
      }
    });
  }

  private onMetadataChanged(): void {
    const enabled = isEnabled(this.panel.model!);
    if (enabled !== this.wasEnabled) {
      this.wasEnabled = enabled;
      if (enabled) {
        this.link.enable();
      } else {
        this.link.disable();
      }
    }
    this.emit();
  }

  private onSaveState(_: unknown, state: DocumentRegistry.SaveState): void {
    if (state === 'completed') {
      void this.analysis.compile();
    }
  }

  /**
   * After the page was loaded again, a run that went on meanwhile is shown again. The page's state knows the one this
   * page has started, also when it is over by now; JupyterLab keeps that only some time after it was told, so the
   * notebook's own list is asked as well, which also knows what other windows and terminals have started.
   */
  private async followAgain(): Promise<void> {
    const run = (await this.state.fetch(this.stateKey)) ?? (await this.runGoingOn());
    if (typeof run !== 'string' || this.runs.currentRunId !== null || this.disposed) {
      return;
    }
    try {
      await this.runs.follow(run);
    } catch {
      this.runs.clear();
      await this.state.remove(this.stateKey);
    }
  }

  private async runGoingOn(): Promise<string | null> {
    await this.runs.refresh().catch(() => undefined);
    return this.runs.list.find(isActive)?.run_id ?? null;
  }

  private emit(): void {
    this.changedSignal.emit();
  }

  /** Where the page's state keeps the run that goes on. */
  private stateKey: string;
  private wasEnabled: boolean;
  private submitting = false;
  private sources: RunSources;
  private lastRefusal: Refusal | null = null;
  /** The notebook that Run or Compile was last clicked for. */
  private refusedText: string | null = null;
  private known: Contexts = { contexts: [LOCAL], current: LOCAL.name };
  private chosenContext: string | null = null;
  private given: Readonly<Record<string, string>> = {};
  private disposed = false;
  private changedSignal = new Signal<this, void>(this);
}

function assignments(parameters: Record<string, string>): string[] {
  return Object.entries(parameters).map(([name, value]) => `${name}=${value}`);
}

function stateKeyOf(path: string): string {
  return `kale-rs:run:${path}`;
}
