import * as React from 'react';

import type { NotebookPipeline } from '../../notebook/pipeline';
import type { RunDetail, Step, StepDetail } from '../../protocol';
import { formatBytes, formatSeconds } from '../../ui/format';
import { useTranslation } from '../../ui/translation';
import { IdLink } from '../idLink';
import { runId, snapshotId, stepId } from '../ids';

interface StepFactsProps {
  pipeline: NotebookPipeline;
  run: RunDetail;
  step: Step;
  detail: StepDetail | undefined;
  hasSnapshot: boolean;
}

/** What is known of a step, and the names by which every verb about the past takes it. */
export function StepFacts({ pipeline, run, step, detail, hasSnapshot }: StepFactsProps): JSX.Element {
  const trans = useTranslation();
  const id = run.run_id!;
  const facts: [string, string | null][] = [
    [trans.__('Started'), detail?.started == null ? null : new Date(detail.started * 1000).toLocaleString()],
    [trans.__('Time'), step.seconds > 0 ? formatSeconds(step.seconds) : null],
    [trans.__('CPU'), detail?.cpu_seconds == null ? null : formatSeconds(detail.cpu_seconds)],
    [trans.__('Peak memory'), detail?.peak_memory_bytes ? formatBytes(detail.peak_memory_bytes) : null],
    [trans.__('Attempt'), detail === undefined || detail.attempt === 0 ? null : String(detail.attempt)],
    [trans.__('Why'), detail?.reason ?? null],
    [trans.__('Cells'), step.cells.join(', ')]
  ];
  const ids: [string, string][] = [
    [trans.__('Step'), stepId(id, step.name)],
    ...(hasSnapshot ? [[trans.__('Snapshot'), snapshotId(id, step.name)] as [string, string]] : []),
    [trans.__('Run'), runId(id)]
  ];
  return (
    <dl className="kale-Facts">
      {facts
        .filter(([, value]) => value !== null)
        .map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      {ids.map(([name, each]) => (
        <div key={each}>
          <dt>{name}</dt>
          <dd>
            <IdLink pipeline={pipeline} id={each} />
          </dd>
        </div>
      ))}
    </dl>
  );
}
