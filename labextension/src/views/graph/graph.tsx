import * as React from 'react';

import { useTranslation } from '../../ui/translation';
import { litByEdge, litByNode, nextNode, NOTHING_LIT } from './elements';
import type { Direction, GraphElements, Lit } from './elements';
import { Picture } from './picture';
import { fit, home, reveal, zoom } from './viewport';
import type { Size, Viewport } from './viewport';

/** Up to so many edges, each says what flows along it. */
const LABELLED_EDGES = 40;
const ZOOM_STEP = 1.25;
const PAN_STEP = 60;
/** Pixels that a pointer may move in a click. */
const CLICK_SLACK = 4;
const ARROWS: Record<string, Direction> = {
  ArrowUp: 'up',
  ArrowDown: 'down',
  ArrowLeft: 'left',
  ArrowRight: 'right'
};

interface GraphProps {
  elements: GraphElements;
  label: string;
  /** Small: as wide as there is room, without zoom and labels. */
  isSmall: boolean;
  onOpen: (node: number) => void;
  onLight: (lit: Lit) => void;
}

/** The steps as a picture that one can walk through, by mouse or by keyboard. */
export function StepGraph({ elements, label, isSmall, onOpen, onLight }: GraphProps): JSX.Element {
  const trans = useTranslation();
  const frame = React.useRef<HTMLDivElement>(null);
  const begun = React.useRef(performance.now());
  const [size, setSize] = React.useState<Size>({ width: 0, height: 0 });
  /** `null` as long as nobody has moved it. */
  const [moved, setMoved] = React.useState<Viewport | null>(null);
  const [current, setCurrent] = React.useState(0);
  const [lit, setLit] = React.useState<Lit>(NOTHING_LIT);
  const first = home(elements, elements.nodes[0], size);
  const view = moved ?? first;
  const here = Math.min(current, Math.max(elements.nodes.length - 1, 0));

  const show = (next: Lit) => {
    setLit(next);
    onLight(next);
  };
  // What the picture is given stays the same from one drawing to the next, so that it is not drawn with each.
  const latest = React.useRef({ elements, show, onOpen, setCurrent });
  latest.current = { elements, show, onOpen, setCurrent };
  const handlers = React.useMemo(
    () => ({
      onNode: (node: number) => {
        latest.current.setCurrent(node);
        latest.current.onOpen(node);
      },
      onLightNode: (node: number | null) =>
        latest.current.show(node === null ? NOTHING_LIT : litByNode(latest.current.elements, node)),
      onFocusNode: (node: number) => {
        latest.current.setCurrent(node);
        latest.current.show(litByNode(latest.current.elements, node));
      },
      onLightEdge: (edge: number | null) =>
        latest.current.show(edge === null ? NOTHING_LIT : litByEdge(latest.current.elements, edge))
    }),
    []
  );

  React.useLayoutEffect(() => {
    const observer = new ResizeObserver(([entry]) => setSize(entry.contentRect));
    observer.observe(frame.current!);
    requestAnimationFrame(() =>
      performance.measure(isSmall ? 'kale-rs:small-graph' : 'kale-rs:graph', { start: begun.current })
    );
    return () => observer.disconnect();
  }, []);
  React.useEffect(() => () => latest.current.show(NOTHING_LIT), []);
  const zoomBy = (factor: number, at = { x: size.width / 2, y: size.height / 2 }) =>
    setMoved(zoom(view, factor, at));
  useWheel(frame, !isSmall, (delta, at) => zoomBy(Math.exp(-delta / 400), at));
  const drag = useDrag(!isSmall, (x, y) => setMoved(before => shifted(before ?? first, x, y)));

  const walk = (direction: Direction) => {
    const next = nextNode(elements, here, direction);
    if (next >= 0) {
      setCurrent(next);
      if (!isSmall) {
        setMoved(reveal(view, elements.nodes[next], size));
      }
      frame.current?.querySelector<SVGElement>(`[data-node="${next}"]`)?.focus({ preventScroll: true });
    }
  };
  const onKeyDown = (event: React.KeyboardEvent) => {
    const direction = ARROWS[event.key];
    const [dx, dy] = direction ? SHIFTS[direction] : [0, 0];
    if (event.ctrlKey || event.metaKey || event.altKey) {
      return;
    } else if (direction && event.shiftKey && !isSmall) {
      setMoved(shifted(view, -dx * PAN_STEP, -dy * PAN_STEP));
    } else if (direction) {
      walk(direction);
    } else if (event.key === 'Enter' || event.key === ' ') {
      onOpen(here);
    } else if ((event.key === '+' || event.key === '=') && !isSmall) {
      zoomBy(ZOOM_STEP);
    } else if (event.key === '-' && !isSmall) {
      zoomBy(1 / ZOOM_STEP);
    } else if (event.key === '0' && !isSmall) {
      setMoved(fit(elements, size));
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };

  const picture = (
    <Picture
      elements={elements}
      lit={lit}
      current={here}
      hasLabels={!isSmall && elements.edges.length <= LABELLED_EDGES}
      {...handlers}
    />
  );
  return (
    <div
      className="kale-Graph"
      data-small={isSmall}
      data-lit={lit !== NOTHING_LIT}
      ref={frame}
      style={isSmall ? { aspectRatio: `${elements.width} / ${elements.height}` } : undefined}
      {...drag}
    >
      <svg
        role="group"
        aria-label={label}
        aria-roledescription={trans.__('graph of steps; arrow keys follow its edges')}
        onKeyDown={onKeyDown}
        viewBox={isSmall ? `0 0 ${elements.width} ${elements.height}` : undefined}
      >
        {isSmall ? (
          picture
        ) : (
          <g transform={`translate(${view.x} ${view.y}) scale(${view.scale})`}>{picture}</g>
        )}
      </svg>
      {!isSmall && (
        <div className="kale-Graph-buttons" role="toolbar" aria-label={trans.__('Zoom')}>
          <button
            className="kale-Button"
            title={trans.__('Zoom out (-)')}
            onClick={() => zoomBy(1 / ZOOM_STEP)}
          >
            <span aria-hidden="true">−</span>
          </button>
          <button className="kale-Button" title={trans.__('Zoom in (+)')} onClick={() => zoomBy(ZOOM_STEP)}>
            <span aria-hidden="true">+</span>
          </button>
          <button className="kale-Button" data-action="fit" onClick={() => setMoved(fit(elements, size))}>
            {trans.__('Fit')}
          </button>
        </div>
      )}
    </div>
  );
}

const SHIFTS: Record<Direction, [number, number]> = {
  up: [0, -1],
  down: [0, 1],
  left: [-1, 0],
  right: [1, 0]
};

function shifted(view: Viewport, x: number, y: number): Viewport {
  return { ...view, x: view.x + x, y: view.y + y };
}

/** React's own wheel handlers cannot keep the page from scrolling. */
function useWheel(
  frame: React.RefObject<HTMLElement>,
  isOn: boolean,
  onWheel: (delta: number, at: { x: number; y: number }) => void
): void {
  const latest = React.useRef(onWheel);
  latest.current = onWheel;
  React.useEffect(() => {
    const node = frame.current;
    if (node === null || !isOn) {
      return;
    }
    const listen = (event: WheelEvent) => {
      event.preventDefault();
      const { left, top } = node.getBoundingClientRect();
      latest.current(event.deltaY, { x: event.clientX - left, y: event.clientY - top });
    };
    node.addEventListener('wheel', listen, { passive: false });
    return () => node.removeEventListener('wheel', listen);
  }, [frame, isOn]);
}

/** Moves the picture with the pointer; a press that hardly moves stays a click. */
function useDrag(isOn: boolean, onMove: (x: number, y: number) => void): React.HTMLAttributes<HTMLElement> {
  const held = React.useRef<{ x: number; y: number; isMoving: boolean } | null>(null);
  if (!isOn) {
    return {};
  }
  return {
    onPointerDown: event => {
      if (event.button === 0) {
        held.current = { x: event.clientX, y: event.clientY, isMoving: false };
      }
    },
    onPointerMove: event => {
      const start = held.current;
      if (start === null) {
        return;
      }
      const [x, y] = [event.clientX - start.x, event.clientY - start.y];
      if (!start.isMoving && Math.hypot(x, y) < CLICK_SLACK) {
        return;
      }
      if (!start.isMoving) {
        event.currentTarget.setPointerCapture(event.pointerId);
      }
      held.current = { x: event.clientX, y: event.clientY, isMoving: true };
      onMove(x, y);
    },
    onPointerUp: () => (held.current = null),
    onPointerCancel: () => (held.current = null)
  };
}
