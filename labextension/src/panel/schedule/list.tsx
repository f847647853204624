import * as React from 'react';

import { messageOf } from '../../channel/rpc';
import type { NotebookPipeline } from '../../notebook/pipeline';
import type { Schedule } from '../../protocol';
import { formatSeconds } from '../../ui/format';
import { useTranslation } from '../../ui/translation';

interface ScheduleListProps {
  pipeline: NotebookPipeline;
  context: string;
  /** Another number: the list is asked for again. */
  deeds: number;
  isActing: boolean;
  change: (action: 'pause' | 'resume' | 'remove', id: string) => void;
  /** Called when another list is shown: what had the focus may be gone. */
  shown: () => void;
}

/** What the cluster of a context runs by the clock, newest first. */
export function ScheduleList(props: ScheduleListProps): JSX.Element {
  const { pipeline, context, deeds, isActing, change, shown } = props;
  const trans = useTranslation();
  const [schedules, setSchedules] = React.useState<readonly Schedule[] | null>(null);
  const [fault, setFault] = React.useState<string | null>(null);
  React.useEffect(() => {
    let isWanted = true;
    pipeline.schedules.list(context).then(
      found => isWanted && (setSchedules(found), setFault(null)),
      error => isWanted && setFault(messageOf(error))
    );
    return () => {
      isWanted = false;
    };
  }, [pipeline, context, deeds]);
  React.useEffect(() => shown(), [schedules]);
  if (fault !== null) {
    return (
      <p className="kale-Refusal" role="alert">
        {fault}
      </p>
    );
  }
  if (schedules === null || schedules.length === 0) {
    return (
      <p className="kale-empty" role="status">
        {schedules === null ? trans.__('Asking %1 …', context) : trans.__('No schedules yet.')}
      </p>
    );
  }
  return (
    <ul className="kale-Schedules">
      {schedules.map(one => (
        <li key={one.id} data-schedule={one.name} data-enabled={one.enabled}>
          <span className="kale-Schedules-name">
            {/^https?:/.test(one.url) ? (
              <a className="kale-Link" href={one.url} target="_blank" rel="noopener">
                {one.name}
              </a>
            ) : (
              one.name
            )}
            <small>
              {one.cron ?? trans.__('every %1', formatSeconds(one.every_seconds ?? 0))}
              {!one.enabled && trans.__(', paused')}
            </small>
          </span>
          <button
            type="button"
            className="kale-Button"
            data-action={one.enabled ? 'pause' : 'resume'}
            aria-label={one.enabled ? trans.__('Pause %1', one.name) : trans.__('Resume %1', one.name)}
            aria-disabled={isActing}
            onClick={() => isActing || change(one.enabled ? 'pause' : 'resume', one.id)}
          >
            {one.enabled ? trans.__('Pause') : trans.__('Resume')}
          </button>
          <button
            type="button"
            className="kale-Button"
            data-action="remove"
            aria-label={trans.__('Remove %1', one.name)}
            aria-disabled={isActing}
            onClick={() => isActing || change('remove', one.id)}
          >
            {trans.__('Remove')}
          </button>
        </li>
      ))}
    </ul>
  );
}
