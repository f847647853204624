import * as React from 'react';

import { useTranslation } from '../../ui/translation';
import { modesOf } from './form';
import type { Mode, Row } from './form';

interface ParameterRowProps {
  row: Row;
  /** It cannot be made fixed. */
  isVaried?: boolean;
  onChange: (change: Partial<Row>) => void;
}

/** One parameter: fixed, from a range, or from a list. */
export function ParameterRow({ row, isVaried = false, onChange }: ParameterRowProps): JSX.Element {
  const trans = useTranslation();
  const words: Record<Mode, string> = {
    fixed: trans.__('fixed'),
    range: trans.__('range'),
    list: trans.__('list')
  };
  const modes = modesOf(row.type).filter(mode => !isVaried || mode !== 'fixed');
  const field = (name: 'value' | 'low' | 'high' | 'step' | 'values', label: string, placeholder = '') => (
    <input
      className="kale-Input"
      name={`${row.name}-${name}`}
      aria-label={`${row.name}: ${label}`}
      value={row[name]}
      placeholder={placeholder}
      onChange={event => onChange({ [name]: event.target.value })}
    />
  );
  return (
    <div className="kale-SweepRow" data-parameter={row.name} data-mode={row.mode}>
      <span className="kale-SweepRow-name">
        {row.name} <small className="kale-Field-type">{row.type}</small>
      </span>
      <select
        className="kale-Input"
        name={`${row.name}-mode`}
        aria-label={trans.__('%1: how it is varied', row.name)}
        value={row.mode}
        onChange={event => onChange({ mode: event.target.value as Mode })}
      >
        {modes.map(mode => (
          <option key={mode} value={mode}>
            {words[mode]}
          </option>
        ))}
      </select>
      {row.mode === 'fixed' && field('value', trans.__('value'), row.placeholder)}
      {row.mode === 'list' && field('values', trans.__('values, with commas between them'))}
      {row.mode === 'range' && (
        <>
          {field('low', trans.__('from'), trans.__('from'))}
          {field('high', trans.__('to'), trans.__('to'))}
          {!row.isLogarithmic && field('step', trans.__('step'), trans.__('step'))}
          <label className="kale-SweepRow-log">
            <input
              type="checkbox"
              name={`${row.name}-log`}
              checked={row.isLogarithmic}
              onChange={event => onChange({ isLogarithmic: event.target.checked })}
            />
            {trans.__('logarithmic')}
          </label>
        </>
      )}
    </div>
  );
}
