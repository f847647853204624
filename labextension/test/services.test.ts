import assert from 'node:assert/strict';
import test from 'node:test';

import { PAST, perSecond } from '../src/notebook/services';
import { written } from '../src/views/service/json';

test('requests are counted in the second in which they were told', () => {
  const now = 1_000_000;
  const counts = perSecond(
    [
      { at: now - 90_000, total: 4 },
      { at: now - 61_000, total: 6 },
      { at: now - 5_500, total: 9 },
      { at: now - 5_200, total: 10 },
      { at: now, total: 12 }
    ],
    now
  );
  assert.equal(counts.length, PAST);
  assert.deepEqual([counts[PAST - 1], counts[PAST - 6]], [2, 4]);
  assert.equal(
    counts.reduce((sum, count) => sum + count, 0),
    6
  );
  assert.deepEqual(perSecond([{ at: now, total: 7 }], now), new Array(PAST).fill(0));
});

test('JSON is written a row in a line', () => {
  assert.equal(written({ instances: [[1, 2]] }), '{"instances": [[1, 2]]}');
  const rows = Array.from({ length: 12 }, (_, row) => [row, row * 1000, 'a text']);
  const text = written({ instances: rows });
  assert.deepEqual(JSON.parse(text), { instances: rows });
  assert.equal(text.split('\n').length, 16);
  assert.ok(text.includes('\n    [3, 3000, "a text"],\n'));
  assert.equal(written([]), '[]');
  assert.equal(written('x'.repeat(100)), `"${'x'.repeat(100)}"`);
});
