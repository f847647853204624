import type { TranslationBundle } from '@jupyterlab/translation';

/** What fits into a line of a box is written in one. */
const LINE = 72;

/** JSON as people write it: what is short in one line, so that a row is one. */
export function written(value: unknown, indent = ''): string {
  const short = inOneLine(value);
  if (typeof value !== 'object' || value === null || indent.length + short.length <= LINE) {
    return short;
  }
  const inner = `${indent}  `;
  const parts = Array.isArray(value)
    ? value.map(each => inner + written(each, inner))
    : Object.entries(value).map(([key, each]) => `${inner}${JSON.stringify(key)}: ${written(each, inner)}`);
  const [begin, end] = Array.isArray(value) ? '[]' : '{}';
  return parts.length === 0 ? begin + end : `${begin}\n${parts.join(',\n')}\n${indent}${end}`;
}

function inOneLine(value: unknown): string {
  if (Array.isArray(value)) {
    return `[${value.map(inOneLine).join(', ')}]`;
  }
  if (typeof value !== 'object' || value === null) {
    return JSON.stringify(value);
  }
  const members = Object.entries(value).map(([key, each]) => `${JSON.stringify(key)}: ${inOneLine(each)}`);
  return `{${members.join(', ')}}`;
}

export function parsed(text: string, trans: TranslationBundle): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(trans.__('This is no JSON: %1', why));
  }
}
