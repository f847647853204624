import * as React from 'react';

import { ParameterRow } from '../../panel/sweep/parameterRow';
import type { Row } from '../../panel/sweep/form';
import type { Sweep } from '../../protocol';
import { useTranslation } from '../../ui/translation';
import { canNarrow, choiceOf } from './extension';
import type { Extension } from './extension';

interface ExtendFormProps {
  sweep: Sweep;
  initial: Extension;
  isActing: boolean;
  onExtend: (choice: ReturnType<typeof choiceOf>) => void;
  onCancel: () => void;
}

/** More trials, from the same ranges or from others; all that were tried count. */
export function ExtendForm({ sweep, initial, isActing, onExtend, onCancel }: ExtendFormProps): JSX.Element {
  const trans = useTranslation();
  const [extension, setExtension] = React.useState(initial);
  const first = React.useRef<HTMLInputElement>(null);
  React.useEffect(() => {
    setExtension(initial);
    first.current?.focus();
  }, [initial]);
  const choice = choiceOf(extension, sweep);
  const setRow = (index: number, change: Partial<Row>) =>
    setExtension({
      ...extension,
      rows: extension.rows.map((row, other) => (other === index ? { ...row, ...change } : row))
    });
  const fault = choice.trials === null ? trans.__('Trials are a whole number, from 1 on.') : null;
  return (
    <form
      className="kale-SweepForm kale-ExtendForm"
      aria-label={trans.__('Extend the sweep')}
      onSubmit={event => {
        event.preventDefault();
        onExtend(choice);
      }}
      onKeyDown={event => {
        if (event.key === 'Escape') {
          onCancel();
        }
      }}
    >
      <label className="kale-Field">
        <span>{trans.__('Trials, those that were tried included')}</span>
        <input
          ref={first}
          className="kale-Input"
          name="extend-trials"
          inputMode="numeric"
          value={extension.trials}
          onChange={event => setExtension({ ...extension, trials: event.target.value })}
        />
      </label>
      {canNarrow(sweep) ? (
        <fieldset className="kale-Form">
          <legend>{trans.__('The next trials are from')}</legend>
          {extension.rows.map((row, index) => (
            <ParameterRow key={row.name} row={row} isVaried onChange={change => setRow(index, change)} />
          ))}
        </fieldset>
      ) : (
        <p>{trans.__('The trials of %1 follow from its ranges, which stay.', sweep.definition.algorithm)}</p>
      )}
      {fault !== null && (
        <p className="kale-Refusal" role="alert">
          {fault}
        </p>
      )}
      <div className="kale-Buttons">
        <button
          className="kale-Button kale-mod-primary"
          data-action="extend"
          type="submit"
          disabled={isActing || fault !== null}
        >
          {trans.__('Go on with these')}
        </button>
        <button className="kale-Button" data-action="cancel-extend" type="button" onClick={onCancel}>
          {trans.__('Cancel')}
        </button>
      </div>
    </form>
  );
}
