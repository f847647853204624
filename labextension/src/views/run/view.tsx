import * as React from 'react';

import type { NotebookPipeline } from '../../notebook/pipeline';
import { isFinished } from '../../protocol';
import type { RunDetail } from '../../protocol';
import { useTranslation } from '../../ui/translation';
import { useActing, useWatched } from '../acting';
import type { SpecOf } from '../spec';
import { RunHead } from './head';
import { StepPane } from './stepPane';
import { StepTable } from './stepTable';

interface RunViewProps {
  pipeline: NotebookPipeline;
  /** A new one whenever somebody asks for the run, or for a step of it. */
  spec: SpecOf<'run'>;
}

/** One run: how it went, each of its steps, and what the selected one has printed and made. */
export function RunView({ pipeline, spec }: RunViewProps): JSX.Element {
  const trans = useTranslation();
  const { run: id } = spec;
  const [chosen, setChosen] = React.useState<string | null>(spec.step ?? null);
  const { fault, setFault, isActing, act } = useActing();
  const { isReady } = pipeline.link;
  const run = pipeline.runs.detail(id);
  const isKnown = run !== null;
  React.useEffect(() => setChosen(spec.step ?? null), [spec]);
  useWatched(isReady, isKnown, () => pipeline.runs.watch(id), setFault, id);

  const selected =
    run?.steps.find(each => each.name === chosen) ?? (run === null ? undefined : firstOfInterest(run));
  const index = run?.steps.findIndex(each => each === selected) ?? -1;
  return (
    <div className="kale-RunView" data-run={id} data-status={run?.status}>
      {fault !== null && (
        <p className="kale-Refusal" role="alert">
          {fault}
        </p>
      )}
      {run === null ? (
        <p className="kale-empty" role="status">
          {fault === null ? trans.__('Reading the run …') : ''}
        </p>
      ) : (
        <>
          <RunHead pipeline={pipeline} run={run} isActing={isActing} act={act} />
          <StepTable run={run} selected={selected?.name ?? null} onSelect={setChosen} />
          {selected !== undefined && (
            <StepPane
              key={selected.name}
              pipeline={pipeline}
              run={run}
              step={selected}
              detail={run.details?.[index]}
              act={act}
            />
          )}
        </>
      )}
    </div>
  );
}

/** The step that has failed, else the one that runs, else the last that has ended. */
function firstOfInterest(run: RunDetail): RunDetail['steps'][number] | undefined {
  const { steps } = run;
  return (
    steps.find(step => step.status === 'failed') ??
    steps.find(step => step.status === 'running') ??
    [...steps].reverse().find(step => isFinished(step.status) && step.status !== 'skipped') ??
    steps[0]
  );
}
