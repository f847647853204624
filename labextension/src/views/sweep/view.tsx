import * as React from 'react';

import type { NotebookPipeline } from '../../notebook/pipeline';
import { isFinished } from '../../protocol';
import type { Sweep, Trial } from '../../protocol';
import { useTranslation } from '../../ui/translation';
import { useActing, useWatched } from '../acting';
import { useView } from '../context';
import { ExtendForm } from './extendForm';
import { canNarrow, extensionOf } from './extension';
import type { Extension } from './extension';
import { Front } from './front';
import { SweepHead } from './head';
import { History } from './history';
import { Importance } from './importance';
import { Parallel } from './parallel';
import { axesOf, isChosen, valued } from './points';
import type { Brushes } from './points';
import { TrialTable } from './trialTable';

interface SweepViewProps {
  pipeline: NotebookPipeline;
  sweep: string;
}

/** One sweep as it goes: the best trial, what was tried and what came of it, linked with each other. */
export function SweepView({ pipeline, sweep: id }: SweepViewProps): JSX.Element {
  const trans = useTranslation();
  const { fault, setFault, isActing, act } = useActing();
  const [extension, setExtension] = React.useState<Extension | null>(null);
  const sweep = pipeline.sweeps.detail(id);
  const watch = () => pipeline.sweeps.watch(id);
  useWatched(pipeline.link.isReady, sweep !== null, watch, setFault, id);
  return (
    <div className="kale-RunView kale-SweepView" data-sweep={id} data-status={sweep?.status}>
      {fault !== null && (
        <p className="kale-Refusal" role="alert">
          {fault}
        </p>
      )}
      {sweep === null ? (
        <p className="kale-empty" role="status">
          {fault === null ? trans.__('Reading the sweep …') : ''}
        </p>
      ) : (
        <>
          <SweepHead
            pipeline={pipeline}
            sweep={sweep}
            isActing={isActing}
            act={act}
            onExtend={() => setExtension(extensionOf(sweep, null))}
          />
          {extension !== null && (
            <ExtendForm
              sweep={sweep}
              initial={extension}
              isActing={isActing}
              onCancel={() => setExtension(null)}
              onExtend={choice =>
                act(async () => {
                  await pipeline.sweeps.change('extend', id, choice);
                  setExtension(null);
                })
              }
            />
          )}
          <Pictures
            pipeline={pipeline}
            sweep={sweep}
            onNarrow={chosen => setExtension(extensionOf(sweep, chosen))}
          />
        </>
      )}
    </div>
  );
}

interface PicturesProps {
  pipeline: NotebookPipeline;
  sweep: Sweep;
  /** The next trials are to be where these are. */
  onNarrow: (chosen: Trial[]) => void;
}

function Pictures({ pipeline, sweep, onNarrow }: PicturesProps): JSX.Element {
  const trans = useTranslation();
  const { actions } = useView();
  const [hovered, setHovered] = React.useState<number | null>(null);
  const [brushes, setBrushes] = React.useState<Brushes>({});
  const points = React.useMemo(() => valued(sweep), [sweep]);
  const axes = React.useMemo(() => axesOf(sweep, points), [sweep, points]);
  const chosen = React.useMemo(
    () => new Set(points.filter(point => isChosen(point, axes, brushes)).map(({ trial }) => trial.trial)),
    [points, axes, brushes]
  );
  const isBrushed = Object.keys(brushes).length > 0;
  const trials = React.useMemo(
    () => (isBrushed ? sweep.trials.filter(({ trial }) => chosen.has(trial)) : sweep.trials),
    [sweep, chosen, isBrushed]
  );
  const brush = (axis: string, range: readonly [number, number] | null) => {
    const { [axis]: _, ...others } = brushes;
    setBrushes(range === null ? others : { ...others, [axis]: range });
  };
  const open = (trial: number) => {
    const { run_id: run } = sweep.trials[trial];
    actions.open({ kind: 'run', path: pipeline.panel.context.path, run });
  };
  const { metric, direction } = sweep.objective;
  const linked = { hovered, onHover: setHovered, onOpen: open };
  return (
    <>
      {points.length > 1 && (
        <>
          <div className="kale-Parallel-frame">
            <Parallel
              axes={axes}
              points={points}
              chosen={chosen}
              brushes={brushes}
              onBrush={brush}
              {...linked}
            />
          </div>
          {isBrushed && (
            <p className="kale-Parallel-note" role="status">
              {trans.__('%1 of %2 trials', chosen.size, points.length)}{' '}
              <button className="kale-Button" data-action="show-all" onClick={() => setBrushes({})}>
                {trans.__('Show all')}
              </button>{' '}
              {isFinished(sweep.status) && canNarrow(sweep) && chosen.size > 0 && (
                <button className="kale-Button" data-action="narrow" onClick={() => onNarrow([...trials])}>
                  {trans.__('Try more of these …')}
                </button>
              )}
            </p>
          )}
          <div className="kale-Sweep-figures">
            <History points={points} direction={direction} metric={metric} {...linked} />
            <Front sweep={sweep} points={points} {...linked} />
            <Importance sweep={sweep} points={points} />
          </div>
        </>
      )}
      <TrialTable sweep={sweep} trials={trials} {...linked} />
    </>
  );
}
