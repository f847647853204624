import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { stepSlug } from '../../notebook/grammar';
import type { Role, Setting } from '../../notebook/tags';
import { useTranslation } from '../../ui/translation';
import type { SourceStep } from '../content';
import { roleWord } from '../roleWords';
import { Combobox } from './combobox';
import { faultsOf, isNamed, KINDS } from './form';
import type { Kind, TagForm } from './form';
import { SettingFields } from './settings';

export interface TagEditorProps {
  /** Makes ids unique in the page. */
  prefix: string;
  initial: TagForm;
  /** What the cell is by its place, when it says nothing itself. */
  inherited: Role | null;
  /** Whether a `%%pipeline` line says what the cell is. */
  isMagic: boolean;
  /** Whether any cell is tagged as a step. */
  isTagged: boolean;
  /** Names of the notebook's steps. */
  steps: readonly string[];
  /** What the compiler has found that the step needs. */
  inferred: readonly SourceStep[];
  /** Tags that have no field. */
  kept: readonly string[];
  /** The fields are in the page. */
  onReady: () => void;
  onChange: (form: TagForm) => void;
  save: (form: TagForm) => void;
  cancel: () => void;
}

/** The fields of the tag editor. Enter saves from everywhere, Escape gives up. */
export function TagEditor(props: TagEditorProps): JSX.Element {
  const { prefix, initial, inherited, isMagic, isTagged, steps, inferred, kept } = props;
  const trans = useTranslation();
  const [form, setForm] = React.useState(initial);
  const [isSubmitted, setSubmitted] = React.useState(false);
  const node = React.useRef<HTMLFormElement>(null);
  const faults = faultsOf(form);
  React.useEffect(props.onReady, []);
  const change = (part: Partial<TagForm>) => {
    const next = { ...form, ...part };
    setForm(next);
    props.onChange(next);
  };
  const submit = () => {
    setSubmitted(true);
    if (isMagic) {
      props.cancel();
    } else if (faults.size === 0) {
      props.save(form);
    } else {
      node.current?.querySelectorAll('details').forEach(each => (each.open = true));
      const [first] = faults;
      node.current?.querySelector<HTMLElement>(`#${prefix}-${first}`)?.focus();
    }
  };
  const onKeyDown = (event: React.KeyboardEvent) => {
    if (event.key === 'Enter' && !(event.target instanceof HTMLButtonElement) && !isSummary(event.target)) {
      event.preventDefault();
      submit();
    }
  };
  const isShown = (field: 'name') => faults.has(field) && (isSubmitted || form.name !== '');
  return (
    <form
      ref={node}
      className="kale-TagEditor"
      noValidate
      onSubmit={event => {
        event.preventDefault();
        submit();
      }}
      onKeyDown={onKeyDown}
    >
      {isMagic && (
        <p className="kale-TagEditor-hint">
          {trans.__(
            'The line %1 at the head of this cell decides what it is. Change it there.',
            '%%pipeline'
          )}
        </p>
      )}
      <fieldset disabled={isMagic}>
        <div className="kale-TagEditor-grid">
          <label htmlFor={`${prefix}-kind`}>{trans.__('This cell is')}</label>
          <select
            id={`${prefix}-kind`}
            className="kale-Input"
            value={form.kind}
            onChange={event => change({ kind: event.target.value as Kind })}
          >
            {KINDS.map(kind => (
              <option key={kind} value={kind}>
                {kindLabel(kind, inherited, trans)}
              </option>
            ))}
          </select>
          {isNamed(form.kind) && (
            <>
              <label htmlFor={`${prefix}-name`}>{trans.__('Name')}</label>
              <span>
                <Combobox
                  id={`${prefix}-name`}
                  listLabel={trans.__('Steps of this notebook')}
                  value={form.name}
                  options={form.kind === 'step' ? steps : []}
                  isInvalid={isShown('name')}
                  describedBy={`${prefix}-name-fault`}
                  onChange={name => change({ name })}
                />
                <span id={`${prefix}-name-fault`} className="kale-TagEditor-fault">
                  {isShown('name') ? nameHelp(form, trans) : ''}
                </span>
              </span>
            </>
          )}
        </div>
        {form.kind === 'step' && !isTagged && (
          <p className="kale-TagEditor-hint">
            {trans.__(
              'So far the compiler splits this notebook by itself. With the first tagged step, cells without a tag join the step before them.'
            )}
          </p>
        )}
        {isNamed(form.kind) && (
          <>
            {inferred.length > 0 && <Inferred prefix={prefix} inferred={inferred} />}
            {!isMagic && <Previous form={form} steps={steps} change={change} />}
          </>
        )}
        {isNamed(form.kind) && !isMagic && (
          <details open={Object.keys(initial.settings).length > 0}>
            <summary>{trans.__('How it is run')}</summary>
            <div className="kale-TagEditor-grid">
              <SettingFields
                prefix={prefix}
                values={form.settings}
                faults={faults}
                onChange={(setting: Setting, value) =>
                  change({ settings: { ...form.settings, [setting]: value } })
                }
              />
            </div>
          </details>
        )}
      </fieldset>
      {kept.length > 0 && (
        <p className="kale-TagEditor-hint">{trans.__('Other tags stay: %1', kept.join(', '))}</p>
      )}
      <div className="kale-Buttons">
        {!isMagic && (
          <button type="submit" className="kale-Button kale-mod-primary">
            {trans.__('Save')}
          </button>
        )}
        <button type="button" className="kale-Button" onClick={props.cancel}>
          {isMagic ? trans.__('Close') : trans.__('Cancel')}
        </button>
      </div>
    </form>
  );
}

/** What the compiler has found that the step needs. */
function Inferred({ prefix, inferred }: Pick<TagEditorProps, 'prefix' | 'inferred'>): JSX.Element {
  const trans = useTranslation();
  return (
    <div className="kale-TagEditor-inferred" role="group" aria-labelledby={`${prefix}-inferred`}>
      <h4 id={`${prefix}-inferred`}>{trans.__('Needs (inferred)')}</h4>
      <ul>
        {inferred.map(({ step, flows }) => (
          <li key={step}>
            {step} <code>{flows.join(', ')}</code>
          </li>
        ))}
      </ul>
    </div>
  );
}

interface PreviousProps extends Pick<TagEditorProps, 'steps'> {
  form: TagForm;
  change: (part: Partial<TagForm>) => void;
}

/** What the step comes after by the user's word: `prev:` tags. */
function Previous({ form, steps, change }: PreviousProps): JSX.Element | null {
  const trans = useTranslation();
  const others = [...new Set([...steps, ...form.previous])].filter(step => step !== form.name.trim());
  const toggle = (step: string) => {
    const rest = form.previous.filter(each => each !== step);
    change({ previous: rest.length < form.previous.length ? rest : [...form.previous, step] });
  };
  return others.length === 0 ? null : (
    <fieldset className="kale-TagEditor-previous">
      <legend>{trans.__('Runs after, in any case')}</legend>
      {others.map(step => (
        <label key={step}>
          <input type="checkbox" checked={form.previous.includes(step)} onChange={() => toggle(step)} />
          {step}
        </label>
      ))}
    </fieldset>
  );
}

function kindLabel(kind: Kind, inherited: Role | null, trans: TranslationBundle): string {
  switch (kind) {
    case 'step':
      return trans.__('a step');
    case 'skip':
      return trans.__('no part of the pipeline (skip)');
    case 'notebook':
      return trans.__('another notebook');
    case 'none':
      return inherited === null ? trans.__('not tagged') : trans.__('not tagged: as the cell before it');
    default:
      return roleWord(kind, trans);
  }
}

function nameHelp(form: TagForm, trans: TranslationBundle): string {
  if (form.kind === 'notebook') {
    return trans.__('Name a notebook beside this one.');
  }
  const example = stepSlug(form.name);
  const rule = trans.__('Letters, digits, “_” and “-”, not beginning with a digit, at most 63.');
  return example === '' ? rule : `${rule} ${trans.__('For example: %1', example)}`;
}

function isSummary(target: EventTarget): boolean {
  return target instanceof HTMLElement && target.tagName === 'SUMMARY';
}
