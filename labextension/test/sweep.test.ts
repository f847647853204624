import assert from 'node:assert/strict';
import test from 'node:test';

import { choiceOf, directionOf, faultOf, initialForm, rangeOf } from '../src/panel/sweep/form';
import type { Domain, Graph, Sweep, SweepDefinition, Trial } from '../src/protocol';
import { choiceOf as extended, extensionOf, narrowed } from '../src/views/sweep/extension';
import { axesOf, axisOf, bestSoFar, importance, isChosen, valued } from '../src/views/sweep/points';

const GRAPH = {
  parameters: [
    { name: 'rate', type: 'float', default: 0.01 },
    { name: 'layers', type: 'int', default: 3 },
    { name: 'opt', type: 'str', default: 'adam' }
  ],
  metrics: [{ name: 'val_loss', step: 'train' }]
} as unknown as Graph;

const DEFINITION: SweepDefinition = {
  space: [
    { name: 'rate', domain: { kind: 'double', low: 0.001, high: 0.1, step: null, scale: 'logarithmic' } },
    { name: 'layers', domain: { kind: 'int', low: 1, high: 12, step: 1, scale: 'linear' } }
  ],
  objectives: [{ metric: 'val_loss', direction: 'maximize', goal: null }],
  algorithm: 'random',
  settings: {},
  trials: 10,
  parallel: 2,
  seed: 1
};

test('a form is filled with what was guessed, and asks for just that', () => {
  const form = initialForm(GRAPH, DEFINITION);
  assert.deepEqual(
    form.rows.map(row => row.mode),
    ['range', 'range', 'fixed']
  );
  assert.deepEqual(choiceOf(form).vary, ['rate=loguniform:0.001:0.1', 'layers=int:1:12']);
  assert.deepEqual(choiceOf(form).objectives, ['val_loss']);
  assert.equal(form.direction, 'maximize');
  assert.equal(faultOf(form), null);
});

test('a form is filled with what the notebook has written down', () => {
  const written = { ...DEFINITION, algorithm: 'hyperband', settings: { r_l: '9', resource_name: 'layers' } };
  const form = initialForm(GRAPH, written);
  assert.deepEqual([form.algorithm, form.direction, form.trials], ['hyperband', 'maximize', '']);
  assert.deepEqual(choiceOf(form).settings, ['r_l=9', 'resource_name=layers']);
  assert.equal(choiceOf(form).trials, null);
});

test('what is varied is written as the command line takes it', () => {
  const [rate, layers, opt] = initialForm(GRAPH, null).rows;
  assert.equal(rangeOf(rate), null);
  assert.equal(
    rangeOf({ ...rate, mode: 'range', low: '0', high: ' 1 ', step: '0.1' }),
    'rate=uniform:0:1:0.1'
  );
  assert.equal(
    rangeOf({ ...layers, mode: 'range', low: '1', high: '64', step: '', isLogarithmic: true }),
    'layers=logint:1:64'
  );
  assert.equal(rangeOf({ ...opt, mode: 'list', values: 'adam, sgd,, ' }), 'opt=choice:adam,sgd');
  assert.equal(rangeOf({ ...opt, mode: 'list', values: ' [1, 2], [3]' }), 'opt=choice:[1, 2], [3]');
});

test('what the kernel need not be asked is told at once', () => {
  const form = initialForm(GRAPH, null);
  assert.equal(faultOf(form), 'nothing-varied');
  const varied = { ...form, rows: [{ ...form.rows[0], mode: 'list' as const }] };
  assert.equal(faultOf({ ...varied, trials: '0' }), 'trials');
  assert.equal(faultOf({ ...varied, parallel: 'two' }), 'parallel');
  assert.equal(faultOf({ ...varied, trials: '' }), null);
  assert.deepEqual(['val_accuracy', 'test_rmse', 'accident'].map(directionOf), [
    'maximize',
    'minimize',
    'minimize'
  ]);
});

/** Trials whose objective is `x`, whatever `y` is. */
function sweepOf(count: number): Sweep {
  const trial = (index: number): Trial => ({
    trial: index,
    run_id: `r${index}`,
    status: index === 3 ? 'failed' : 'succeeded',
    parameters: { x: index, y: index % 2 === 0 ? 'a' : 'b' },
    metrics: index === 3 ? {} : ({ loss: index } as Record<string, number>),
    seconds: 1
  });
  return {
    sweep_id: 's',
    status: 'succeeded',
    objective: { metric: 'loss', direction: 'minimize' },
    best: null,
    trials: Array.from({ length: count }, (_, index) => trial(index)),
    step_executions: count,
    planned_step_executions: null,
    definition: {
      ...DEFINITION,
      space: [
        { name: 'x', domain: { kind: 'int', low: 0, high: 100, step: 1, scale: 'linear' } },
        { name: 'y', domain: { kind: 'categorical', values: ['a', 'b'] } }
      ]
    }
  };
}

test('only trials that came to a number are drawn', () => {
  const points = valued(sweepOf(6));
  assert.deepEqual(
    points.map(({ trial }) => trial.trial),
    [0, 1, 2, 4, 5]
  );
  assert.deepEqual(bestSoFar(points, 'minimize'), [0, 0, 0, 0, 0]);
  assert.deepEqual(bestSoFar(points, 'maximize'), [0, 1, 2, 4, 5]);
});

test('an axis is logarithmic where its numbers span decades, and has a place for every word', () => {
  assert.equal(axisOf('x', [1, 2, 4]).place(2), 1 / 3);
  assert.ok(Math.abs(axisOf('x', [0.001, 0.01, 0.1, 1]).place(0.01)! - 1 / 3) < 1e-9);
  const words = axisOf('opt', ['sgd', 'adam', 'sgd']);
  assert.deepEqual([words.place('adam'), words.place('sgd'), words.place('other')], [0, 1, null]);
  assert.equal(axisOf('x', [5]).place(5), 0.5);
});

test('a trial is chosen when it lies in all the chosen parts', () => {
  const points = valued(sweepOf(6));
  const axes = [axisOf('x', [0, 5]), axisOf('y', ['a', 'b']), axisOf('loss', [0, 5])];
  const chosen = (brushes: Record<string, [number, number]>) =>
    points.filter(point => isChosen(point, axes, brushes)).map(({ trial }) => trial.trial);
  assert.deepEqual(chosen({}), [0, 1, 2, 4, 5]);
  assert.deepEqual(chosen({ x: [0.3, 1] }), [2, 4, 5]);
  assert.deepEqual(chosen({ x: [0.3, 1], y: [0, 0.5] }), [2, 4]);
  assert.deepEqual(chosen({ loss: [0.9, 1] }), [5]);
});

test('a metric may have the name of a parameter', () => {
  const sweep = { ...sweepOf(6), objective: { metric: 'x', direction: 'minimize' as const } };
  const named = { ...sweep, trials: sweep.trials.map(trial => ({ ...trial, metrics: { x: -trial.trial } })) };
  const axes = axesOf(named, valued(named));
  assert.equal(new Set(axes.map(axis => axis.id)).size, 3);
  const chosen = valued(named).filter(point => isChosen(point, axes, { 'parameter:x': [0.9, 1] }));
  assert.deepEqual(
    chosen.map(({ trial }) => trial.trial),
    [5]
  );
});

test('a sweep goes on from where the chosen trials are, and asks for what is new only', () => {
  const sweep = sweepOf(12);
  assert.deepEqual(extended(extensionOf(sweep, null), sweep), { trials: 24, vary: [] });
  const chosen = sweep.trials.filter(({ trial }) => trial === 4 || trial === 8);
  assert.deepEqual(extended(extensionOf(sweep, chosen), sweep).vary, ['x=int:4:8', 'y=choice:a']);
  const grid = { ...sweep, definition: { ...sweep.definition, algorithm: 'grid' } };
  assert.deepEqual(extensionOf(grid, chosen).rows, []);
  const small: Domain = { kind: 'double', low: 0.01, high: 1, step: null, scale: 'logarithmic' };
  const at = (x: number): Trial => ({ ...sweep.trials[0], parameters: { x } });
  assert.deepEqual(narrowed({ name: 'x', domain: small }, [at(0.123456), at(0.0100001)]), {
    ...small,
    low: 0.01,
    high: 0.1235
  });
  assert.deepEqual(narrowed({ name: 'x', domain: small }, [at(0.5)]), { kind: 'discrete', values: [0.5] });
});

test('where all is alike, nothing decides', () => {
  const sweep = sweepOf(20);
  const alike = valued(sweep).map(point => ({ ...point, value: 0.1 }));
  assert.deepEqual(importance(sweep, alike), []);
});

test('what decides is rated high, and what does not, low', () => {
  const sweep = sweepOf(40);
  const [first, second] = importance(sweep, valued(sweep));
  assert.equal(first.name, 'x');
  assert.ok(first.share > 0.9);
  assert.ok(second.name === 'y' && second.share < 0.1);
});
