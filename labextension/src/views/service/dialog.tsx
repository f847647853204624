import { Dialog, ReactWidget } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { messageOf } from '../../channel/rpc';
import type { NotebookPipeline } from '../../notebook/pipeline';
import type { StepPage } from '../../protocol';
import { DIALOG_FORM, FormDialog } from '../../ui/formDialog';
import { TranslationContext, useTranslation } from '../../ui/translation';
import { MODEL } from '../run/artifacts';

/** What is to be served, as far as it was pointed at. */
export interface Pointed {
  run: string;
  step?: string;
  variable?: string;
}

/** Asks how a variable of a run is served; the name of the service, once it is ready. */
export async function askToServe(
  pipeline: NotebookPipeline,
  pointed: Pointed,
  trans: TranslationBundle
): Promise<string | null> {
  const body = new ServeDialogBody(pipeline, pointed, trans);
  const dialog = new FormDialog({
    title: trans.__('Serve a model'),
    body,
    buttons: [Dialog.cancelButton({ label: trans.__('Cancel') })],
    focusNodeSelector: '.kale-ServeForm select'
  });
  let name: string | null = null;
  body.served = served => {
    name = served;
    dialog.resolve(0);
  };
  dialog.addClass('kale-ServeDialog');
  await dialog.launch();
  return name;
}

class ServeDialogBody extends ReactWidget {
  constructor(
    private pipeline: NotebookPipeline,
    private pointed: Pointed,
    private trans: TranslationBundle
  ) {
    super();
  }

  served: (name: string) => void = () => undefined;

  protected render(): JSX.Element {
    return (
      <TranslationContext.Provider value={this.trans}>
        <ServeForm pipeline={this.pipeline} pointed={this.pointed} served={name => this.served(name)} />
      </TranslationContext.Provider>
    );
  }
}

interface ServeFormProps {
  pipeline: NotebookPipeline;
  pointed: Pointed;
  served: (name: string) => void;
}

interface Fields {
  variable: string;
  name: string;
  preprocess: string;
  postprocess: string;
  assets: string;
  example: string;
  method: string;
  tied: boolean;
}

function ServeForm({ pipeline, pointed, served }: ServeFormProps): JSX.Element {
  const trans = useTranslation();
  const { steps, page, choose, fault: readFault } = useSteps(pipeline, pointed);
  const [fault, setFault] = React.useState<string | null>(null);
  const [isServing, setServing] = React.useState(false);
  const [fields, setFields] = React.useState<Fields>({
    variable: pointed.variable ?? '',
    name: '',
    preprocess: '',
    postprocess: '',
    assets: '',
    example: '',
    method: '',
    tied: true
  });
  const names = page === null ? [] : variablesOf(page);
  const variable = names.includes(fields.variable) ? fields.variable : (names[0] ?? '');
  const serve = async () => {
    setServing(true);
    setFault(null);
    const given = (text: string) => text.trim() || null;
    try {
      const { name } = await pipeline.services.serve({
        model: `${pointed.run}:${page!.step.name}:${variable}`,
        name: given(fields.name),
        preprocess: given(fields.preprocess),
        postprocess: given(fields.postprocess),
        assets: fields.assets.split(/[\s,]+/).filter(Boolean),
        example: given(fields.example),
        method: given(fields.method),
        tied: fields.tied
      });
      served(name);
    } catch (error) {
      setFault(messageOf(error));
      setServing(false);
    }
  };
  const field = (key: Exclude<keyof Fields, 'variable' | 'tied'>, label: string, placeholder: string) => (
    <label className="kale-Field">
      <span>{label}</span>
      <input
        className="kale-Input"
        name={key}
        autoComplete="off"
        value={fields[key]}
        placeholder={placeholder}
        onChange={event => {
          setFault(null);
          setFields({ ...fields, [key]: event.target.value });
        }}
      />
    </label>
  );
  const words = fault ?? readFault;
  return (
    <form
      className={`${DIALOG_FORM} kale-ServeForm`}
      data-step={page?.step.name}
      onSubmit={event => {
        event.preventDefault();
        void serve();
      }}
    >
      <label className="kale-Field">
        <span>{trans.__('After step')}</span>
        <select
          className="kale-Input"
          name="step"
          value={page?.step.name ?? ''}
          onChange={event => choose(event.target.value)}
        >
          {steps.map(step => (
            <option key={step}>{step}</option>
          ))}
        </select>
      </label>
      <label className="kale-Field">
        <span>{trans.__('Model')}</span>
        <select
          className="kale-Input"
          name="variable"
          value={variable}
          onChange={event => setFields({ ...fields, variable: event.target.value })}
        >
          {names.map(name => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </label>
      {field('name', trans.__('Name'), variable)}
      {field('preprocess', trans.__('Preprocess'), trans.__('a function of the notebook: rows to features'))}
      {field('postprocess', trans.__('Postprocess'), trans.__('a function of the notebook: what is sent'))}
      {field('assets', trans.__('Assets'), trans.__('variables that these functions use'))}
      {field('example', trans.__('Example'), trans.__('a variable with rows to try it with'))}
      {field('method', trans.__('Method'), 'predict')}
      <label className="kale-ServeForm-tied">
        <input
          type="checkbox"
          name="tied"
          checked={fields.tied}
          onChange={event => setFields({ ...fields, tied: event.target.checked })}
        />
        {trans.__('It ends with the kernel')}
      </label>
      {words !== null && (
        <p className="kale-Refusal kale-mod-lines" role="alert">
          {words}
        </p>
      )}
      <p role="status" className="kale-help kale-ServeForm-status">
        {isServing
          ? trans.__('It is packed, and a process that has never seen the notebook loads it …')
          : page === null && readFault === null
            ? trans.__('Reading the run …')
            : page !== null && names.length === 0
              ? trans.__('This step has left no variables.')
              : ''}
      </p>
      <button
        className="kale-Button kale-mod-primary"
        data-action="begin-service"
        type="submit"
        disabled={isServing || variable === ''}
      >
        {isServing ? trans.__('Starting …') : trans.__('Serve')}
      </button>
    </form>
  );
}

/** Variables that the step has made or was given, and that may be models: those that are known to be some first. */
function variablesOf(page: StepPage): string[] {
  const values = [...page.artifacts, ...page.inputs].filter(artifact => artifact.kind === 'value');
  const isModel = (type: string) => type === MODEL;
  const ordered = values.sort((a, b) => Number(isModel(b.type)) - Number(isModel(a.type)));
  return [...new Set(ordered.flatMap(artifact => artifact.names))];
}

function hasModel(page: StepPage): boolean {
  return page.artifacts.some(artifact => artifact.type === MODEL);
}

interface Steps {
  /** Those of the run that have left their variables. */
  steps: readonly string[];
  page: StepPage | null;
  choose: (step: string) => void;
  fault: string | null;
}

/** The run's steps, and what the chosen one has left: at first the one that was pointed at, else the last with a model. */
function useSteps(pipeline: NotebookPipeline, { run, step }: Pointed): Steps {
  const [steps, setSteps] = React.useState<readonly string[]>([]);
  const [page, setPage] = React.useState<StepPage | null>(null);
  const [fault, setFault] = React.useState<string | null>(null);
  const newest = React.useRef(0);
  /** An answer that comes too late, to what is not asked any more, is dropped. */
  const read = (asked: () => Promise<StepPage | null>) => {
    const number = (newest.current += 1);
    setFault(null);
    asked().then(
      found => number === newest.current && setPage(found),
      error => number === newest.current && setFault(messageOf(error))
    );
  };
  React.useEffect(() => {
    read(async () => {
      const summary = await pipeline.runs.summary(run);
      const done = summary.steps.filter(each => each.status === 'succeeded' || each.status === 'cached');
      const names = done.map(each => each.name);
      setSteps(names);
      if (step !== undefined) {
        return pipeline.runs.step(run, step);
      }
      let last: StepPage | null = null;
      for (const name of [...names].reverse()) {
        const found = await pipeline.runs.step(run, name);
        if (hasModel(found)) {
          return found;
        }
        last ??= found;
      }
      return last;
    });
    return () => {
      newest.current += 1;
    };
  }, [pipeline, run, step]);
  return { steps, page, choose: name => read(() => pipeline.runs.step(run, name)), fault };
}
