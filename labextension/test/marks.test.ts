import assert from 'node:assert/strict';
import test from 'node:test';

import { neighbour, rangeOf } from '../src/lint/marks';
import { isWholeCell, lineAt, offsetOf } from '../src/notebook/places';
import type { Diagnostic } from '../src/protocol';

function diagnostic(start: [number, number], end: [number, number]): Diagnostic {
  const place = ([line, column]: [number, number]) => ({ line, column });
  const rest = { id: 'x', severity: 'error' as const, message: '', help: '', related: [], fixes: [] };
  return { ...rest, cell: 0, cell_id: null, start: place(start), end: place(end) };
}

const marked = (source: string, start: [number, number], end: [number, number], byLine = false) => {
  const range = rangeOf(source, diagnostic(start, end), byLine);
  return range && source.slice(range.from, range.to);
};

test('columns count UTF-16 units, as the compiler does', () => {
  assert.equal(marked("s = '🎉'; print(name)", [1, 17], [1, 21]), 'name');
  assert.equal(marked("# 日本語\ns = '語'; x", [2, 10], [2, 11]), 'x');
  assert.equal(offsetOf('🎉a', { line: 1, column: 3 }), 2);
});

test('a span may go over lines, and ends with the text', () => {
  assert.equal(marked('f(\n  1,\n  2)\ng()', [1, 1], [3, 5]), 'f(\n  1,\n  2)');
  assert.equal(marked('ab', [1, 2], [9, 9]), 'b');
  assert.equal(marked('a\nb', [1, 1], [1, 99]), 'a');
});

test('an empty span takes what is beside it, and never half an emoji', () => {
  assert.equal(marked('a🎉b', [1, 2], [1, 2]), '🎉');
  assert.equal(marked('a🎉', [1, 4], [1, 4]), '🎉');
  assert.equal(marked('ab', [1, 3], [1, 3]), 'b');
  assert.deepEqual(rangeOf('a\n\nb', diagnostic([2, 1], [2, 1])), { from: 2, to: 2 });
});

test('where only the line is known, the line is marked', () => {
  assert.equal(marked('a\n  f(x)  \nb', [2, 3], [2, 3], true), 'f(x)');
  assert.equal(marked('a\n  f(x)\nb', [2, 5], [2, 6], true), 'x');
});

test('what is about the cell as a whole has no range', () => {
  assert.equal(marked('x = 1', [1, 1], [1, 1]), null);
  assert.equal(isWholeCell(null, null), true);
  assert.equal(isWholeCell({ line: 1, column: 1 }, { line: 1, column: 2 }), false);
  assert.equal(lineAt('a\n  b = 1', { line: 2, column: 3 }), 'b = 1');
});

test('one goes round the problems of a notebook in both directions', () => {
  const spots = [
    { cell: 0, from: 4 },
    { cell: 2, from: -1 },
    { cell: 2, from: 9 }
  ];
  assert.deepEqual(neighbour(spots, { cell: 0, from: 4 }, 1), spots[1]);
  assert.deepEqual(neighbour(spots, { cell: 2, from: 9 }, 1), spots[0]);
  assert.deepEqual(neighbour(spots, { cell: 0, from: 0 }, -1), spots[2]);
  assert.deepEqual(neighbour(spots, { cell: 2, from: 3 }, -1), spots[1]);
  assert.equal(neighbour([], { cell: 0, from: 0 }, 1), null);
});
