import type { IDisposable } from '@lumino/disposable';
import type { ISignal } from '@lumino/signaling';
import type { JSONObject } from '@lumino/coreutils';

/** Carries JSON messages to the kernel and back. What they mean is the business of `RpcClient`. */
export interface ITransport extends IDisposable {
  /** A message of the kernel. */
  readonly received: ISignal<ITransport, JSONObject>;
  /** The kernel has closed the connection, or is gone. */
  readonly closed: ISignal<ITransport, void>;
  send(message: JSONObject): void;
}
