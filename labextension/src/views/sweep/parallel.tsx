import * as React from 'react';

import { formatNumber } from '../../ui/format';
import { useTranslation } from '../../ui/translation';
import type { Axis, Brushes, Linked, Valued } from './points';

const HEIGHT = 220;
const TOP = 28;
const BOTTOM = 16;
const SPACE = 120;
const SIDE = 60;

interface ParallelProps extends Linked {
  axes: readonly Axis[];
  points: readonly Valued[];
  chosen: ReadonlySet<number>;
  brushes: Brushes;
  onBrush: (axis: string, range: readonly [number, number] | null) => void;
}

/** Parallel coordinates: a line for each trial, across what was varied to the objective. A part of an axis can be chosen. */
export function Parallel(props: ParallelProps): JSX.Element {
  const trans = useTranslation();
  const { axes, points, chosen, brushes, hovered } = props;
  const width = 2 * SIDE + SPACE * Math.max(1, axes.length - 1);
  const x = (index: number) => SIDE + index * SPACE;
  return (
    <svg
      className="kale-Parallel"
      width={width}
      height={HEIGHT}
      role="group"
      aria-label={trans.__('Trials across what was varied')}
      onMouseLeave={() => props.onHover(null)}
    >
      <Lines {...props} x={x} />
      {hovered !== null && points.some(({ trial }) => trial.trial === hovered) && (
        <path
          className="kale-Parallel-hovered"
          d={line(
            points.find(({ trial }) => trial.trial === hovered)!,
            axes,
            x
          )}
        />
      )}
      {axes.map((axis, index) => (
        <AxisLine
          key={axis.id}
          axis={axis}
          x={x(index)}
          brush={brushes[axis.id]}
          onBrush={range => props.onBrush(axis.id, range)}
        />
      ))}
      <title>{trans.__('%1 of %2 trials', chosen.size, points.length)}</title>
    </svg>
  );
}

/** Drawn again only when what they show has changed, not when the pointer moves. */
const Lines = React.memo(
  function Lines({
    axes,
    points,
    chosen,
    x,
    onHover,
    onOpen
  }: ParallelProps & { x: (index: number) => number }) {
    return (
      <g>
        {points.map(point => (
          <path
            key={point.trial.trial}
            className="kale-Parallel-line"
            data-chosen={chosen.has(point.trial.trial)}
            data-trial={point.trial.trial}
            d={line(point, axes, x)}
            onMouseEnter={() => onHover(point.trial.trial)}
            onClick={() => onOpen(point.trial.trial)}
          />
        ))}
      </g>
    );
  },
  (before, after) =>
    before.axes === after.axes && before.points === after.points && before.chosen === after.chosen
);

function line(point: Valued, axes: readonly Axis[], x: (index: number) => number): string {
  const places = axes.map((axis, index) =>
    axis.place(index === axes.length - 1 ? point.value : point.trial.parameters[axis.name])
  );
  const corner = (place: number | null, index: number) =>
    place === null ? '' : `${index === 0 ? 'M' : 'L'}${x(index)},${y(place).toFixed(1)}`;
  return places.map(corner).join('');
}

function y(place: number): number {
  return TOP + (1 - place) * (HEIGHT - TOP - BOTTOM);
}

interface AxisLineProps {
  axis: Axis;
  x: number;
  brush: readonly [number, number] | undefined;
  onBrush: (range: readonly [number, number] | null) => void;
}

/** An axis; by dragging along it, or with the arrow keys, a part of it is chosen. A double click chooses all. */
function AxisLine({ axis, x, brush, onBrush }: AxisLineProps): JSX.Element {
  const trans = useTranslation();
  const start = React.useRef<number | null>(null);
  const placeOf = (event: React.PointerEvent) => {
    const box = event.currentTarget.getBoundingClientRect();
    return Math.min(1, Math.max(0, 1 - (event.clientY - box.top) / box.height));
  };
  const down = (event: React.PointerEvent) => {
    start.current = placeOf(event);
    event.currentTarget.setPointerCapture(event.pointerId);
  };
  const move = (event: React.PointerEvent) => {
    if (start.current !== null) {
      const here = placeOf(event);
      onBrush([Math.min(start.current, here), Math.max(start.current, here)]);
    }
  };
  const up = (event: React.PointerEvent) => {
    if (start.current !== null && Math.abs(placeOf(event) - start.current) < 0.01) {
      onBrush(null);
    }
    start.current = null;
  };
  const key = (event: React.KeyboardEvent) => {
    const [low, high] = brush ?? [0, 1];
    const ranges: Record<string, readonly [number, number] | null> = {
      ArrowUp: [Math.min(low + 0.1, high), high],
      ArrowDown: [low, Math.max(high - 0.1, low)],
      Escape: null
    };
    if (event.key in ranges) {
      event.preventDefault();
      onBrush(ranges[event.key]);
    }
  };
  const words = brush === undefined ? trans.__('all of it') : `${percent(brush[0])} – ${percent(brush[1])}`;
  return (
    <g className="kale-Parallel-axis" data-axis={axis.name} transform={`translate(${x},0)`}>
      <text y={14} textAnchor="middle" className="kale-Parallel-name">
        {axis.name}
      </text>
      <line y1={y(1)} y2={y(0)} />
      {axis.ticks.slice(0, 8).map(({ text, place }) => (
        <text key={place} x={6} y={y(place) + 4}>
          {formatNumber(text)}
        </text>
      ))}
      {brush !== undefined && (
        <rect
          className="kale-Parallel-brush"
          x={-6}
          width={12}
          y={y(brush[1])}
          height={y(brush[0]) - y(brush[1])}
        />
      )}
      <rect
        className="kale-Parallel-handle"
        x={-10}
        width={20}
        y={y(1)}
        height={y(0) - y(1)}
        tabIndex={0}
        role="slider"
        aria-label={trans.__('Trials by %1', axis.name)}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.round(100 * (brush?.[0] ?? 0))}
        aria-valuetext={words}
        onPointerDown={down}
        onPointerMove={move}
        onPointerUp={up}
        onKeyDown={key}
      />
    </g>
  );
}

function percent(place: number): string {
  return `${Math.round(100 * place)} %`;
}
