import type { Position } from '../protocol';

/**
 * Places in a cell. The compiler counts lines and columns from 1 and columns in UTF-16 units, which is how JavaScript
 * counts: an emoji is two columns here and there.
 */

/** The offset of a place in a text; places beyond the end are the end. */
export function offsetOf(source: string, place: Position): number {
  let start = 0;
  for (let line = 1; line < place.line; line += 1) {
    const end = source.indexOf('\n', start);
    if (end < 0) {
      return source.length;
    }
    start = end + 1;
  }
  const end = source.indexOf('\n', start);
  return Math.min(start + place.column - 1, end < 0 ? source.length : end);
}

/** The line of a text that a place is in, without its indentation. */
export function lineAt(source: string, place: Position): string {
  return (source.split('\n')[place.line - 1] ?? '').trim();
}

/** What is about a cell as a whole is given the empty span at its beginning. */
export function isWholeCell(start: Position | null, end: Position | null): boolean {
  return start === null || (start.line === 1 && start.column === 1 && end?.line === 1 && end.column === 1);
}
