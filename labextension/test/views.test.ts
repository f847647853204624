import assert from 'node:assert/strict';
import test from 'node:test';

import { parseId, runId, snapshotId, stepId } from '../src/views/ids';
import { move, visit } from '../src/views/lineage/history';
import { plainText, StepLog } from '../src/views/run/log';
import { viewKey } from '../src/views/spec';

const textOf = (log: StepLog) => log.pieces.map(piece => piece.text).join('');
const rows = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => `row ${from + index}\n`).join('');

test('a log is kept in pieces of whole lines, however its parts are cut', () => {
  const log = new StepLog();
  const text = rows(0, 500);
  for (let at = 0; at < text.length; at += 7) {
    log.add(at, text.slice(at, at + 7));
  }
  assert.equal(textOf(log), text);
  assert.deepEqual(
    log.pieces.map(piece => piece.text.split('\n').length - 1),
    [200, 200, 100]
  );
});

test('a part from the beginning takes the place of everything', () => {
  const log = new StepLog();
  log.add(0, 'one\n');
  log.add(4, 'two\n');
  log.add(0, 'two\none\n');
  assert.equal(textOf(log), 'two\none\n');
  assert.equal(log.isCut, false);
});

test('a log that is read from its end begins with a line, and what comes before it fits', () => {
  const whole = rows(0, 300) + 'é end\n';
  const log = new StepLog();
  log.add(1005, whole.slice(1005));
  assert.ok(log.isCut && whole.slice(log.firstByte).startsWith('row '));
  assert.equal(textOf(log), whole.slice(log.firstByte));
  const ids = log.pieces.map(piece => piece.id);
  log.addBefore(0, whole.slice(0, log.firstByte));
  assert.equal(textOf(log), whole);
  assert.equal(log.isCut, false);
  assert.deepEqual(log.pieces.map(piece => piece.id).slice(-ids.length), ids);
  // What comes at the end still does.
  log.add(new TextEncoder().encode(whole).length, 'more\n');
  assert.ok(textOf(log).endsWith('end\nmore\n'));
});

test('only the end of what never stops is kept', () => {
  const log = new StepLog();
  const text = rows(0, 50_000);
  log.add(0, text);
  assert.equal(log.pieces.length, 200);
  assert.equal(textOf(log), text.slice(log.firstByte));
});

test('a colour goes on in the next piece, until it is reset', () => {
  const log = new StepLog();
  log.add(0, `\x1b[31m${rows(0, 250)}\x1b[0m${rows(0, 350)}`);
  assert.deepEqual(
    log.pieces.map(piece => piece.prefix),
    ['', '\x1b[31m', '']
  );
  assert.ok(plainText(log.pieces[0]).startsWith('row 0\n'));
});

test('a line that never ends is cut, and nothing of it lost', () => {
  const log = new StepLog();
  const text = 'x'.repeat(200_000);
  log.add(0, text);
  assert.equal(textOf(log), text);
  assert.ok(log.pieces.length > 1);
});

test('going elsewhere forgets what was ahead', () => {
  let history = visit(visit({ ids: ['a'], at: 0 }, 'b'), 'c');
  history = move(history, -1);
  assert.equal(history.ids[history.at], 'b');
  assert.deepEqual(visit(history, 'b'), history);
  assert.deepEqual(visit(history, 'd'), { ids: ['a', 'b', 'd'], at: 2 });
  assert.deepEqual(move({ ids: ['a'], at: 0 }, 1), { ids: ['a'], at: 0 });
});

test('ids are read as they are written', () => {
  assert.deepEqual(parseId(runId('r')), { kind: 'run', run: 'r' });
  assert.deepEqual(parseId('r'), { kind: 'run', run: 'r' });
  assert.deepEqual(parseId(stepId('r', 'a b')), { kind: 'step', run: 'r', step: 'a b' });
  assert.deepEqual(parseId(snapshotId('r', 's')), { kind: 'snapshot', run: 'r', step: 's' });
  assert.deepEqual(parseId('kale://artifact/ab12'), { kind: 'artifact', digest: 'ab12' });
});

test('a run has one view, and lineage one for each notebook', () => {
  const run = { kind: 'run', path: 'a.ipynb', run: 'r' } as const;
  assert.equal(viewKey(run), viewKey({ ...run, step: 'train' }));
  assert.ok(viewKey(run) !== viewKey({ ...run, run: 'other' }));
  const lineage = { kind: 'lineage', path: 'a.ipynb', id: 'r' } as const;
  assert.equal(viewKey(lineage), viewKey({ ...lineage, id: 's' }));
});
