/** Zoom and pan as arithmetic: a point `p` of the picture is seen at `p * scale + (x, y)`. */
export interface Viewport {
  scale: number;
  x: number;
  y: number;
}

export interface Size {
  width: number;
  height: number;
}

export interface Box extends Size {
  x: number;
  y: number;
}

const MARGIN = 16;
/** Scales: of the smallest text that can be read, and of what is seen first where the whole cannot. */
const READABLE = 0.4;
const FIRST = 0.75;
const LARGEST = 3;

/** The whole picture, in the middle, and no larger than it was made. */
export function fit(picture: Size, window: Size): Viewport {
  const room = { width: window.width - 2 * MARGIN, height: window.height - 2 * MARGIN };
  const scale = Math.max(0.02, Math.min(room.width / picture.width, room.height / picture.height, 1));
  return {
    scale,
    x: (window.width - picture.width * scale) / 2,
    y: Math.max(MARGIN, (window.height - picture.height * scale) / 2)
  };
}

/** What is seen first: the whole picture, or its beginning where the whole could not be read. */
export function home(picture: Size, first: Box, window: Size): Viewport {
  const whole = fit(picture, window);
  if (whole.scale >= READABLE) {
    return whole;
  }
  return { scale: FIRST, x: window.width / 2 - (first.x + first.width / 2) * FIRST, y: MARGIN };
}

/** Zooms around a point of the window, which stays where it is. */
export function zoom(view: Viewport, factor: number, at: { x: number; y: number }): Viewport {
  const scale = Math.min(LARGEST, Math.max(0.02, view.scale * factor));
  const ratio = scale / view.scale;
  return { scale, x: at.x - (at.x - view.x) * ratio, y: at.y - (at.y - view.y) * ratio };
}

/** Moves no further than it takes to see a box. */
export function reveal(view: Viewport, box: Box, window: Size): Viewport {
  const along = (start: number, length: number, offset: number, room: number) => {
    const low = start * view.scale + offset;
    const high = low + length * view.scale;
    return low < MARGIN
      ? offset + MARGIN - low
      : high > room - MARGIN
        ? offset - (high - room + MARGIN)
        : offset;
  };
  return {
    scale: view.scale,
    x: along(box.x, box.width, view.x, window.width),
    y: along(box.y, box.height, view.y, window.height)
  };
}
