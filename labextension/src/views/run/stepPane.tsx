import * as React from 'react';

import type { NotebookPipeline } from '../../notebook/pipeline';
import { isActive } from '../../notebook/runs';
import { isFinished } from '../../protocol';
import type { RunDetail, Step, StepDetail, StepPage } from '../../protocol';
import { Status } from '../../ui/status';
import { Tabs } from '../../ui/tabs';
import { useTranslation } from '../../ui/translation';
import { useView } from '../context';
import { StepArtifacts } from './artifacts';
import { StepFacts } from './facts';
import { StepFiles } from './files';
import { LogView } from './logView';
import { StepOutputs } from './outputs';
import { useLog } from './useLog';
import { useStepPage } from './useStepPage';

interface StepPaneProps {
  pipeline: NotebookPipeline;
  run: RunDetail;
  step: Step;
  detail: StepDetail | undefined;
  act: (what: () => Promise<unknown>) => void;
}

/** The selected step: what can be done with it, and what it has left. */
export function StepPane({ pipeline, run, step, detail, act }: StepPaneProps): JSX.Element {
  const trans = useTranslation();
  const { actions } = useView();
  const { page, fault, readAgain } = useStepPage(pipeline, run.run_id!, step, detail);
  /** What only the page of the step says. */
  const ofPage = (content: (page: StepPage) => React.ReactNode) => () =>
    page === null ? (
      <p role={fault === null ? 'status' : 'alert'}>{fault ?? trans.__('Reading …')}</p>
    ) : (
      content(page)
    );
  const tabs = [
    { id: 'logs', title: trans.__('Logs'), content: () => <Logs {...{ pipeline, run, step, page }} /> },
    {
      id: 'outputs',
      title: trans.__('Outputs'),
      content: ofPage(page => <StepOutputs pipeline={pipeline} page={page} />)
    },
    {
      id: 'artifacts',
      title: trans.__('Artifacts'),
      content: ofPage(page => (
        <StepArtifacts
          pipeline={pipeline}
          page={page}
          serve={
            run.context === undefined && page.snapshot
              ? variable => actions.serve(pipeline, run.run_id!, step.name, variable)
              : undefined
          }
        />
      ))
    },
    {
      id: 'files',
      title: trans.__('Files'),
      content: ofPage(page => <StepFiles pipeline={pipeline} page={page} />)
    },
    {
      id: 'details',
      title: trans.__('Details'),
      content: () => <StepFacts {...{ pipeline, run, step, detail }} hasSnapshot={page?.snapshot ?? false} />
    }
  ];
  return (
    <section className="kale-StepPane" aria-label={trans.__('Step %1', step.name)} data-step={step.name}>
      <header className="kale-StepPane-head">
        <h3>{step.name}</h3>
        <Status status={step.status} />
        <StepButtons {...{ pipeline, run, step, page, act }} />
      </header>
      {page !== null && !page.trusted && <Distrust {...{ pipeline, page, act, readAgain }} />}
      <Tabs label={trans.__('Step %1', step.name)} tabs={tabs} />
    </section>
  );
}

interface DistrustProps extends Pick<StepPaneProps, 'pipeline' | 'act'> {
  page: StepPage;
  readAgain: () => void;
}

/** A run that was made elsewhere: its values are loaded only after a yes. */
function Distrust({ pipeline, page, act, readAgain }: DistrustProps): JSX.Element {
  const trans = useTranslation();
  const value = [...page.artifacts, ...page.inputs][0];
  return (
    <div className="kale-Refusal" role="note">
      <p>
        {trans.__(
          'This run was made elsewhere. Its values are pickles: loading them can run any code, so they are not loaded.'
        )}
      </p>
      {value !== undefined && (
        <button
          className="kale-Button"
          data-action="trust"
          onClick={() =>
            act(() => pipeline.link.request('artifact', { id: value.id, trust: true }).then(readAgain))
          }
        >
          {trans.__('I trust whoever made it')}
        </button>
      )}
    </div>
  );
}

interface PartProps {
  pipeline: NotebookPipeline;
  run: RunDetail;
  step: Step;
  page: StepPage | null;
}

function StepButtons({
  pipeline,
  run,
  step,
  page,
  act
}: PartProps & Pick<StepPaneProps, 'act'>): JSX.Element {
  const trans = useTranslation();
  const { actions } = useView();
  const [isRestoring, setRestoring] = React.useState(false);
  const restore = (before: boolean) => {
    setRestoring(true);
    act(() =>
      actions.openRestored(pipeline, run.run_id!, step.name, before).finally(() => setRestoring(false))
    );
  };
  const runFrom = async () => {
    const started = await pipeline.run({ from: step.name, parameters: asTexts(run.parameters) });
    if (started === null) {
      throw new Error(pipeline.refusal?.fault ?? trans.__('The notebook has errors.'));
    }
    actions.open({ kind: 'run', path: pipeline.panel.context.path, run: started.run_id! });
  };
  return (
    <div className="kale-Buttons">
      {/* The variables of a run on a cluster are there. */}
      {run.context === undefined && (
        <>
          <button
            className="kale-Button"
            data-action="restore-before"
            disabled={isRestoring}
            onClick={() => restore(true)}
          >
            {trans.__('Open notebook restored before')}
          </button>
          <button
            className="kale-Button"
            data-action="restore-after"
            disabled={isRestoring || page === null || !page.snapshot}
            onClick={() => restore(false)}
          >
            {trans.__('Open notebook restored after')}
          </button>
        </>
      )}
      <span role="status" className="kale-help">
        {isRestoring ? trans.__('Restoring …') : ''}
      </span>
      <button
        className="kale-Button"
        data-action="run-from"
        disabled={pipeline.isSubmitting || isActive(run)}
        onClick={() => act(runFrom)}
      >
        {trans.__('Re-run from here')}
      </button>
      {run.context === undefined && (
        <button
          className="kale-Button"
          data-action="serve"
          disabled={page === null || !page.snapshot}
          onClick={() => actions.serve(pipeline, run.run_id!, step.name)}
        >
          {trans.__('Serve …')}
        </button>
      )}
    </div>
  );
}

/** Values as `-p name=value` takes them. */
function asTexts(parameters: Record<string, unknown>): Record<string, string> {
  const text = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));
  return Object.fromEntries(Object.entries(parameters).map(([name, value]) => [name, text(value)]));
}

function Logs({ pipeline, run, step, page }: PartProps): JSX.Element {
  const trans = useTranslation();
  const hasEnded = isFinished(step.status);
  const { log, readEarlier } = useLog(pipeline, run.run_id!, step.name, hasEnded, page?.log_bytes ?? null);
  return (
    <LogView
      log={log}
      label={trans.__('Log of %1', step.name)}
      isRunning={!hasEnded}
      readEarlier={readEarlier}
    />
  );
}
