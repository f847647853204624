import type { ISessionContext } from '@jupyterlab/apputils';
import type { Kernel, Session } from '@jupyterlab/services';
import type { IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';
import type { ISignal } from '@lumino/signaling';

import { PROTOCOL } from '../protocol';
import type { Answers, Hello, Notification } from '../protocol';
import { CommTransport, PackageMissing, supportsSubshells } from './comm';
import { startCompanion, stopCompanion } from './companion';
import { ConnectionLost, messageOf, RpcClient } from './rpc';

/** What stands between the panel and the compiler in the notebook's kernel. */
export type LinkState =
  | { kind: 'off' }
  | { kind: 'no-kernel' }
  | { kind: 'not-python'; language: string }
  | { kind: 'starting' }
  | { kind: 'connecting'; companion: boolean }
  | { kind: 'missing'; kernel: string; detail: string }
  | { kind: 'mismatch'; panel: string; kernel: string }
  | { kind: 'ready'; companion: boolean }
  | { kind: 'silent' }
  | { kind: 'restarting' }
  | { kind: 'dead' }
  | { kind: 'disconnected' }
  | { kind: 'failed'; detail: string };

/** Pauses before a connection is tried again, in milliseconds; after the last one the user is asked. */
const RETRY_MS = [300, 600, 1200, 2400, 4800];
/** So long may a kernel that has just come up take to answer, in milliseconds. */
const ANSWER_MS = 8000;
const COMPANION_MS = 60_000;

/**
 * Keeps a connection to `kale_rs` in the kernel of one notebook, as long as it is wanted: it comes back after a
 * restart, another choice of kernel, and a lost network.
 */
export class KernelLink implements IDisposable {
  constructor(
    private context: ISessionContext,
    private sessions: Session.IManager,
    /** The version of this panel. */
    private version: string
  ) {
    context.kernelChanged.connect(this.onKernelChanged, this);
    context.statusChanged.connect(this.onStatus, this);
    context.iopubMessage.connect(this.onMessage, this);
    context.connectionStatusChanged.connect(this.onConnectionStatus, this);
    context.propertyChanged.connect(this.onProperty, this);
    void context.ready.then(() => {
      this.hasBegun = true;
      if (this.currentState.kind === 'starting' && this.attempt === null) {
        this.settle();
      }
    });
  }

  get isDisposed(): boolean {
    return this.disposed;
  }

  get state(): LinkState {
    return this.currentState;
  }

  get hello(): Hello | null {
    return this.currentHello;
  }

  get stateChanged(): ISignal<this, LinkState> {
    return this.stateSignal;
  }

  /** Emitted whenever a new connection is there: whoever follows something has to ask again. */
  get connected(): ISignal<this, Hello> {
    return this.connectedSignal;
  }

  get notified(): ISignal<this, Notification> {
    return this.notificationSignal;
  }

  /** From now on a connection is wanted. */
  enable(): void {
    if (!this.wanted) {
      this.wanted = true;
      this.settle();
    }
  }

  disable(): void {
    this.wanted = false;
    this.drop();
    this.dropCompanion();
    this.setState({ kind: 'off' });
  }

  /** Tries again after a failure, for example when the package has been installed meanwhile. */
  retry(): void {
    this.failures = 0;
    this.drop();
    this.settle();
  }

  /** Whether requests reach the kernel; one that is silent answers them later. */
  get isReady(): boolean {
    return this.currentState.kind === 'ready' || this.currentState.kind === 'silent';
  }

  async request<M extends keyof Answers>(method: M, params: object = {}): Promise<Answers[M]> {
    if (this.client === null) {
      throw new ConnectionLost();
    }
    return this.client.request(method, params);
  }

  dispose(): void {
    if (this.disposed) {
      return;
    }
    this.disposed = true;
    this.wanted = false;
    this.drop();
    this.dropCompanion();
    Signal.clearData(this);
  }

  private get kernel(): Kernel.IKernelConnection | null {
    return this.context.session?.kernel ?? null;
  }

  private onKernelChanged(): void {
    this.drop();
    this.dropCompanion();
    this.settle();
  }

  private onStatus(_: ISessionContext, status: Kernel.Status): void {
    if (!this.wanted) {
      return;
    }
    if (status === 'restarting' || status === 'autorestarting') {
      this.drop();
      this.setState({ kind: 'restarting' });
    } else if (status === 'dead') {
      this.drop();
      this.setState({ kind: 'dead' });
    } else if (this.isAwaitingKernel && (status === 'idle' || status === 'busy')) {
      this.settle();
    }
  }

  /**
   * A kernel that comes back after its death need not become idle for JupyterLab, which takes no status from answers to
   * its own first questions. Whatever the kernel says shows that it is there.
   */
  private onMessage(): void {
    const status = this.kernel?.status;
    if (this.wanted && this.isAwaitingKernel && (status === 'unknown' || status === 'starting')) {
      this.settle();
    }
  }

  /** Whether there is no connection because there was no kernel to connect to. */
  private get isAwaitingKernel(): boolean {
    const kind = this.currentState.kind;
    return this.attempt === null && (kind === 'restarting' || kind === 'dead' || kind === 'starting');
  }

  private onConnectionStatus(_: ISessionContext, status: Kernel.ConnectionStatus): void {
    if (!this.wanted) {
      return;
    }
    if (status === 'connected') {
      if (this.currentState.kind === 'disconnected') {
        this.drop();
        this.settle();
      }
    } else if (this.isReady) {
      this.setState({ kind: 'disconnected' });
    }
  }

  /** Brings the connection about, or says why there is none. */
  private settle(): void {
    if (!this.wanted || this.disposed) {
      return;
    }
    const kernel = this.kernel;
    if (kernel === null) {
      this.setState(this.hasBegun ? { kind: 'no-kernel' } : { kind: 'starting' });
      return;
    }
    if (kernel.status === 'dead') {
      this.setState({ kind: 'dead' });
      return;
    }
    void this.connect(kernel);
  }

  private async connect(kernel: Kernel.IKernelConnection): Promise<void> {
    const attempt = {};
    this.attempt = attempt;
    const isStale = () => this.attempt !== attempt || this.disposed;
    this.setState({ kind: 'starting' });
    try {
      const language = (await kernel.info).language_info.name;
      if (isStale()) {
        return;
      }
      if (language !== 'python') {
        this.setState({ kind: 'not-python', language });
        return;
      }
      const patience = supportsSubshells(kernel) ? ANSWER_MS : COMPANION_MS;
      const client = await within(patience, this.open(kernel), client => client.dispose());
      if (isStale()) {
        client.dispose();
        return;
      }
      this.adopt(client);
      const hello = await within(ANSWER_MS, this.greet(client));
      if (isStale()) {
        return;
      }
      this.currentHello = hello;
      if (hello.protocol !== PROTOCOL) {
        this.drop();
        this.setState({ kind: 'mismatch', panel: this.version, kernel: hello.version });
        return;
      }
      this.failures = 0;
      this.setState({ kind: 'ready', companion: this.companion !== null });
      this.connectedSignal.emit(hello);
    } catch (error) {
      if (!isStale()) {
        this.drop();
        this.dropCompanion();
        this.tryAgainLater(error);
      }
    } finally {
      if (this.attempt === attempt) {
        this.attempt = null;
      }
    }
  }

  /** A kernel that comes back after its death loses what it was asked too early. */
  private tryAgainLater(error: unknown): void {
    const delay = RETRY_MS[this.failures];
    if (error instanceof PackageMissing || delay === undefined) {
      this.setState(this.explain(error));
      return;
    }
    this.failures += 1;
    window.setTimeout(() => {
      if (this.client === null && this.attempt === null) {
        this.settle();
      }
    }, delay);
  }

  private greet(client: RpcClient): Promise<Hello> {
    return client.request('hello', { version: this.version, path: this.context.path });
  }

  /** A notebook that has been moved keeps its kernel, but has its runs beside it from now on. */
  private async onProperty(_: ISessionContext, property: string): Promise<void> {
    const client = this.client;
    if (property !== 'path' || client === null || !this.isReady) {
      return;
    }
    const hello = await this.greet(client).catch(() => null);
    if (hello !== null && this.client === client) {
      this.currentHello = hello;
      this.connectedSignal.emit(hello);
    }
  }

  private async open(kernel: Kernel.IKernelConnection): Promise<RpcClient> {
    if (supportsSubshells(kernel)) {
      this.setState({ kind: 'connecting', companion: false });
      return new RpcClient(await CommTransport.open(kernel));
    }
    this.setState({ kind: 'connecting', companion: true });
    this.companion ??= startCompanion(this.sessions, this.context.path, kernel.name);
    const companion = await this.companion;
    if (companion.kernel === null) {
      throw new Error('the companion kernel did not start');
    }
    return new RpcClient(await CommTransport.open(companion.kernel));
  }

  private adopt(client: RpcClient): void {
    this.client = client;
    client.closed.connect(() => {
      if (this.client === client && this.isReady) {
        this.drop();
        this.setState({ kind: 'failed', detail: 'kale_rs has closed the connection' });
      }
    });
    client.notified.connect((_, notification) => this.notificationSignal.emit(notification));
    client.silentChanged.connect((_, silent) => {
      if (this.currentHello !== null) {
        this.setState(silent ? { kind: 'silent' } : { kind: 'ready', companion: this.companion !== null });
      }
    });
  }

  private explain(error: unknown): LinkState {
    const detail = messageOf(error);
    if (error instanceof PackageMissing) {
      return { kind: 'missing', kernel: this.context.kernelDisplayName, detail };
    }
    return { kind: 'failed', detail };
  }

  private drop(): void {
    this.attempt = null;
    this.currentHello = null;
    this.client?.dispose();
    this.client = null;
  }

  private dropCompanion(): void {
    void this.companion?.then(stopCompanion).catch(() => undefined);
    this.companion = null;
  }

  private setState(state: LinkState): void {
    if (JSON.stringify(state) !== JSON.stringify(this.currentState)) {
      this.currentState = state;
      this.stateSignal.emit(state);
    }
  }

  private client: RpcClient | null = null;
  /** Also while it is starting: it is stopped when nobody wants it any more. */
  private companion: Promise<Session.ISessionConnection> | null = null;
  private attempt: object | null = null;
  /** Whether the notebook's session has had the time to find its kernel. */
  private hasBegun = false;
  /** Attempts that have failed one after another. */
  private failures = 0;
  private wanted = false;
  private disposed = false;
  private currentState: LinkState = { kind: 'off' };
  private currentHello: Hello | null = null;
  private stateSignal = new Signal<this, LinkState>(this);
  private connectedSignal = new Signal<this, Hello>(this);
  private notificationSignal = new Signal<this, Notification>(this);
}

/** An answer, or an error when it takes too long; what comes too late is let go. */
function within<T>(
  milliseconds: number,
  answer: Promise<T>,
  letGo: (late: T) => void = () => undefined
): Promise<T> {
  return new Promise((resolve, reject) => {
    let isLate = false;
    const timer = window.setTimeout(() => {
      isLate = true;
      reject(new ConnectionLost());
    }, milliseconds);
    answer
      .then(found => (isLate ? letGo(found) : resolve(found)), reject)
      .finally(() => window.clearTimeout(timer));
  });
}
