import { KernelMessage } from '@jupyterlab/services';
import type { Kernel } from '@jupyterlab/services';
import { UUID } from '@lumino/coreutils';
import type { JSONObject } from '@lumino/coreutils';
import { Signal } from '@lumino/signaling';
import type { ISignal } from '@lumino/signaling';

import { COMM_TARGET } from '../protocol';
import type { ITransport } from './transport';

/** `kale_rs` cannot be imported in the kernel. */
export class PackageMissing extends Error {}

/** Whether messages can overtake a running cell. */
export function supportsSubshells(kernel: Kernel.IKernelConnection): boolean {
  return kernel.supportsSubshells === true;
}

/**
 * A comm whose messages go to a subshell of its own, so that a running cell does not delay them.
 *
 * JupyterLab can put comms on subshells by itself, but whether it does depends on a setting whose default is disputed,
 * and it shares one per target. So the subshell is made here, and every message is addressed here.
 */
export class CommTransport implements ITransport {
  /** Opens a connection; imports `kale_rs` in the kernel when it does not listen yet. */
  static async open(kernel: Kernel.IKernelConnection): Promise<CommTransport> {
    await kernel.info;
    const subshell = supportsSubshells(kernel) ? await createSubshell(kernel) : null;
    try {
      await importPackage(kernel, subshell);
      return new CommTransport(kernel, subshell);
    } catch (error) {
      deleteSubshell(kernel, subshell);
      throw error;
    }
  }

  private constructor(
    private kernel: Kernel.IKernelConnection,
    private subshell: string | null
  ) {
    this.comm = kernel.createComm(COMM_TARGET, UUID.uuid4());
    if ('commsOverSubshells' in this.comm) {
      (this.comm as { commsOverSubshells: unknown }).commsOverSubshells = 'disabled';
    }
    this.comm.onMsg = message => this.receivedSignal.emit(message.content.data as JSONObject);
    this.comm.onClose = () => this.close();
    kernel.statusChanged.connect(this.onStatus, this);
    kernel.disposed.connect(this.close, this);
    this.post('comm_open', { comm_id: this.comm.commId, target_name: COMM_TARGET, data: {} });
  }

  get isDisposed(): boolean {
    return this.disposed;
  }

  get received(): ISignal<this, JSONObject> {
    return this.receivedSignal;
  }

  get closed(): ISignal<this, void> {
    return this.closedSignal;
  }

  send(message: JSONObject): void {
    if (!this.disposed && !this.kernel.isDisposed) {
      this.post('comm_msg', { comm_id: this.comm.commId, data: message });
    }
  }

  dispose(): void {
    if (this.disposed) {
      return;
    }
    this.disposed = true;
    this.kernel.statusChanged.disconnect(this.onStatus, this);
    this.kernel.disposed.disconnect(this.close, this);
    if (!this.kernel.isDisposed && this.kernel.status !== 'dead') {
      if (this.kernel.connectionStatus === 'connected' && !this.isGone) {
        this.post('comm_close', { comm_id: this.comm.commId, data: {} });
        deleteSubshell(this.kernel, this.subshell);
      }
      this.comm.dispose();
    }
    Signal.clearData(this);
  }

  private post(msgType: 'comm_open' | 'comm_msg' | 'comm_close', content: JSONObject): void {
    const message = KernelMessage.createMessage({
      msgType,
      channel: 'shell',
      username: this.kernel.username,
      session: this.kernel.clientId,
      subshellId: this.subshell,
      content: content as never
    } as never) as unknown as KernelMessage.IShellMessage;
    this.kernel.sendShellMessage(message, false, true);
  }

  /** A restarted kernel knows neither our comm nor our subshell. */
  private onStatus(_: Kernel.IKernelConnection, status: Kernel.Status): void {
    if (status === 'restarting' || status === 'autorestarting' || status === 'dead') {
      this.close();
    }
  }

  private close(): void {
    if (!this.isGone && !this.disposed) {
      this.isGone = true;
      this.closedSignal.emit();
    }
  }

  private comm: Kernel.IComm;
  private disposed = false;
  private isGone = false;
  private receivedSignal = new Signal<this, JSONObject>(this);
  private closedSignal = new Signal<this, void>(this);
}

async function createSubshell(kernel: Kernel.IKernelConnection): Promise<string | null> {
  const reply = await kernel.requestCreateSubshell({}).done;
  const content = reply.content as { status: string; subshell_id?: string };
  return content.status === 'ok' ? (content.subshell_id ?? null) : null;
}

function deleteSubshell(kernel: Kernel.IKernelConnection, subshell: string | null): void {
  if (subshell !== null && !kernel.isDisposed) {
    kernel.requestDeleteSubshell({ subshell_id: subshell }, true);
  }
}

/** Imports without a trace in the user's namespace or history. Importing `kale_rs` makes it listen. */
async function importPackage(kernel: Kernel.IKernelConnection, subshellId: string | null): Promise<void> {
  const message = KernelMessage.createMessage({
    msgType: 'execute_request',
    channel: 'shell',
    username: kernel.username,
    session: kernel.clientId,
    subshellId,
    content: {
      code: '__import__("kale_rs")',
      silent: true,
      store_history: false,
      user_expressions: {},
      allow_stdin: false,
      stop_on_error: false
    }
  } as never) as unknown as KernelMessage.IShellMessage;
  const reply = await kernel.sendShellMessage(message, true, true).done;
  const content = reply?.content as { status?: string; ename?: string; evalue?: string } | undefined;
  if (content?.status === 'error') {
    if (content.ename === 'ModuleNotFoundError' || content.ename === 'ImportError') {
      throw new PackageMissing(content.evalue ?? '');
    }
    throw new Error(`${content.ename}: ${content.evalue}`);
  }
}
