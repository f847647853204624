import { Signal } from '@lumino/signaling';
import type { ISignal } from '@lumino/signaling';

import type { KernelLink } from '../channel/link';
import { isFinished } from '../protocol';
import type { Notification, Run, RunDetail, Step, StepPage } from '../protocol';
import { KernelListener } from './kernelListener';

/** Runs in the list of the panel. */
const LISTED = 20;

/** Whether a run goes on. */
export function isActive(run: Run | null): boolean {
  return run !== null && !isFinished(run.status);
}

/** The steps whose results are there. */
export function stepsDone(run: Run): number {
  return run.steps.filter(step => step.status === 'succeeded' || step.status === 'cached').length;
}

/** What a step did last, for its cells. */
export interface StepState {
  run: RunDetail;
  step: Step;
  index: number;
}

/** A step whose output is wanted, from a byte on. */
export interface LogWish {
  step: string;
  from: number;
}

export interface Log {
  run: string;
  step: string;
  offset: number;
  text: string;
}

/**
 * The runs of one notebook: those in its store, and one that is followed live. Following survives a lost connection:
 * the kernel is told the last event that was seen.
 */
export class Runs extends KernelListener {
  constructor(
    link: KernelLink,
    /** Where the notebook lies, as the Jupyter server calls it. */
    private path: () => string
  ) {
    super(link);
  }

  /** The list, or a run in it, has changed. */
  get changed(): ISignal<this, string | null> {
    return this.changedSignal;
  }

  get logged(): ISignal<this, Log> {
    return this.loggedSignal;
  }

  /** A followed run has come to its end. */
  get finished(): ISignal<this, RunDetail> {
    return this.finishedSignal;
  }

  /** Newest first. */
  get list(): readonly Run[] {
    return this.runs;
  }

  /** The run that the cells show. */
  get current(): RunDetail | null {
    return this.currentId === null ? null : (this.details.get(this.currentId) ?? null);
  }

  get currentRunId(): string | null {
    return this.currentId;
  }

  detail(run: string): RunDetail | null {
    return this.details.get(run) ?? null;
  }

  /** The state of each step in the current run, by name. */
  get steps(): ReadonlyMap<string, StepState> {
    const run = this.current;
    return new Map(run?.steps.map((step, index) => [step.name, { run, step, index }]) ?? []);
  }

  /** Follows a run that goes on: its end will be told, also when it is over before the first message. */
  async expectEnd(run: string): Promise<void> {
    this.awaited.add(run);
    await this.follow(run);
    // So that it is in the list before its end.
    void this.refresh().catch(() => undefined);
  }

  /** Shows a run on the cells, and follows it to its end. */
  async follow(run: string): Promise<void> {
    this.currentId = run;
    await this.watch(run, this.watched.get(run) ?? null);
  }

  /** A run as it is now, without following it. */
  async summary(run: string): Promise<Run> {
    return this.link.request('show', { run });
  }

  /** One step of a run, with all that it made. */
  async step(run: string, step: string): Promise<StepPage> {
    // With a step, `show` answers something else.
    const page: unknown = await this.link.request('show', { run, step });
    return page as StepPage;
  }

  /** Follows a run for a view of its own, and with it the output of a step. */
  async watch(run: string, log: LogWish | null = null): Promise<void> {
    this.watched.set(run, log);
    const after = log === null ? (this.details.get(run)?.sequence ?? 0) : 0;
    this.changedSignal.emit(run);
    const wish = { log: log?.step ?? null, log_from: log?.from ?? 0 };
    await this.link.request('watch', { run, after, ...wish });
  }

  /** Nobody looks at the output of a step any more. */
  async forgetLog(run: string, step: string): Promise<void> {
    if (this.watched.get(run)?.step === step) {
      await this.watch(run);
    }
  }

  /** Whether a run of a cluster is out of the way there, as far as this page has been told. */
  isArchived(run: string): boolean {
    return this.archived.has(run);
  }

  /** Puts a run of a cluster out of the way there, or back. */
  async archive(run: string, archived: boolean): Promise<void> {
    const answer = await this.link.request(archived ? 'archive' : 'unarchive', { run });
    if (answer.archived) {
      this.archived.add(run);
    } else {
      this.archived.delete(run);
    }
    this.changedSignal.emit(run);
  }

  /** Stops showing a run on the cells; the run itself goes on. */
  clear(): void {
    this.currentId = null;
    this.changedSignal.emit(null);
  }

  async refresh(): Promise<void> {
    const { runs } = await this.link.request('runs', { limit: LISTED, notebook: this.path() });
    this.runs = runs;
    this.changedSignal.emit(null);
  }

  protected onConnected(): void {
    void this.refresh().catch(() => undefined);
    for (const [run, log] of this.watched) {
      void this.watch(run, log).catch(() => undefined);
    }
  }

  protected onNotified(_: KernelLink, notification: Notification): void {
    if (notification.method === 'log') {
      const { run_id: run, step, offset, text } = notification.params;
      this.loggedSignal.emit({ run, step, offset, text });
      return;
    }
    if (notification.method !== 'run') {
      return;
    }
    const { run_id: run, detail } = notification.params;
    const before = this.details.get(run);
    if (before !== undefined && before.sequence > detail.sequence) {
      return;
    }
    if (!isFinished(detail.status)) {
      this.awaited.add(run);
    }
    this.details.set(run, detail);
    this.changedSignal.emit(run);
    if (isFinished(detail.status)) {
      this.watched.delete(run);
      void this.refresh().catch(() => undefined);
      if (this.awaited.delete(run)) {
        this.finishedSignal.emit(detail);
      }
    }
  }

  private runs: Run[] = [];
  private details = new Map<string, RunDetail>();
  /** Followed runs, and what is wanted of their output. */
  private watched = new Map<string, LogWish | null>();
  /** Runs whose end has still to be told. */
  private awaited = new Set<string>();
  private archived = new Set<string>();
  private currentId: string | null = null;
  private changedSignal = new Signal<this, string | null>(this);
  private loggedSignal = new Signal<this, Log>(this);
  private finishedSignal = new Signal<this, RunDetail>(this);
}
