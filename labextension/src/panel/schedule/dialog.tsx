import { Dialog, ReactWidget } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { messageOf } from '../../channel/rpc';
import type { NotebookPipeline } from '../../notebook/pipeline';
import { errorsOf } from '../../notebook/problems';
import { DIALOG_FORM, FormDialog } from '../../ui/formDialog';
import { TranslationContext, useTranslation } from '../../ui/translation';
import { ScheduleList } from './list';

/** Has the cluster of the chosen context run the notebook by the clock, and shows what it runs so already. */
export async function askForSchedule(pipeline: NotebookPipeline, trans: TranslationBundle): Promise<void> {
  const dialog = new FormDialog({
    title: trans.__('Schedules on %1', pipeline.context),
    body: new ScheduleDialogBody(pipeline, pipeline.context, trans),
    buttons: [Dialog.cancelButton({ label: trans.__('Close') })],
    focusNodeSelector: '.kale-ScheduleForm input'
  });
  await dialog.launch();
}

class ScheduleDialogBody extends ReactWidget {
  constructor(
    private pipeline: NotebookPipeline,
    private context: string,
    private trans: TranslationBundle
  ) {
    super();
  }

  protected render(): JSX.Element {
    return (
      <TranslationContext.Provider value={this.trans}>
        <ScheduleView pipeline={this.pipeline} context={this.context} />
      </TranslationContext.Provider>
    );
  }
}

interface ScheduleViewProps {
  pipeline: NotebookPipeline;
  context: string;
}

type Kind = 'cron' | 'every';

const EXAMPLES: Record<Kind, string> = { cron: '0 30 6 * * MON-FRI', every: '1h30m' };

function ScheduleView({ pipeline, context }: ScheduleViewProps): JSX.Element {
  const trans = useTranslation();
  const [kind, setKind] = React.useState<Kind>('cron');
  const [time, setTime] = React.useState('');
  const [name, setName] = React.useState('');
  const [fault, setFault] = React.useState<string | null>(null);
  const [isActing, setActing] = React.useState(false);
  const field = React.useRef<HTMLInputElement>(null);
  /** Counts what was done: after each deed the cluster is asked for its schedules again. */
  const [deeds, setDeeds] = React.useState(0);
  const act = (what: () => Promise<string | null>) => {
    setActing(true);
    setFault(null);
    what()
      .then(setFault, error => setFault(messageOf(error)))
      .finally(() => {
        setActing(false);
        setDeeds(number => number + 1);
      });
  };
  const add = async () => {
    // Without a time it is the one that an overlay says.
    const said = time.trim() === '' ? {} : { [kind]: time.trim() };
    const { schedule, diagnostics } = await pipeline.schedule({ ...said, name: name.trim() }, context);
    if (schedule === null) {
      return errorsOf(diagnostics)[0]?.message ?? trans.__('The notebook has errors.');
    }
    setTime('');
    setName('');
    return null;
  };
  return (
    <form
      className={`${DIALOG_FORM} kale-ScheduleForm`}
      onSubmit={event => {
        event.preventDefault();
        act(add);
      }}
    >
      <label className="kale-Field">
        <span>{trans.__('Runs')}</span>
        <select
          className="kale-Input"
          name="kind"
          value={kind}
          onChange={event => setKind(event.target.value as Kind)}
        >
          <option value="cron">{trans.__('at times (cron, seconds first)')}</option>
          <option value="every">{trans.__('again and again, after a while')}</option>
        </select>
      </label>
      <label className="kale-Field">
        <span>{kind === 'cron' ? trans.__('When') : trans.__('Every')}</span>
        <input
          className="kale-Input"
          name="time"
          ref={field}
          value={time}
          placeholder={EXAMPLES[kind]}
          onChange={event => setTime(event.target.value)}
        />
      </label>
      <label className="kale-Field">
        <span>{trans.__('Name')}</span>
        <input
          className="kale-Input"
          name="name"
          value={name}
          placeholder={pipeline.analysis.outline?.pipeline ?? ''}
          onChange={event => setName(event.target.value)}
        />
      </label>
      <p className="kale-help">
        {trans.__(
          'Each run has the notebook and the parameters as they are now. Times are those of the cluster.'
        )}
      </p>
      {fault !== null && (
        <p className="kale-Refusal" role="alert">
          {fault}
        </p>
      )}
      <button
        className="kale-Button kale-mod-primary"
        data-action="add-schedule"
        type="submit"
        disabled={isActing}
      >
        {isActing ? trans.__('Asking %1 …', context) : trans.__('Add schedule')}
      </button>
      <ScheduleList
        pipeline={pipeline}
        context={context}
        deeds={deeds}
        isActing={isActing}
        shown={() => {
          // Without the focus the dialog hears no Escape.
          if (document.activeElement === document.body) {
            field.current?.focus();
          }
        }}
        change={(action, id) =>
          act(async () => {
            await pipeline.schedules.change(action, id, context);
            return null;
          })
        }
      />
    </form>
  );
}
