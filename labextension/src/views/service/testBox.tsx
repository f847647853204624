import * as React from 'react';

import { messageOf } from '../../channel/rpc';
import type { NotebookPipeline } from '../../notebook/pipeline';
import type { Predicted, ServicePage } from '../../protocol';
import { formatMilliseconds } from '../../ui/format';
import { useTranslation } from '../../ui/translation';
import { useAnswer } from '../useAnswer';
import { parsed, written } from './json';

/** What somebody tries: kept by the view, since a tab that is not shown keeps nothing. */
export interface Test {
  kind: 'json' | 'rows';
  /** `null`: as it was filled in for them. */
  text: string | null;
  variable: string;
  rows: string;
  isAsking: boolean;
  answer: Predicted | null;
  /** Why nothing was asked, or nobody answered. */
  fault: string | null;
}

export interface TestState {
  test: Test;
  change: (change: Partial<Test>) => void;
}

export function useTest(): TestState {
  const [test, setTest] = React.useState<Test>({
    kind: 'json',
    text: null,
    variable: '',
    rows: '0:3',
    isAsking: false,
    answer: null,
    fault: null
  });
  const change = React.useCallback(
    (change: Partial<Test>) => setTest(before => ({ ...before, ...change })),
    []
  );
  return { test, change };
}

interface TestBoxProps {
  pipeline: NotebookPipeline;
  name: string;
  test: TestState;
  page: ServicePage | null;
  isRunning: boolean;
}

/** Rows as JSON, or of a variable of the kernel, and what the service answers. The kernel asks: the page needs no token. */
export function TestBox({ pipeline, name, test: state, page, isRunning }: TestBoxProps): JSX.Element {
  const trans = useTranslation();
  const { test, change } = state;
  const text = test.text ?? written(page?.about.example ?? { instances: [] });
  const isBlocked = !isRunning || test.isAsking || (test.kind === 'rows' && test.variable.trim() === '');
  const predict = async () => {
    if (isBlocked) {
      return; // The keys of the box ask, too.
    }
    const { services } = pipeline;
    change({ isAsking: true, fault: null, answer: null });
    try {
      const answer =
        test.kind === 'json'
          ? await services.predict(name, parsed(text, trans))
          : await services.predictRows(name, test.variable.trim(), test.rows.trim());
      change({ isAsking: false, answer });
    } catch (error) {
      change({ isAsking: false, fault: messageOf(error) });
    }
  };
  return (
    <form
      className="kale-TestBox"
      data-kind={test.kind}
      onSubmit={event => {
        event.preventDefault();
        void predict();
      }}
    >
      <fieldset className="kale-TestBox-kind">
        <legend>{trans.__('What it is asked')}</legend>
        {(['json', 'rows'] as const).map(kind => (
          <label key={kind}>
            <input
              type="radio"
              name="kind"
              value={kind}
              checked={test.kind === kind}
              onChange={() => change({ kind, fault: null })}
            />
            {kind === 'json' ? trans.__('JSON') : trans.__('Rows of a variable')}
          </label>
        ))}
      </fieldset>
      {test.kind === 'json' ? (
        <textarea
          className="kale-Input kale-TestBox-text"
          name="json"
          aria-label={trans.__('Request as JSON')}
          spellCheck={false}
          rows={Math.min(14, Math.max(5, text.split('\n').length))}
          value={text}
          onChange={event => change({ text: event.target.value })}
          onKeyDown={event => {
            if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
              event.preventDefault();
              event.stopPropagation();
              void predict();
            }
          }}
        />
      ) : (
        <VariableFields pipeline={pipeline} state={state} />
      )}
      <div className="kale-Buttons">
        <button
          className="kale-Button kale-mod-primary"
          data-action="predict"
          type="submit"
          disabled={isBlocked}
        >
          {test.isAsking ? trans.__('Predicting …') : trans.__('Predict')}
        </button>
      </div>
      <div role="status" className="kale-TestBox-answer">
        {test.answer !== null && <Answer answer={test.answer} />}
      </div>
      {test.fault !== null && !isBlocked && (
        <p className="kale-Refusal kale-mod-lines" role="alert">
          {test.fault}
        </p>
      )}
    </form>
  );
}

/** The kernel knows its variables, and takes the rows itself. */
function VariableFields({ pipeline, state }: { pipeline: NotebookPipeline; state: TestState }): JSX.Element {
  const trans = useTranslation();
  const { test, change } = state;
  const [looks, setLooks] = React.useState(0);
  const { answer: variables } = useAnswer(pipeline, () => pipeline.services.variables(), [looks]);
  const list = React.useId();
  return (
    <div className="kale-TestBox-rows">
      <label className="kale-Field">
        <span>{trans.__('Variable')}</span>
        <input
          className="kale-Input"
          name="variable"
          list={list}
          autoComplete="off"
          value={test.variable}
          placeholder={trans.__('of the notebook’s kernel')}
          onFocus={() => setLooks(looks + 1)}
          onChange={event => change({ variable: event.target.value })}
        />
        <datalist id={list}>
          {variables?.map(({ name, type, rows }) => (
            <option key={name} value={name}>
              {trans._n('%2, %1 row', '%2, %1 rows', rows, type)}
            </option>
          ))}
        </datalist>
      </label>
      <label className="kale-Field">
        <span>{trans.__('Rows')}</span>
        <input
          className="kale-Input"
          name="rows"
          value={test.rows}
          placeholder=":"
          onChange={event => change({ rows: event.target.value })}
        />
      </label>
    </div>
  );
}

function Answer({ answer }: { answer: Predicted }): JSX.Element {
  const trans = useTranslation();
  const { error, predictions, seconds, status } = answer;
  return (
    <div data-status={status}>
      <p className="kale-help">
        {error === null
          ? trans.__('answered in %1', formatMilliseconds(seconds))
          : trans.__('refused with status %1 after %2', status, formatMilliseconds(seconds))}
      </p>
      {error === null ? (
        <pre className="kale-TestBox-predictions">{written(predictions)}</pre>
      ) : (
        <div className="kale-Refusal">
          <p className="kale-mod-lines">
            {error.type !== null && <strong>{error.type}: </strong>}
            {error.message}
          </p>
          {error.traceback !== null && (
            <details>
              <summary>{trans.__('Traceback')}</summary>
              <pre>{error.traceback}</pre>
            </details>
          )}
        </div>
      )}
    </div>
  );
}
