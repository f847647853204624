import { isSettingValue, isStepName } from '../../notebook/grammar';
import { isOurs, readTags, REPEATABLE, SINGLE_SETTINGS, writeTags } from '../../notebook/tags';
import type { Role, Setting } from '../../notebook/tags';

/** What a cell may be: the parts of Kale's grammar, or nothing of its own. */
export const KINDS = [
  'step',
  'imports',
  'functions',
  'pipeline-parameters',
  'pipeline-metrics',
  'skip',
  'notebook',
  'none'
] as const;

export type Kind = (typeof KINDS)[number];

/** What the fields of the tag editor hold. */
export interface TagForm {
  kind: Kind;
  name: string;
  previous: string[];
  settings: Partial<Record<Setting, string>>;
}

export type Field = 'name' | Setting;

/** The fields for a cell's tags; a cell that says nothing shows the step that it belongs to. */
export function formOf(tags: readonly string[], inherited: Role | null): TagForm {
  const read = readTags(tags);
  const role = read.role ?? (inherited?.kind === 'step' ? inherited : null);
  return {
    kind: role?.kind ?? 'none',
    name: role !== null && 'name' in role ? role.name : '',
    previous: read.previous,
    settings: read.settings
  };
}

/** Whether a kind has a name, and whether it says how it is run. */
export function isNamed(kind: Kind): kind is 'step' | 'notebook' {
  return kind === 'step' || kind === 'notebook';
}

/** Fields whose values the compiler would refuse. */
export function faultsOf({ kind, name, settings }: TagForm): Set<Field> {
  const faults = new Set<Field>();
  if (kind === 'step' ? !isStepName(name.trim()) : kind === 'notebook' && name.trim() === '') {
    faults.add('name');
  }
  if (isNamed(kind)) {
    for (const setting of SINGLE_SETTINGS) {
      if (!isSettingValue(setting, (settings[setting] ?? '').trim())) {
        faults.add(setting);
      }
    }
  }
  return faults;
}

/** The cell's tags with what the form says. */
export function tagsFrom(before: readonly string[], { kind, name, previous, settings }: TagForm): string[] {
  const role: Role | null = kind === 'none' ? null : isNamed(kind) ? { kind, name: name.trim() } : { kind };
  const trimmed: TagForm['settings'] = {};
  for (const setting of SINGLE_SETTINGS) {
    trimmed[setting] = settings[setting]?.trim();
  }
  const edited = isNamed(kind) ? { role, previous, settings: trimmed } : { role, previous: [], settings: {} };
  return writeTags(before, edited);
}

/** Tags that have no field and stay as they are. */
export function keptTags(tags: readonly string[]): string[] {
  return tags.filter(tag => !isOurs(tag) || REPEATABLE.some(word => tag.trim().startsWith(`${word}:`)));
}
