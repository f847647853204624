import { Signal } from '@lumino/signaling';
import type { ISignal } from '@lumino/signaling';

import type { KernelLink } from '../channel/link';
import type { Notification, Predicted, Served, Service, ServicePage, Variable } from '../protocol';
import { KernelListener } from './kernelListener';

/** What is served, as `kale-rs serve` takes it; functions, assets and example are names of the run's variables. */
export interface ServeChoice {
  /** `RUN:STEP:VARIABLE`. */
  model: string;
  name: string | null;
  preprocess: string | null;
  postprocess: string | null;
  assets: string[];
  example: string | null;
  method: string | null;
  /** It ends with the kernel. */
  tied: boolean;
}

/** Seconds of the past that is kept of each service's traffic. */
export const PAST = 60;

/** How many requests a service had been asked at a time, in milliseconds since the epoch. */
export interface Sample {
  at: number;
  total: number;
}

export interface ServiceLines {
  name: string;
  text: string;
  /** It takes the place of what was told before. */
  first: boolean;
}

/** The services of the notebook's store, whoever has started them: those that run, as they go. */
export class Services extends KernelListener {
  get changed(): ISignal<this, void> {
    return this.changedSignal;
  }

  get logged(): ISignal<this, ServiceLines> {
    return this.loggedSignal;
  }

  /** By name; `null` until the kernel has told. */
  get list(): readonly Service[] | null {
    return this.running;
  }

  find(name: string): Service | null {
    return this.running?.find(service => service.name === name) ?? null;
  }

  /** The traffic of the last minute. */
  samples(service: Service): readonly Sample[] {
    return this.traffic.get(service.pid) ?? [];
  }

  /** Returns when it is ready. */
  async serve(choice: ServeChoice): Promise<Served> {
    return this.link.request('serve', { ...choice });
  }

  /** One that has ended, as it was: with its token, too. */
  async serveAgain({ bundle, name, settings }: Service): Promise<Served> {
    return this.link.request('serve', { ...settings, bundle, name, tied: true });
  }

  async page(name: string): Promise<ServicePage> {
    // With `show` it is something else.
    const page: unknown = await this.link.request('services', { action: 'show', name });
    return page as ServicePage;
  }

  /** Returns when it has ended: what is under way is answered first. */
  async stop({ name, pid }: Service): Promise<void> {
    await this.link.request('services', { action: 'stop', name, pid });
  }

  async predict(name: string, data: unknown): Promise<Predicted> {
    return this.link.request('predict', { name, data });
  }

  /** The kernel takes the rows of its variable, such as `0:3`, and sends them. */
  async predictRows(name: string, variable: string, rows: string): Promise<Predicted> {
    return this.link.request('predict', { name, variable, rows });
  }

  /** Those of the kernel that have rows. */
  async variables(): Promise<Variable[]> {
    return (await this.link.request('variables')).variables;
  }

  /** From now on its lines are told, the last ones first. */
  async watchLog(name: string): Promise<void> {
    await this.link.request('watch_service_log', { name });
  }

  async forgetLog(name: string): Promise<void> {
    await this.link.request('unwatch_service_log', { name });
  }

  protected onConnected(): void {
    void this.link.request('watch_services').catch(() => undefined);
  }

  protected onNotified(_: KernelLink, notification: Notification): void {
    if (notification.method === 'service_log') {
      this.loggedSignal.emit(notification.params);
    } else if (notification.method === 'services') {
      this.running = notification.params.services;
      this.traffic = new Map(this.running.map(service => [service.pid, this.sampled(service)]));
      this.changedSignal.emit();
    }
  }

  private sampled(service: Service): readonly Sample[] {
    const at = Date.now();
    const before = this.samples(service);
    // One more than is drawn: what came since is counted from it.
    const begun = before.filter(sample => sample.at <= at - PAST * 1000).length;
    const kept = before.slice(Math.max(begun - 1, 0));
    return service.requests === undefined ? kept : [...kept, { at, total: service.requests.total }];
  }

  private running: readonly Service[] | null = null;
  private traffic = new Map<number, readonly Sample[]>();
  private changedSignal = new Signal<this, void>(this);
  private loggedSignal = new Signal<this, ServiceLines>(this);
}

/** Requests in each second of the last minute, the newest last. */
export function perSecond(samples: readonly Sample[], now: number): number[] {
  const counts = new Array<number>(PAST).fill(0);
  for (let index = 1; index < samples.length; index += 1) {
    const { at, total } = samples[index];
    const second = PAST - 1 - Math.floor((now - at) / 1000);
    if (second >= 0 && second < PAST) {
      counts[second] += Math.max(0, total - samples[index - 1].total);
    }
  }
  return counts;
}
