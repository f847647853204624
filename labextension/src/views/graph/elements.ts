/**
 * What is drawn of a graph: plain data from the compiler's answer and the state of a run. The kernel has said where
 * everything lies; here is only what it looks like and how one gets from one step to another.
 */

import { flowsOf } from '../../notebook/analysis';
import type { Graph, StepStatus } from '../../protocol';
import { stepColour } from '../../ui/colours';

export interface NodeElement {
  index: number;
  name: string;
  /** Indices of its cells, as they were compiled. */
  cells: number[];
  colour: string;
  x: number;
  y: number;
  width: number;
  height: number;
  /** The second line: what the step passes on, or how far it is. */
  detail: string;
  status: StepStatus | null;
}

/** Why one step comes after another: data flow, the order of effects, or only a `prev:` tag. */
export type EdgeKind = 'variables' | 'resources' | 'declared';

export interface EdgeElement {
  index: number;
  /** Indices of nodes. */
  from: number;
  to: number;
  kind: EdgeKind;
  path: string;
  /** Corners of the arrow's head. */
  head: string;
  variables: string[];
  /** Variables and resources. */
  flows: string[];
  isDeclared: boolean;
  label: { text: string; x: number; y: number };
}

export interface GraphElements {
  width: number;
  height: number;
  nodes: NodeElement[];
  edges: EdgeElement[];
}

/** How far a step is, for its second line. */
export interface NodeState {
  status: StepStatus;
  progress: string;
}

const LONGEST_LABEL = 22;
const HEAD = 6;

export function graphElements(graph: Graph, states: ReadonlyMap<string, NodeState>): GraphElements | null {
  const layout = graph.layout;
  if (layout === undefined) {
    return null;
  }
  const index = new Map(graph.steps.map((step, number) => [step.name, number]));
  const nodes = graph.steps.map((step, number): NodeElement => {
    const state = states.get(step.name);
    const place = layout.steps[number];
    return {
      index: number,
      name: step.name,
      cells: step.cells,
      colour: stepColour(number),
      ...place,
      detail: state?.progress || place.detail,
      status: state?.status ?? null
    };
  });
  const edges = graph.edges.map((edge, number): EdgeElement => {
    const { path, tip } = layout.edges[number];
    const to = index.get(edge.to)!;
    const flows = flowsOf(edge);
    const top = nodes[to].y;
    return {
      index: number,
      from: index.get(edge.from)!,
      to,
      kind: edge.variables.length > 0 ? 'variables' : edge.resources.length > 0 ? 'resources' : 'declared',
      path,
      head: `${tip.x - HEAD * 0.6},${top - HEAD} ${tip.x + HEAD * 0.6},${top - HEAD} ${tip.x},${top}`,
      variables: edge.variables,
      flows,
      isDeclared: edge.declared,
      label: { text: shortened(flows.join(', '), LONGEST_LABEL), ...lastMiddle(path) }
    };
  });
  return { width: layout.width, height: layout.height, nodes, edges };
}

function shortened(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, Math.max(length - 1, 0))}…`;
}

/**
 * The middle of a path's last curve: there, lines to the same step are still apart, and no box is in the way. A path is
 * `M x y` and then `C` with three points, as often as there are curves.
 */
function lastMiddle(path: string): { x: number; y: number } {
  const numbers = (path.match(/-?\d+(?:\.\d+)?/g) ?? []).map(Number);
  if (numbers.length < 8) {
    return { x: numbers[0] ?? 0, y: numbers[1] ?? 0 };
  }
  const [x0, y0, x1, y1, x2, y2, x3, y3] = numbers.slice(-8);
  return { x: (x0 + 3 * x1 + 3 * x2 + x3) / 8, y: (y0 + 3 * y1 + 3 * y2 + y3) / 8 };
}

export type Direction = 'up' | 'down' | 'left' | 'right';

/** Where an arrow key leads: along an edge to what comes before or after, or to the neighbour of the same row. */
export function nextNode(elements: GraphElements, from: number, direction: Direction): number {
  const here = elements.nodes[from];
  const centre = (node: NodeElement) => node.x + node.width / 2;
  const candidates = {
    up: () => elements.edges.filter(edge => edge.to === from).map(edge => edge.from),
    down: () => elements.edges.filter(edge => edge.from === from).map(edge => edge.to),
    left: () => row(elements, here).filter(index => elements.nodes[index].x < here.x),
    right: () => row(elements, here).filter(index => elements.nodes[index].x > here.x)
  }[direction]();
  const distance = (index: number) => {
    const node = elements.nodes[index];
    return Math.abs(node.y - here.y) * 4 + Math.abs(centre(node) - centre(here));
  };
  return candidates.reduce(
    (best, index) => (best < 0 || distance(index) < distance(best) ? index : best),
    -1
  );
}

function row(elements: GraphElements, node: NodeElement): number[] {
  return elements.nodes.filter(other => other.y === node.y).map(other => other.index);
}

/** What belongs together with a step or an edge that is looked at. */
export interface Lit {
  /** The steps in question, and those at the other ends of their edges. */
  nodes: Set<number>;
  near: Set<number>;
  edges: Set<number>;
  variables: Set<string>;
}

export const NOTHING_LIT: Lit = { nodes: new Set(), near: new Set(), edges: new Set(), variables: new Set() };

export function litByNode(elements: GraphElements, node: number): Lit {
  const edges = elements.edges.filter(edge => edge.from === node || edge.to === node);
  return {
    nodes: new Set([node]),
    near: new Set(edges.flatMap(edge => [edge.from, edge.to]).filter(index => index !== node)),
    edges: new Set(edges.map(edge => edge.index)),
    variables: new Set(edges.flatMap(edge => edge.variables))
  };
}

export function litByEdge(elements: GraphElements, index: number): Lit {
  const edge = elements.edges[index];
  return {
    nodes: new Set([edge.from, edge.to]),
    near: new Set(),
    edges: new Set([index]),
    variables: new Set(edge.variables)
  };
}
