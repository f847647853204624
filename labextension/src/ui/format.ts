/** Times, sizes and numbers as people read them. */

export function formatSeconds(seconds: number): string {
  if (seconds < 0.0995) {
    return `${Math.round(seconds * 1000)} ms`;
  }
  if (seconds < 59.95) {
    return `${seconds.toFixed(1)} s`;
  }
  const whole = Math.round(seconds);
  const minutes = Math.floor(whole / 60);
  return minutes < 60
    ? `${minutes} min ${whole % 60} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** How long an answer took: what is fast is told more exactly. */
export function formatMilliseconds(seconds: number): string {
  const milliseconds = seconds * 1000;
  return milliseconds < 9.95 ? `${milliseconds.toFixed(1)} ms` : formatSeconds(seconds);
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

/** Metrics: finite numbers with six significant digits; those that are not finite come as texts. */
export function formatNumber(value: number | string): string {
  return typeof value === 'number' ? String(Number(value.toPrecision(6))) : value;
}

/** A value as it came from JSON; nothing where there is none. */
export function formatValue(value: unknown): string {
  if (value === undefined) {
    return '';
  }
  return typeof value === 'number' || typeof value === 'string' ? formatNumber(value) : JSON.stringify(value);
}
