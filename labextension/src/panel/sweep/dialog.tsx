import { Dialog, ReactWidget } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { messageOf } from '../../channel/rpc';
import type { NotebookPipeline } from '../../notebook/pipeline';
import { errorsOf } from '../../notebook/problems';
import type { Graph, SweepPlan } from '../../protocol';
import { formatSeconds } from '../../ui/format';
import { DIALOG_FORM, FormDialog } from '../../ui/formDialog';
import { TranslationContext, useTranslation } from '../../ui/translation';
import { ALGORITHMS, choiceOf, directionOf, faultOf, initialForm } from './form';
import type { Row, SweepForm } from './form';
import { ParameterRow } from './parameterRow';

/** How long a field may rest before the plan is asked for again. */
const REST = 250;

/** Asks what is to be varied; `opened` is called with the sweep that was begun. */
export async function askForSweep(
  pipeline: NotebookPipeline,
  opened: (sweep: string) => void,
  trans: TranslationBundle
): Promise<void> {
  const graph = pipeline.analysis.outline;
  if (graph === null) {
    return;
  }
  const objectives = graph.metrics.slice(0, 1).map(metric => metric.name);
  // What is written down, else the first metric. What cannot be guessed is asked for: the dialog has an empty row for
  // it, and says what is wrong.
  const asked = await pipeline
    .planSweep({})
    .catch(() => pipeline.planSweep({ objectives }))
    .catch(() => null);
  const form = initialForm(graph, asked?.plan?.definition ?? null);
  const body = new SweepDialogBody(pipeline, graph, form, trans);
  const dialog = new FormDialog({
    title: trans.__('New sweep'),
    body,
    buttons: [Dialog.cancelButton({ label: trans.__('Cancel') })],
    focusNodeSelector: '.kale-SweepForm select, .kale-SweepForm input'
  });
  body.begun = sweep => {
    dialog.resolve(0);
    opened(sweep);
  };
  dialog.addClass('kale-SweepDialog');
  await dialog.launch();
}

class SweepDialogBody extends ReactWidget {
  constructor(
    private pipeline: NotebookPipeline,
    private graph: Graph,
    private form: SweepForm,
    private trans: TranslationBundle
  ) {
    super();
  }

  begun: (sweep: string) => void = () => undefined;

  protected render(): JSX.Element {
    return (
      <TranslationContext.Provider value={this.trans}>
        <SweepFormView
          pipeline={this.pipeline}
          graph={this.graph}
          initial={this.form}
          begun={sweep => this.begun(sweep)}
        />
      </TranslationContext.Provider>
    );
  }
}

interface SweepFormViewProps {
  pipeline: NotebookPipeline;
  graph: Graph;
  initial: SweepForm;
  begun: (sweep: string) => void;
}

function SweepFormView({ pipeline, graph, initial, begun }: SweepFormViewProps): JSX.Element {
  const trans = useTranslation();
  const [form, setForm] = React.useState(initial);
  const [fault, setFault] = React.useState<string | null>(null);
  const [isBeginning, setBeginning] = React.useState(false);
  const { plan, planFault } = usePlan(pipeline, form);
  const setRow = (index: number, change: Partial<Row>) =>
    setForm({
      ...form,
      rows: form.rows.map((row, other) => (other === index ? { ...row, ...change } : row))
    });
  const begin = async () => {
    setBeginning(true);
    setFault(null);
    try {
      const answer = await pipeline.sweep(choiceOf(form));
      if (answer.sweep_id !== undefined) {
        begun(answer.sweep_id);
        return;
      }
      setFault(errorsOf(answer.diagnostics)[0]?.message ?? trans.__('The notebook has errors.'));
    } catch (error) {
      setFault(messageOf(error));
    }
    setBeginning(false);
  };
  const words = fault ?? planFault;
  return (
    <form
      className={`${DIALOG_FORM} kale-SweepForm`}
      onSubmit={event => {
        event.preventDefault();
        void begin();
      }}
    >
      <fieldset className="kale-Form">
        <legend>{trans.__('What is varied')}</legend>
        {form.rows.map((row, index) => (
          <ParameterRow key={row.name} row={row} onChange={change => setRow(index, change)} />
        ))}
      </fieldset>
      <div className="kale-SweepForm-fields">
        <label className="kale-Field">
          <span>{trans.__('Objective')}</span>
          <select
            className="kale-Input"
            name="objective"
            value={form.objective}
            onChange={event =>
              setForm({ ...form, objective: event.target.value, direction: directionOf(event.target.value) })
            }
          >
            {graph.metrics.map(({ name }) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
        <label className="kale-Field">
          <span>{trans.__('Should become')}</span>
          <select
            className="kale-Input"
            name="direction"
            value={form.direction}
            onChange={event => setForm({ ...form, direction: event.target.value as SweepForm['direction'] })}
          >
            <option value="minimize">{trans.__('smaller')}</option>
            <option value="maximize">{trans.__('larger')}</option>
          </select>
        </label>
        <label className="kale-Field">
          <span>{trans.__('Algorithm')}</span>
          <select
            className="kale-Input"
            name="algorithm"
            value={form.algorithm}
            onChange={event => setForm({ ...form, algorithm: event.target.value })}
          >
            {ALGORITHMS.map(name => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
        <label className="kale-Field">
          <span>{trans.__('Settings')}</span>
          <input
            className="kale-Input"
            name="settings"
            value={form.settings}
            placeholder={trans.__('NAME=VALUE, as Katib calls them')}
            onChange={event => setForm({ ...form, settings: event.target.value })}
          />
        </label>
        <label className="kale-Field">
          <span>{trans.__('Trials')}</span>
          <input
            className="kale-Input"
            name="trials"
            inputMode="numeric"
            value={form.trials}
            onChange={event => setForm({ ...form, trials: event.target.value })}
          />
        </label>
        <label className="kale-Field">
          <span>{trans.__('At the same time')}</span>
          <input
            className="kale-Input"
            name="parallel"
            inputMode="numeric"
            value={form.parallel}
            placeholder={trans.__('one for each CPU')}
            onChange={event => setForm({ ...form, parallel: event.target.value })}
          />
        </label>
      </div>
      {words !== null && (
        <p className="kale-Refusal" role="alert">
          {words}
        </p>
      )}
      <p className="kale-SweepForm-plan" role="status" data-plan={plan === null ? '' : plan.trials}>
        {plan === null ? '' : planWords(plan, trans)}
      </p>
      <button
        className="kale-Button kale-mod-primary"
        data-action="begin-sweep"
        type="submit"
        disabled={isBeginning || plan === null || words !== null}
      >
        {isBeginning ? trans.__('Starting …') : trans.__('Start sweep')}
      </button>
    </form>
  );
}

function planWords(plan: SweepPlan, trans: TranslationBundle): string {
  const { trials, step_executions: runs, without_sharing: most, seconds } = plan;
  const cost =
    runs === null
      ? trans.__('%1 trials: at most %2 step runs', trials, most)
      : runs < most
        ? trans.__('%1 trials: %2 step runs, not %3', trials, runs, most)
        : trans.__('%1 trials: %2 step runs', trials, runs);
  const words = seconds === null ? cost : trans.__('%1, about %2', cost, formatSeconds(seconds));
  const unread = plan.unread.map(name => trans.__('no step reads %1: trials are alike in it', name));
  return [words, ...plan.remarks, ...unread].join('; ');
}

/** What the form would cost, asked for when it has rested for a moment. */
function usePlan(
  pipeline: NotebookPipeline,
  form: SweepForm
): { plan: SweepPlan | null; planFault: string | null } {
  const trans = useTranslation();
  const [known, setKnown] = React.useState<{ plan: SweepPlan | null; planFault: string | null }>({
    plan: null,
    planFault: null
  });
  React.useEffect(() => {
    const faults = {
      'nothing-varied': trans.__('Choose a range or a list for at least one parameter.'),
      trials: trans.__('Trials are a whole number, from 1 on.'),
      parallel: trans.__('How many run at the same time is a whole number, from 1 on.')
    };
    const fault = faultOf(form);
    if (fault !== null) {
      setKnown({ plan: null, planFault: faults[fault] });
      return;
    }
    let isWanted = true;
    const timer = setTimeout(() => {
      pipeline.planSweep(choiceOf(form)).then(
        ({ plan, diagnostics }) => {
          const error = plan === null ? (errorsOf(diagnostics)[0]?.message ?? '') : null;
          return isWanted && setKnown({ plan, planFault: error });
        },
        error => isWanted && setKnown({ plan: null, planFault: messageOf(error) })
      );
    }, REST);
    return () => {
      isWanted = false;
      clearTimeout(timer);
    };
  }, [pipeline, form]);
  return known;
}
