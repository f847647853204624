/**
 * What may stand in the values of tags: the rules of `rust/kale_model/src/name.rs` and
 * `rust/kale_frontend/src/tag/values.rs`, so that the tag editor refuses what the compiler would refuse.
 */

import type { Setting } from './tags';

const STEP_NAME = /^[A-Za-z_][A-Za-z0-9_-]{0,62}$/;
const QUANTITY = /^(\d+\.?\d*|\.\d+)(m|k|M|G|T|Ki|Mi|Gi|Ti)?$/;
const TIME = /^\+?\d+$|^(\d+[smhd])+$/;

export function isStepName(text: string): boolean {
  return STEP_NAME.test(text);
}

/** The nearest step name to what was typed; empty where no character of it can be used. */
export function stepSlug(text: string): string {
  const slug = text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .replace(/^_+|_+$/g, '')
    .slice(0, 40)
    .replace(/_+$/, '');
  return /^\d/.test(slug) ? `_${slug}` : slug;
}

function isQuantity(text: string): boolean {
  return QUANTITY.test(text) && parseFloat(text) > 0;
}

function isWhole(text: string, least: number): boolean {
  return /^\+?\d+$/.test(text) && Number(text) >= least && Number(text) < 2 ** 32;
}

/** Whether a setting may have a value; no value at all is always right. */
export function isSettingValue(setting: Setting, text: string): boolean {
  if (text === '') {
    return true;
  }
  switch (setting) {
    case 'cpu':
    case 'memory':
      return isQuantity(text);
    case 'gpu':
      return isWhole(text, 1);
    case 'retries':
      return isWhole(text, 0);
    case 'timeout':
      return TIME.test(text) && /[1-9]/.test(text);
    case 'cache':
    case 'report':
      return text === 'enabled' || text === 'disabled';
    case 'image':
      return !/\s/.test(text);
    default:
      return true;
  }
}
