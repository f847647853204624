import type { IDisposable } from '@lumino/disposable';
import { Signal } from '@lumino/signaling';

import type { KernelLink } from '../channel/link';
import type { Notification } from '../protocol';

/** What a kernel tells of as it goes: it is listened to until this is disposed of, also after a lost connection. */
export abstract class KernelListener implements IDisposable {
  constructor(protected link: KernelLink) {
    link.notified.connect(this.onNotified, this);
    link.connected.connect(this.onConnected, this);
  }

  get isDisposed(): boolean {
    return this.disposed;
  }

  dispose(): void {
    if (!this.disposed) {
      this.disposed = true;
      this.link.notified.disconnect(this.onNotified, this);
      this.link.connected.disconnect(this.onConnected, this);
      Signal.clearData(this);
    }
  }

  /** The kernel is there, for the first time or again. */
  protected abstract onConnected(): void;

  protected abstract onNotified(link: KernelLink, notification: Notification): void;

  private disposed = false;
}
