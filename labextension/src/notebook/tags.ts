/**
 * Kale's tag grammar, as far as the panel needs it before the compiler has answered: which step a cell belongs to by
 * its tags alone, and how the tag editor writes them. The compiler's word outranks what is guessed here.
 */

export type Role =
  | { kind: 'step'; name: string }
  | { kind: 'notebook'; name: string }
  | { kind: 'imports' | 'functions' | 'pipeline-parameters' | 'pipeline-metrics' | 'skip' };

const PLAIN = ['imports', 'functions', 'pipeline-parameters', 'pipeline-metrics', 'skip'] as const;

/** What a cell's own tags make of it; `null` when they say nothing. */
export function roleOf(tags: readonly string[]): Role | null {
  for (const tag of tags) {
    const text = tag.trim();
    const plain = PLAIN.find(each => each === text);
    if (plain) {
      return { kind: plain };
    }
    if (text === 'parameters') {
      return { kind: 'pipeline-parameters' };
    }
    const step = /^(?:step|block):(.+)$/.exec(text);
    if (step) {
      return { kind: 'step', name: step[1].trim() };
    }
    const notebook = /^notebook:(.+)$/.exec(text);
    if (notebook) {
      return { kind: 'notebook', name: notebook[1].trim() };
    }
  }
  return null;
}

export function roleTag(role: Role): string {
  return role.kind === 'step' || role.kind === 'notebook' ? `${role.kind}:${role.name}` : role.kind;
}

/** The steps that the cell's `prev:` tags name. */
export function previousOf(tags: readonly string[]): string[] {
  return tags.flatMap(tag => /^prev:(.+)$/.exec(tag.trim())?.[1].trim() ?? []);
}

/** Tags that say how a step is run, by the word before their first colon. */
const SETTINGS = [
  'annotation',
  'label',
  'limit',
  'image',
  'cache',
  'report',
  'secret',
  'cpu',
  'memory',
  'gpu',
  'retries',
  'timeout'
] as const;

export type Setting = (typeof SETTINGS)[number];

/** The value of a setting that a cell has at most once. */
export function settingOf(tags: readonly string[], setting: Setting): string {
  const prefix = `${setting}:`;
  const found = tags.map(tag => tag.trim()).find(tag => tag.startsWith(prefix));
  return found === undefined ? '' : found.slice(prefix.length).trim();
}

/** Whether a tag is part of the pipeline's language. */
export function isOurs(tag: string): boolean {
  const word = tag.trim().split(':', 1)[0];
  return (
    roleOf([tag]) !== null || (tag.includes(':') && (word === 'prev' || SETTINGS.some(each => each === word)))
  );
}

export interface CellTags {
  role: Role | null;
  previous: string[];
  /** Settings that the editor has a field for. */
  settings: Partial<Record<Setting, string>>;
}

/** Settings that may stand in a cell several times: the editor leaves them alone. */
export const REPEATABLE: readonly Setting[] = ['annotation', 'label', 'limit', 'secret'];

export const SINGLE_SETTINGS: readonly Setting[] = SETTINGS.filter(each => !REPEATABLE.includes(each));

/** What the tag editor shows of a cell's tags. */
export function readTags(tags: readonly string[]): CellTags {
  const settings: Partial<Record<Setting, string>> = {};
  for (const setting of SINGLE_SETTINGS) {
    const value = settingOf(tags, setting);
    if (value) {
      settings[setting] = value;
    }
  }
  return { role: roleOf(tags), previous: previousOf(tags), settings };
}

/** The tags of a cell after an edit: ours are written anew in a fixed order, all others stay where they are. */
export function writeTags(before: readonly string[], edited: CellTags): string[] {
  const kept = before.filter(tag => {
    const word = tag.trim().split(':', 1)[0];
    return !isOurs(tag) || REPEATABLE.some(each => each === word);
  });
  const ours = edited.role === null ? [] : [roleTag(edited.role)];
  if (edited.role !== null) {
    ours.push(...edited.previous.map(name => `prev:${name}`));
    for (const setting of SINGLE_SETTINGS) {
      const value = edited.settings[setting];
      if (value) {
        ours.push(`${setting}:${value}`);
      }
    }
  }
  return [...ours, ...kept];
}

/** What a `%%pipeline` line at the head of a cell makes of it. Such a cell is told by its magic, not by its tags. */
export function roleOfMagic(source: string): Role | null {
  const words = /^\s*%%pipeline[ \t]+(\S+)(?:[ \t]+([^\s-]\S*))?/.exec(source);
  switch (words?.[1]) {
    case 'step':
      return words[2] ? { kind: 'step', name: words[2].replace(/^(["'])(.*)\1$/, '$2') } : null;
    case 'parameters':
      return { kind: 'pipeline-parameters' };
    case 'metrics':
      return { kind: 'pipeline-metrics' };
    case 'imports':
    case 'functions':
    case 'skip':
      return { kind: words[1] };
    default:
      return null;
  }
}

export interface TaggedCell {
  isCode: boolean;
  tags: readonly string[];
  source: string;
}

/**
 * The role of every cell by tags alone: what the badges show until the compiler has answered. A cell that says nothing
 * joins the block before it, or, before the first one, the step `setup`. Without any step the compiler splits by itself.
 */
export function rolesByTags(cells: readonly TaggedCell[]): (Role | null)[] {
  let block: Role | null = null;
  const own = cells.map(cell => (cell.isCode ? (roleOfMagic(cell.source) ?? roleOf(cell.tags)) : null));
  const isTagged = own.some(role => role?.kind === 'step');
  return cells.map((cell, index) => {
    const role = own[index];
    if (!cell.isCode) {
      return null;
    }
    if (role !== null && role.kind !== 'skip') {
      block = role;
    }
    return role ?? (isTagged ? (block ?? { kind: 'step', name: 'setup' }) : null);
  });
}
