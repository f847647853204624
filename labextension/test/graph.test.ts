import assert from 'node:assert/strict';
import test from 'node:test';

import type { Graph, StepStatus } from '../src/protocol';
import { graphElements, litByEdge, litByNode, nextNode } from '../src/views/graph/elements';
import type { GraphElements, NodeState } from '../src/views/graph/elements';
import { fit, home, reveal, zoom } from '../src/views/graph/viewport';

const step = (name: string, index: number) => ({
  name,
  cells: [index],
  inputs: [],
  outputs: [],
  parameters: []
});
const edge = (from: string, to: string, variables: string[], resources: string[] = [], declared = false) => ({
  from,
  to,
  variables,
  resources,
  declared
});
const box = (x: number, y: number) => ({ x, y, width: 80, height: 46, detail: 'cell' });

/** `load` above `left` and `right`, which are above `end`. */
const GRAPH: Graph = {
  pipeline: 'demo',
  steps: ['load', 'left', 'right', 'end'].map(step),
  edges: [
    edge('load', 'left', ['df', 'a_name_that_is_longer_than_there_is_room']),
    edge('load', 'right', [], ['rng:numpy']),
    edge('left', 'end', ['model'], [], true),
    edge('right', 'end', [], [], true)
  ],
  parameters: [],
  metrics: [],
  diagnostics: [],
  layout: {
    width: 200,
    height: 250,
    steps: [box(60, 12), box(12, 102), box(108, 102), box(60, 192)],
    edges: [0, 1, 2, 3].map(() => ({ path: 'M100 58C100 77 52 77 52 96', tip: { x: 52, y: 96 } }))
  }
};

function draw(states: [string, NodeState][] = []): GraphElements {
  const elements = graphElements(GRAPH, new Map(states));
  assert.ok(elements !== null);
  return elements!;
}

test('edges say why one step comes after another', () => {
  const { edges } = draw();
  assert.deepEqual(
    edges.map(each => each.kind),
    ['variables', 'resources', 'variables', 'declared']
  );
  assert.deepEqual(
    edges.map(each => each.isDeclared),
    [false, false, true, true]
  );
  assert.equal(edges[0].label.text, 'df, a_name_that_is_lo…');
  assert.deepEqual([edges[0].label.x, edges[0].label.y], [76, 77]);
  assert.equal(edges[3].label.text, '');
});

test('an arrow ends at the box that it points to', () => {
  const { edges, nodes } = draw();
  assert.ok(edges[0].head.endsWith(`52,${nodes[1].y}`));
});

test('the state of a run takes the place of what is known without one', () => {
  const running: NodeState = { status: 'running' as StepStatus, progress: '1 of 2 cells' };
  const { nodes } = draw([['left', running]]);
  assert.deepEqual([nodes[1].status, nodes[1].detail], ['running', '1 of 2 cells']);
  assert.deepEqual([nodes[0].status, nodes[0].detail], [null, 'cell']);
});

test('without a layout there is nothing to draw', () => {
  assert.equal(graphElements({ ...GRAPH, layout: undefined }, new Map()), null);
});

test('arrow keys follow edges, and the row', () => {
  const elements = draw();
  assert.equal(nextNode(elements, 1, 'up'), 0);
  assert.equal(nextNode(elements, 1, 'right'), 2);
  assert.equal(nextNode(elements, 2, 'left'), 1);
  assert.equal(nextNode(elements, 2, 'down'), 3);
  assert.equal(nextNode(elements, 0, 'up'), -1);
  assert.equal(nextNode(elements, 3, 'left'), -1);
});

test('what is looked at lights up its neighbours and what flows to them', () => {
  const elements = draw();
  const lit = litByNode(elements, 1);
  assert.deepEqual([[...lit.nodes], [...lit.near].sort(), [...lit.edges]], [[1], [0, 3], [0, 2]]);
  assert.deepEqual([...lit.variables].sort(), ['a_name_that_is_longer_than_there_is_room', 'df', 'model']);
  assert.deepEqual([...litByEdge(elements, 2).nodes], [1, 3]);
});

test('a picture is shown as a whole where it can be read, else from its beginning', () => {
  const window = { width: 400, height: 300 };
  assert.equal(home({ width: 200, height: 250 }, box(60, 12), window).scale, 1);
  const large = { width: 9000, height: 500 };
  const first = home(large, box(5000, 12), window);
  assert.equal((5000 + 40) * first.scale + first.x, window.width / 2);
  const whole = fit(large, window);
  assert.ok(whole.scale * large.width <= window.width);
});

test('what is under the pointer stays there while one zooms', () => {
  const view = { scale: 1, x: 10, y: 20 };
  const zoomed = zoom(view, 2, { x: 110, y: 120 });
  assert.deepEqual([100 * zoomed.scale + zoomed.x, 100 * zoomed.scale + zoomed.y], [110, 120]);
});

test('a box that is seen moves nothing, another no further than it takes', () => {
  const window = { width: 400, height: 300 };
  const view = { scale: 1, x: 0, y: 0 };
  assert.deepEqual(reveal(view, box(100, 100), window), view);
  assert.deepEqual(reveal(view, box(500, 100), window), { scale: 1, x: 400 - 16 - 580, y: 0 });
});
