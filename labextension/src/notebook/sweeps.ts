import { Signal } from '@lumino/signaling';
import type { ISignal } from '@lumino/signaling';

import type { KernelLink } from '../channel/link';
import { isFinished } from '../protocol';
import type { Notification, Sweep, SweepAnswer } from '../protocol';
import { KernelListener } from './kernelListener';

/** What a sweep is begun with, as `kale-rs sweep` takes it. */
export interface SweepChoice {
  /** `NAME=RANGE` each. */
  vary: string[];
  /** Values of parameters that are not varied: `NAME=VALUE` each. */
  fixed: string[];
  objectives: string[];
  direction: 'minimize' | 'maximize';
  algorithm: string;
  settings: string[];
  trials: number | null;
  parallel: number | null;
  seed: number | null;
}

/** Sweeps in the list of the panel. */
const LISTED = 20;

/** The sweeps of one notebook, and those that are followed live. */
export class Sweeps extends KernelListener {
  constructor(
    link: KernelLink,
    /** Where the notebook lies, as the Jupyter server calls it. */
    private path: () => string
  ) {
    super(link);
  }

  /** The list, or a sweep in it, has changed. */
  get changed(): ISignal<this, string | null> {
    return this.changedSignal;
  }

  /** Newest first. */
  get list(): readonly Sweep[] {
    return this.sweeps.map(sweep => this.details.get(sweep.sweep_id) ?? sweep);
  }

  detail(sweep: string): Sweep | null {
    return this.details.get(sweep) ?? null;
  }

  /** What it would cost, and whether it can be begun. */
  async plan(notebook: string, text: string, choice: Partial<SweepChoice>): Promise<SweepAnswer> {
    return this.ask(notebook, text, choice, true);
  }

  /** Gives `null` where the notebook cannot be run. */
  async begin(notebook: string, text: string, choice: SweepChoice): Promise<SweepAnswer> {
    const answer = await this.ask(notebook, text, choice, false);
    if (answer.sweep_id !== undefined) {
      await this.watch(answer.sweep_id);
      void this.refresh().catch(() => undefined);
    }
    return answer;
  }

  async watch(sweep: string): Promise<void> {
    this.watched.add(sweep);
    await this.link.request('watch_sweep', { sweep });
  }

  /** `stop`, `resume` or `extend`. */
  async change(action: string, sweep: string, more: Record<string, unknown> = {}): Promise<void> {
    await this.link.request('sweeps', { action, sweep, ...more });
    await this.watch(sweep);
  }

  /** What goes on is followed, whoever has begun it. */
  async refresh(): Promise<void> {
    const wish = { action: 'list', notebook: this.path(), limit: LISTED };
    const { sweeps } = await this.link.request('sweeps', wish);
    this.sweeps = sweeps;
    this.changedSignal.emit(null);
    for (const { sweep_id: id, status } of sweeps) {
      if (!isFinished(status) && !this.watched.has(id)) {
        void this.watch(id).catch(() => undefined);
      }
    }
  }

  private async ask(
    notebook: string,
    text: string,
    choice: Partial<SweepChoice>,
    plan: boolean
  ): Promise<SweepAnswer> {
    const { fixed = [], ...rest } = choice;
    return this.link.request('sweep', { notebook, text, ...rest, parameters: { assignments: fixed }, plan });
  }

  protected onConnected(): void {
    for (const sweep of this.watched) {
      void this.watch(sweep).catch(() => undefined);
    }
    void this.refresh().catch(() => undefined);
  }

  protected onNotified(_: KernelLink, notification: Notification): void {
    if (notification.method !== 'sweep') {
      return;
    }
    const { sweep_id: id, sweep } = notification.params;
    this.details.set(id, sweep);
    if (isFinished(sweep.status)) {
      this.watched.delete(id);
    }
    this.changedSignal.emit(id);
  }

  private sweeps: Sweep[] = [];
  private details = new Map<string, Sweep>();
  private watched = new Set<string>();
  private changedSignal = new Signal<this, string | null>(this);
}
