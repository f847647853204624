import assert from 'node:assert/strict';
import test from 'node:test';

import { isSettingValue, isStepName, stepSlug } from '../src/notebook/grammar';
import {
  isOurs,
  previousOf,
  readTags,
  roleOf,
  roleOfMagic,
  rolesByTags,
  roleTag,
  settingOf,
  writeTags
} from '../src/notebook/tags';

const code = (source: string, ...tags: string[]) => ({ isCode: true, tags, source });
const names = (cells: Parameters<typeof rolesByTags>[0]) =>
  rolesByTags(cells).map(role => role && roleTag(role));

test('every tag of the grammar is read, in its older forms too', () => {
  assert.deepEqual(roleOf(['x', ' step:train ']), { kind: 'step', name: 'train' });
  assert.deepEqual(roleOf(['block:train']), { kind: 'step', name: 'train' });
  assert.deepEqual(roleOf(['parameters']), { kind: 'pipeline-parameters' });
  assert.deepEqual(roleOf(['notebook:other']), { kind: 'notebook', name: 'other' });
  assert.equal(roleOf(['hide-input', 'steps:x']), null);
  assert.deepEqual(previousOf(['prev:a', 'step:x', 'prev: b']), ['a', 'b']);
  assert.equal(settingOf(['image:python:3.12-slim'], 'image'), 'python:3.12-slim');
});

test('what is read is written again, the same', () => {
  const all = [
    ['step:train', 'prev:load', 'prev:clean', 'image:a/b:1', 'cache:disabled', 'cpu:2', 'memory:2Gi'],
    ['step:x', 'report:enabled', 'gpu:1', 'retries:3', 'timeout:1h30m'],
    ['imports'],
    ['functions'],
    ['pipeline-parameters'],
    ['pipeline-metrics'],
    ['skip'],
    ['notebook:other'],
    []
  ];
  for (const tags of all) {
    const written = writeTags(tags, readTags(tags));
    assert.deepEqual([...written].sort(), [...tags].sort());
    assert.deepEqual(readTags(written), readTags(tags));
    assert.deepEqual(writeTags(written, readTags(written)), written);
  }
});

test('tags of others stay, and so do those that the editor has no field for', () => {
  const tags = [
    'hide-input',
    'step:a',
    'label:team:vision',
    'annotation:k:v:w',
    'remove_cell',
    'secret:s:k:E',
    'raises-exception'
  ];
  const edited = { ...readTags(tags), role: { kind: 'step' as const, name: 'b' } };
  assert.deepEqual(writeTags(tags, edited), [
    'step:b',
    'hide-input',
    'label:team:vision',
    'annotation:k:v:w',
    'remove_cell',
    'secret:s:k:E',
    'raises-exception'
  ]);
  assert.deepEqual(
    writeTags(['grade', 'step:a', 'prev:b', 'cpu:1'], { role: null, previous: [], settings: {} }),
    ['grade']
  );
  assert.equal(isOurs('limit'), false);
  assert.equal(isOurs('limit:cpu:1'), true);
});

test('a cell without a tag joins the block before it', () => {
  assert.deepEqual(
    names([code('a'), code('b', 'imports'), code('c'), code('d', 'step:x'), code('e', 'skip'), code('f')]),
    ['step:setup', 'imports', 'imports', 'step:x', 'skip', 'step:x']
  );
  assert.deepEqual(names([{ isCode: false, tags: ['step:x'], source: '' }, code('a', 'step:x')]), [
    null,
    'step:x'
  ]);
});

test('without a tagged step the compiler splits, and tags say nothing of other cells', () => {
  assert.deepEqual(names([code('a', 'imports'), code('b'), code('c')]), ['imports', null, null]);
});

test('a %%pipeline line is read as the compiler reads it', () => {
  assert.deepEqual(roleOfMagic('%%pipeline step train --after load\nx = 1'), { kind: 'step', name: 'train' });
  assert.deepEqual(roleOfMagic('\n  %%pipeline metrics'), { kind: 'pipeline-metrics' });
  assert.deepEqual(roleOfMagic('%%pipeline step "train"'), { kind: 'step', name: 'train' });
  assert.equal(roleOfMagic('%%pipeline step --after load'), null);
  assert.equal(roleOfMagic('x = 1\n%%pipeline step train'), null);
  assert.deepEqual(names([code('%%pipeline step a'), code('x')]), ['step:a', 'step:a']);
});

test('names and values are refused where the compiler refuses them', () => {
  for (const good of ['a', '_x', 'Train-2', 'a'.repeat(63)]) {
    assert.equal(isStepName(good), true, good);
  }
  for (const bad of ['', '2x', 'a b', 'é', 'a'.repeat(64), '-a', 'a.b']) {
    assert.equal(isStepName(bad), false, bad);
  }
  assert.equal(stepSlug('  Train the Model! '), 'train_the_model');
  assert.equal(stepSlug('2nd'), '_2nd');
  assert.equal(stepSlug('日本'), '');
  const values: [Parameters<typeof isSettingValue>[0], string, boolean][] = [
    ['cpu', '2', true],
    ['cpu', '500m', true],
    ['cpu', '0', false],
    ['memory', '512Mi', true],
    ['memory', '2 Gi', false],
    ['memory', 'lots', false],
    ['gpu', '1', true],
    ['gpu', '0', false],
    ['gpu', '1.5', false],
    ['retries', '0', true],
    ['retries', '-1', false],
    ['timeout', '90', true],
    ['timeout', '1h30m', true],
    ['timeout', '0s', false],
    ['timeout', '1h30', false],
    ['cache', 'enabled', true],
    ['cache', 'yes', false],
    ['image', 'a b', false],
    ['image', '', true]
  ];
  for (const [setting, value, isRight] of values) {
    assert.equal(isSettingValue(setting, value), isRight, `${setting}:${value}`);
  }
});
