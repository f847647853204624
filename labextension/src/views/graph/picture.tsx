import * as React from 'react';

import { STATUS_SIGNS, statusWord } from '../../ui/status';
import { useTranslation } from '../../ui/translation';
import type { EdgeElement, GraphElements, Lit, NodeElement } from './elements';

interface PictureProps {
  elements: GraphElements;
  lit: Lit;
  /** The node that the Tab key leads to. */
  current: number;
  /** Whether every edge has words, and not only those that are lit: in large graphs they cost time. */
  hasLabels: boolean;
  onNode: (node: number) => void;
  onLightNode: (node: number | null) => void;
  onFocusNode: (node: number) => void;
  onLightEdge: (edge: number | null) => void;
}

/** Edges and steps. Both are drawn anew only where they themselves have changed: there may be hundreds. */
export function Picture(props: PictureProps): JSX.Element {
  const { elements, lit, current, hasLabels, onNode, onLightNode, onFocusNode, onLightEdge } = props;
  return (
    <>
      {elements.edges.map(edge => (
        <Edge
          key={edge.index}
          edge={edge}
          from={elements.nodes[edge.from].name}
          to={elements.nodes[edge.to].name}
          isLit={lit.edges.has(edge.index)}
          hasLabel={hasLabels}
          onLight={onLightEdge}
        />
      ))}
      {elements.nodes.map(node => (
        <Node
          key={node.name}
          node={node}
          light={lit.nodes.has(node.index) ? 'lit' : lit.near.has(node.index) ? 'near' : ''}
          isCurrent={node.index === current}
          onOpen={onNode}
          onLight={onLightNode}
          onFocus={onFocusNode}
        />
      ))}
    </>
  );
}

interface EdgeProps {
  edge: EdgeElement;
  from: string;
  to: string;
  isLit: boolean;
  hasLabel: boolean;
  onLight: (edge: number | null) => void;
}

const Edge = React.memo(({ edge, from, to, isLit, hasLabel, onLight }: EdgeProps): JSX.Element => {
  const trans = useTranslation();
  const flows = edge.flows.join(', ') || trans.__('order only');
  const text = trans.__('%1 → %2: %3', from, to, flows);
  return (
    <g
      className={`kale-Graph-edge${isLit ? ' kale-mod-lit' : ''}`}
      data-kind={edge.kind}
      data-from={from}
      data-to={to}
      onMouseEnter={() => onLight(edge.index)}
      onMouseLeave={() => onLight(null)}
    >
      {(hasLabel || isLit) && (
        <title>
          {edge.isDeclared && edge.flows.length > 0 ? `${text} ${trans.__('(also declared)')}` : text}
        </title>
      )}
      <path className="kale-Graph-reach" d={edge.path} />
      <path className="kale-Graph-line" d={edge.path} />
      <polygon className="kale-Graph-head" points={edge.head} />
      {(hasLabel || isLit) && edge.label.text !== '' && (
        <text className="kale-Graph-label" x={edge.label.x} y={edge.label.y}>
          {edge.label.text}
        </text>
      )}
    </g>
  );
}, isSame);

interface NodeProps {
  node: NodeElement;
  light: string;
  isCurrent: boolean;
  onOpen: (node: number) => void;
  onLight: (node: number | null) => void;
  onFocus: (node: number) => void;
}

const Node = React.memo(({ node, light, isCurrent, onOpen, onLight, onFocus }: NodeProps): JSX.Element => {
  const trans = useTranslation();
  const status = node.status === null ? '' : `, ${statusWord(node.status, trans)}`;
  const middle = node.width / 2;
  return (
    <g
      className={`kale-Graph-node${light && ` kale-mod-${light}`}`}
      data-node={node.index}
      data-step={node.name}
      data-status={node.status ?? undefined}
      transform={`translate(${node.x} ${node.y})`}
      style={{ '--kale-step': node.colour } as React.CSSProperties}
      role="button"
      tabIndex={isCurrent ? 0 : -1}
      aria-label={trans.__('Step %1%2', node.name, status)}
      onClick={() => onOpen(node.index)}
      onFocus={() => onFocus(node.index)}
      onBlur={() => onLight(null)}
      onMouseEnter={() => onLight(node.index)}
      onMouseLeave={() => onLight(null)}
    >
      <rect className="kale-Graph-box" width={node.width} height={node.height} rx="6" />
      <rect className="kale-Graph-hue" width="4" height={node.height} rx="2" />
      <text className="kale-Graph-name" x={middle} y={node.detail ? 19 : node.height / 2 + 4}>
        {node.name}
      </text>
      {node.detail && (
        <text className="kale-Graph-detail" x={middle} y="35">
          {node.detail}
        </text>
      )}
      {node.status !== null && (
        <g className="kale-Graph-status" data-status={node.status}>
          <circle cx={node.width - 2} cy="2" r="8" />
          <text x={node.width - 2} y="6">
            {STATUS_SIGNS[node.status]}
          </text>
        </g>
      )}
    </g>
  );
}, isSame);

/** Elements are made anew with every answer, mostly with the same content. */
function isSame(before: object, after: object): boolean {
  const [a, b] = [before as Record<string, unknown>, after as Record<string, unknown>];
  return Object.keys(b).every(key => a[key] === b[key] || (isElement(b[key]) && sameContent(a[key], b[key])));
}

function isElement(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}

function sameContent(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
