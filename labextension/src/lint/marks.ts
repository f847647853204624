import { isWholeCell, offsetOf } from '../notebook/places';
import type { Diagnostic } from '../protocol';

/** What a diagnostic covers in its cell's text. */
export interface Range {
  from: number;
  to: number;
}

/**
 * The range to underline; `null` for what is about the cell as a whole. An empty one takes the character beside it, or
 * its line where it is only known in which line something has happened.
 */
export function rangeOf(source: string, { start, end }: Diagnostic, byLine = false): Range | null {
  if (start === null || isWholeCell(start, end)) {
    return null;
  }
  const from = offsetOf(source, start);
  const to = Math.max(from, end === null ? from : offsetOf(source, end));
  if (to > from) {
    return { from, to };
  }
  if (byLine) {
    const lineStart = source.lastIndexOf('\n', from - 1) + 1;
    const next = source.indexOf('\n', from);
    const line = source.slice(lineStart, next < 0 ? source.length : next);
    if (line.trim() !== '') {
      return { from: lineStart + line.search(/\S/), to: lineStart + line.trimEnd().length };
    }
  }
  // Both halves of an emoji, or neither.
  if (from < source.length && source[from] !== '\n') {
    return { from, to: from + (source.codePointAt(from)! > 0xffff ? 2 : 1) };
  }
  if (from > 0 && source[from - 1] !== '\n') {
    return { from: from - (from > 1 && source.codePointAt(from - 2)! > 0xffff ? 2 : 1), to: from };
  }
  return { from, to: from };
}

/** A place in a notebook: the index of a cell, and an offset in it; -1 stands for the cell as a whole. */
export interface Spot {
  cell: number;
  from: number;
}

/** The next of sorted spots after (or before) where one is; at the end it goes on at the beginning. */
export function neighbour<S extends Spot>(spots: readonly S[], here: Spot, direction: 1 | -1): S | null {
  const compare = (spot: Spot) => spot.cell - here.cell || spot.from - here.from;
  if (direction > 0) {
    return spots.find(spot => compare(spot) > 0) ?? spots[0] ?? null;
  }
  const before = spots.filter(spot => compare(spot) < 0);
  return before[before.length - 1] ?? spots[spots.length - 1] ?? null;
}
