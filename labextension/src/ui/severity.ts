import type { TranslationBundle } from '@jupyterlab/translation';

import type { Severity } from '../protocol';

/** The gravest first. */
export const SEVERITIES: readonly Severity[] = ['error', 'warning', 'info'];

/** One sign for each severity, so that none is told by colour alone. */
export const SEVERITY_SIGNS: Record<Severity, string> = { error: '✗', warning: '!', info: 'i' };

export function severityWord(severity: Severity, trans: TranslationBundle): string {
  const words: Record<Severity, string> = {
    error: trans.__('error'),
    warning: trans.__('warning'),
    info: trans.__('note')
  };
  return words[severity];
}
