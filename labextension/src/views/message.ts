import { VerbError } from '../channel/rpc';

/** What a person is told of an error: what happened, and what to do. */
export function messageOf(error: unknown): string {
  if (error instanceof VerbError) {
    return error.help === '' ? error.message : `${error.message}: ${error.help}`;
  }
  return error instanceof Error ? error.message : String(error);
}
