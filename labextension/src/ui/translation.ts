import { nullTranslator } from '@jupyterlab/translation';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

export const DOMAIN = 'kale_rs';

/** Every text that a person reads goes through the bundle. */
export const TranslationContext = React.createContext<TranslationBundle>(nullTranslator.load(DOMAIN));

export function useTranslation(): TranslationBundle {
  return React.useContext(TranslationContext);
}
