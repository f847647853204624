import { plainText } from './log';
import type { LogPiece } from './log';

/** Matches that are looked for: nobody walks through more, and a letter may stand in a log a million times. */
export const MOST_MATCHES = 10_000;

/** A place in a piece of a log, in characters as they are seen. */
export interface Match {
  piece: number;
  start: number;
  end: number;
}

/** What was found in a piece last: while a log grows, all but its last piece stay as they are. */
const found = new WeakMap<LogPiece, { wanted: string; matches: Match[] }>();

/** The places of a text, in any letter case, from the log's beginning. */
export function find(pieces: readonly LogPiece[], query: string): Match[] {
  const wanted = query.toLowerCase();
  const all: Match[] = [];
  if (wanted === '') {
    return all;
  }
  for (const piece of pieces) {
    for (const match of findIn(piece, wanted)) {
      if (all.push(match) === MOST_MATCHES) {
        return all;
      }
    }
  }
  return all;
}

function findIn(piece: LogPiece, wanted: string): Match[] {
  const known = found.get(piece);
  if (known?.wanted === wanted) {
    return known.matches;
  }
  const text = plainText(piece).toLowerCase();
  const matches: Match[] = [];
  for (let start = text.indexOf(wanted); start >= 0; start = text.indexOf(wanted, start + wanted.length)) {
    matches.push({ piece: piece.id, start, end: start + wanted.length });
    if (matches.length === MOST_MATCHES) {
      break;
    }
  }
  found.set(piece, { wanted, matches });
  return matches;
}
