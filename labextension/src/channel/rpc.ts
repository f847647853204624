import type { JSONObject } from '@lumino/coreutils';
import type { IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';
import type { ISignal } from '@lumino/signaling';

import type { Answers, Notification } from '../protocol';
import type { ITransport } from './transport';

/** So long may an answer take before the kernel is asked whether it is there. */
const PATIENCE_MS = 1500;
/** A kernel that runs Python code, however busily, answers a ping within 100 ms. */
const PING_MS = 500;

/** An error that the kernel answers: a wrong request, or a fault of a file or store. `help` says what to do. */
export class VerbError extends Error {
  constructor(
    message: string,
    readonly kind: string,
    readonly help: string
  ) {
    super(message);
    this.name = 'VerbError';
  }
}

/** The connection went away before the answer came. */
export class ConnectionLost extends Error {
  constructor() {
    super('the connection to the kernel was lost');
    this.name = 'ConnectionLost';
  }
}

/** What a person is told of an error: what happened, and what to do. */
export function messageOf(error: unknown): string {
  if (error instanceof VerbError) {
    return error.help === '' ? error.message : `${error.message}: ${error.help}`;
  }
  return error instanceof Error ? error.message : String(error);
}

interface Pending {
  resolve: (answer: never) => void;
  reject: (error: Error) => void;
}

/**
 * JSON-RPC 2.0 over a transport.
 *
 * A kernel that runs a long call into C answers nothing until that has returned. To tell this from a verb that takes
 * its time, the client pings when an answer is late: it is silent from an unanswered ping to the next message.
 */
export class RpcClient implements IDisposable {
  constructor(private transport: ITransport) {
    transport.received.connect(this.onMessage, this);
    transport.closed.connect(() => {
      this.closedSignal.emit();
      this.dispose();
    });
  }

  get isDisposed(): boolean {
    return this.disposed;
  }

  /** Whether the kernel answers nothing at the moment. */
  get silentChanged(): ISignal<this, boolean> {
    return this.silentSignal;
  }

  /** The other end has closed the connection. */
  get closed(): ISignal<this, void> {
    return this.closedSignal;
  }

  get notified(): ISignal<this, Notification> {
    return this.notificationSignal;
  }

  request<M extends keyof Answers>(method: M, params: object = {}): Promise<Answers[M]> {
    if (this.disposed) {
      return Promise.reject(new ConnectionLost());
    }
    const id = this.nextId++;
    const answer = new Promise<Answers[M]>((resolve, reject) => {
      this.pending.set(id, { resolve, reject });
    });
    this.transport.send({ jsonrpc: '2.0', id, method, params: params as JSONObject });
    this.watchSilence();
    return answer;
  }

  dispose(): void {
    if (this.disposed) {
      return;
    }
    this.disposed = true;
    window.clearTimeout(this.timer);
    for (const { reject } of this.pending.values()) {
      reject(new ConnectionLost());
    }
    this.pending.clear();
    this.transport.dispose();
    Signal.clearData(this);
  }

  private onMessage(_: ITransport, message: JSONObject): void {
    this.setSilent(false);
    const { id, result, error } = message as { id?: number; result?: unknown; error?: RpcError };
    if (id === undefined) {
      this.notificationSignal.emit(message as unknown as Notification);
      return;
    }
    const pending = this.pending.get(id);
    this.pending.delete(id);
    if (error) {
      const { kind = 'Error', help = '' } = error.data ?? {};
      pending?.reject(new VerbError(error.message, kind, help));
    } else {
      pending?.resolve(result as never);
    }
    this.watchSilence();
  }

  /** Pings when nothing has come for a while although something is owed. */
  private watchSilence(): void {
    window.clearTimeout(this.timer);
    if (this.pending.size === 0 || this.disposed) {
      return;
    }
    this.timer = window.setTimeout(() => {
      const id = this.nextId++;
      this.pending.set(id, { resolve: () => undefined, reject: () => undefined });
      this.transport.send({ jsonrpc: '2.0', id, method: 'ping', params: {} });
      this.timer = window.setTimeout(() => this.setSilent(true), PING_MS);
    }, PATIENCE_MS);
  }

  private setSilent(silent: boolean): void {
    if (silent !== this.isSilent) {
      this.isSilent = silent;
      this.silentSignal.emit(silent);
    }
  }

  private pending = new Map<number, Pending>();
  private nextId = 1;
  private timer = 0;
  private disposed = false;
  private isSilent = false;
  private closedSignal = new Signal<this, void>(this);
  private silentSignal = new Signal<this, boolean>(this);
  private notificationSignal = new Signal<this, Notification>(this);
}

interface RpcError {
  message: string;
  data?: { kind?: string; help?: string };
}
