/** `kale://` ids: names of runs, steps, snapshots and stored values; see `rust/kale_verbs/src/id.rs`. */

export type ParsedId =
  | { kind: 'run'; run: string }
  | { kind: 'step' | 'snapshot'; run: string; step: string }
  | { kind: 'artifact'; digest: string };

export function runId(run: string): string {
  return `kale://run/${run}`;
}

export function stepId(run: string, step: string): string {
  return `${runId(run)}/step/${step}`;
}

export function snapshotId(run: string, step: string): string {
  return `${runId(run)}/snapshot/${step}`;
}

/** What is no `kale://` id names a run. */
export function parseId(id: string): ParsedId {
  const artifact = /^kale:\/\/artifact\/(.+)$/.exec(id);
  if (artifact) {
    return { kind: 'artifact', digest: artifact[1] };
  }
  const part = /^kale:\/\/run\/([^/]+)\/(step|snapshot)\/(.+)$/.exec(id);
  if (part) {
    return { kind: part[2] as 'step' | 'snapshot', run: part[1], step: part[3] };
  }
  return { kind: 'run', run: id.replace(/^kale:\/\/run\//, '') };
}
