import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import type { Setting } from '../../notebook/tags';
import { useTranslation } from '../../ui/translation';
import type { Field } from './form';

interface SettingFieldsProps {
  prefix: string;
  values: Partial<Record<Setting, string>>;
  faults: ReadonlySet<Field>;
  onChange: (setting: Setting, value: string) => void;
}

interface TextSetting {
  setting: Setting;
  label: string;
  example: string;
  /** What to write when what is there cannot be read. */
  help: string;
}

function textSettings(trans: TranslationBundle): TextSetting[] {
  return [
    { setting: 'cpu', label: trans.__('CPU'), example: '500m', help: trans.__('Cores, such as 2 or 500m.') },
    {
      setting: 'memory',
      label: trans.__('Memory'),
      example: '2Gi',
      help: trans.__('An amount such as 512Mi or 2Gi.')
    },
    { setting: 'gpu', label: trans.__('GPUs'), example: '1', help: trans.__('A whole number, at least 1.') },
    { setting: 'retries', label: trans.__('Retries'), example: '2', help: trans.__('A whole number.') },
    {
      setting: 'timeout',
      label: trans.__('Timeout'),
      example: '30m',
      help: trans.__('Seconds, or a time such as 30m or 1h30m.')
    },
    {
      setting: 'image',
      label: trans.__('Image'),
      example: 'python:3.12-slim',
      help: trans.__('A reference without blanks.')
    }
  ];
}

/** How a step is run: resources, attempts, image; and whether results are used again. */
export function SettingFields({ prefix, values, faults, onChange }: SettingFieldsProps): JSX.Element {
  const trans = useTranslation();
  const switches: { setting: Setting; label: string }[] = [
    { setting: 'cache', label: trans.__('Use stored results') },
    { setting: 'report', label: trans.__('Report') }
  ];
  return (
    <>
      {textSettings(trans).map(({ setting, label, example, help }) => {
        const id = `${prefix}-${setting}`;
        return (
          <React.Fragment key={setting}>
            <label htmlFor={id}>{label}</label>
            <span>
              <input
                id={id}
                className="kale-Input"
                placeholder={trans.__('such as %1', example)}
                spellCheck={false}
                autoComplete="off"
                value={values[setting] ?? ''}
                aria-invalid={faults.has(setting)}
                aria-describedby={`${id}-fault`}
                onChange={event => onChange(setting, event.target.value)}
              />
              <span id={`${id}-fault`} className="kale-TagEditor-fault">
                {faults.has(setting) ? help : ''}
              </span>
            </span>
          </React.Fragment>
        );
      })}
      {switches.map(({ setting, label }) => (
        <React.Fragment key={setting}>
          <label htmlFor={`${prefix}-${setting}`}>{label}</label>
          <select
            id={`${prefix}-${setting}`}
            className="kale-Input"
            value={values[setting] ?? ''}
            onChange={event => onChange(setting, event.target.value)}
          >
            <option value="">{trans.__('as is usual')}</option>
            <option value="enabled">{trans.__('always')}</option>
            <option value="disabled">{trans.__('never')}</option>
          </select>
        </React.Fragment>
      ))}
    </>
  );
}
