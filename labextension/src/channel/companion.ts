import { PathExt } from '@jupyterlab/coreutils';
import type { Session } from '@jupyterlab/services';

/**
 * A kernel beside the notebook's own, of the same kernelspec and in the same folder, for kernels without subshells
 * (ipykernel before 7): there a running cell would delay every answer.
 *
 * Its session has a path made from the notebook's, so a page that is loaded again finds it and starts no second one.
 */
export async function startCompanion(
  sessions: Session.IManager,
  notebookPath: string,
  kernelName: string
): Promise<Session.ISessionConnection> {
  const folder = PathExt.dirname(notebookPath);
  const name = `.kale_rs-companion-${PathExt.basename(notebookPath)}`;
  const path = folder ? PathExt.join(folder, name) : name;
  return sessions.startNew({ path, name, type: 'kale_rs', kernel: { name: kernelName } });
}

export async function stopCompanion(session: Session.ISessionConnection): Promise<void> {
  if (!session.isDisposed) {
    await session.shutdown();
  }
}
