import assert from 'node:assert/strict';
import test from 'node:test';

import { badgesOf } from '../src/cells/content';
import type { CellFacts } from '../src/cells/content';
import { faultsOf, formOf, keptTags, tagsFrom } from '../src/cells/editor/form';
import type { Role } from '../src/notebook/tags';
import type { Diagnostic } from '../src/protocol';

const step = (name: string): Role => ({ kind: 'step', name });
const cell = (role: Role | null, more: Partial<CellFacts> = {}): CellFacts => ({
  isCode: true,
  role,
  compiled: undefined,
  diagnostics: [],
  isAt: false,
  ...more
});
const compiled = (name: string, index: number): CellFacts['compiled'] => ({
  step: { name, cells: [], inputs: [], outputs: [], parameters: [] },
  index,
  incoming: [{ from: 'load', to: name, variables: ['x'], resources: ['rng'], declared: false }]
});
const badges = (cells: CellFacts[]) =>
  badgesOf(cells, new Map(), { seconds: () => 0, isOutdated: () => false });

test('a step has a line where it begins, also again after another', () => {
  const found = badges([cell(step('a')), cell(step('a')), cell(step('b')), cell(step('a')), cell(null)]);
  assert.deepEqual(
    found.map(badge => badge?.isFirst),
    [true, false, true, true, false]
  );
  assert.equal(found[0]?.colour, found[3]?.colour);
});

test('text between cells of a step does not begin it again', () => {
  const text = { ...cell(null), isCode: false };
  assert.deepEqual(
    badges([cell(step('a')), text, cell(step('a'))]).map(badge => badge?.isFirst),
    [true, undefined, false]
  );
});

test('the compiler says where inputs come from, until the tag has been changed', () => {
  const [known, renamed] = badges([
    cell(step('use'), { compiled: compiled('use', 3) }),
    cell(step('other'), { compiled: compiled('use', 3) })
  ]);
  assert.deepEqual(known?.sources, [{ step: 'load', flows: ['x', 'rng'] }]);
  assert.deepEqual(renamed?.sources, []);
});

test('a cell without a tag takes the step that the compiler gives it', () => {
  assert.deepEqual(badges([cell(null, { compiled: compiled('step_2', 1) })])[0]?.role, step('step_2'));
});

test('what is about a cell as a whole is counted, the gravest first', () => {
  const place = { line: 1, column: 1 };
  const fault = (severity: Diagnostic['severity'], end = place): Diagnostic => ({
    id: 'x',
    severity,
    message: '',
    help: '',
    cell: 0,
    cell_id: null,
    start: place,
    end,
    related: [],
    fixes: []
  });
  const diagnostics = [fault('warning'), fault('error'), fault('error', { line: 1, column: 4 })];
  assert.deepEqual(badges([cell(step('a'), { diagnostics })])[0]?.problems, { severity: 'error', count: 2 });
});

test('the form of a cell without a tag shows the step that it belongs to', () => {
  assert.deepEqual(formOf(['hide-input'], step('train')), {
    kind: 'step',
    name: 'train',
    previous: [],
    settings: {}
  });
  assert.equal(formOf([], { kind: 'imports' }).kind, 'none');
  assert.equal(formOf(['skip'], step('train')).kind, 'skip');
});

test('a form becomes plain tags, without what its kind cannot have', () => {
  const form = formOf(['step:a', 'prev:b', 'cpu:1', 'mine'], null);
  assert.deepEqual(tagsFrom(['step:a', 'prev:b', 'cpu:1', 'mine'], { ...form, name: ' c ' }), [
    'step:c',
    'prev:b',
    'cpu:1',
    'mine'
  ]);
  assert.deepEqual(tagsFrom(['step:a', 'prev:b', 'cpu:1', 'mine'], { ...form, kind: 'imports' }), [
    'imports',
    'mine'
  ]);
  assert.deepEqual(tagsFrom(['step:a', 'mine'], { ...form, kind: 'none' }), ['mine']);
  assert.deepEqual(keptTags(['step:a', 'mine', 'label:a:b', 'cpu:2']), ['mine', 'label:a:b']);
});

test('faults are those of the fields that count', () => {
  const form = formOf(['step:a', 'cpu:much'], null);
  assert.deepEqual([...faultsOf({ ...form, name: '1' })], ['name', 'cpu']);
  assert.deepEqual([...faultsOf({ ...form, kind: 'skip' })], []);
  assert.deepEqual([...faultsOf({ ...form, kind: 'notebook', name: 'a b/c', settings: {} })], []);
});
