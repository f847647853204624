import type { TranslationBundle } from '@jupyterlab/translation';

import type { Role } from '../notebook/tags';

type PlainKind = Exclude<Role['kind'], 'step' | 'notebook' | 'skip'>;

/** What cells without a name of their own are called, on badges and in the tag editor. */
export function roleWord(kind: PlainKind, trans: TranslationBundle): string {
  const words: Record<PlainKind, string> = {
    imports: trans.__('imports'),
    functions: trans.__('functions'),
    'pipeline-parameters': trans.__('parameters'),
    'pipeline-metrics': trans.__('metrics')
  };
  return words[kind];
}
