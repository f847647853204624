import { Notification } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';

import type { NotebookPipeline } from '../notebook/pipeline';
import { errorsOf } from '../notebook/problems';
import type { RunDetail } from '../protocol';
import { formatNumber, formatSeconds } from '../ui/format';

interface Targets {
  openRun: (run: string) => void;
  /** Leads to the cell and line of a failure. */
  showFailure: (run: RunDetail) => void;
}

/** Tells of a run's end when its notebook is not in front, once and with the way to it. */
export function announceEnd(
  pipeline: NotebookPipeline,
  run: RunDetail,
  targets: Targets,
  trans: TranslationBundle
): void {
  const name = pipeline.panel.title.label;
  const open = { label: trans.__('Open run'), callback: () => targets.openRun(run.run_id!) };
  if (run.status === 'succeeded') {
    const metrics = Object.entries(run.metrics).map(([metric, value]) => `${metric} ${formatNumber(value)}`);
    const text = trans.__('%1: succeeded in %2', name, formatSeconds(run.seconds));
    Notification.success([text, ...metrics].join(' · '), { actions: [open], autoClose: 8000 });
  } else if (run.status === 'failed') {
    const first = errorsOf(run.diagnostics).at(0);
    const show = { label: trans.__('Show the cell'), callback: () => targets.showFailure(run) };
    Notification.error(trans.__('%1: %2', name, first?.message ?? trans.__('failed')), {
      actions: first?.cell === null || first === undefined ? [open] : [show, open],
      autoClose: false
    });
  } else if (run.status === 'interrupted') {
    Notification.warning(trans.__('%1: the run was interrupted; it can be resumed', name), {
      actions: [open]
    });
  }
}
