import * as React from 'react';

import { isFinished } from '../../protocol';
import type { RunDetail, Step, StepDetail } from '../../protocol';
import { formatBytes, formatSeconds } from '../../ui/format';
import { Status } from '../../ui/status';
import { useTranslation } from '../../ui/translation';
import { useNow } from '../../ui/useNow';

interface StepTableProps {
  run: RunDetail;
  selected: string | null;
  onSelect: (step: string) => void;
}

/** All steps with what they took; arrow keys choose one. */
export function StepTable({ run, selected, onSelect }: StepTableProps): JSX.Element {
  const trans = useTranslation();
  const table = React.useRef<HTMLTableElement>(null);
  const now = useNow(run.steps.some(step => step.status === 'running'));
  const move = (event: React.KeyboardEvent) => {
    const index = run.steps.findIndex(step => step.name === selected);
    const targets: Record<string, number> = {
      ArrowUp: index - 1,
      ArrowDown: index + 1,
      Home: 0,
      End: run.steps.length - 1
    };
    const target = targets[event.key];
    if (target !== undefined && run.steps[target] !== undefined) {
      event.preventDefault();
      onSelect(run.steps[target].name);
      table.current?.querySelectorAll<HTMLElement>('tbody button')[target]?.focus();
    }
  };
  return (
    <div className="kale-Table-frame">
      <table className="kale-Table kale-StepTable" ref={table} onKeyDown={move}>
        <caption>{trans.__('Steps')}</caption>
        <thead>
          <tr>
            <th scope="col">{trans.__('Step')}</th>
            <th scope="col">{trans.__('State, and why')}</th>
            <th scope="col">{trans.__('Time')}</th>
            <th scope="col">{trans.__('CPU')}</th>
            <th scope="col" title={trans.__('Peak memory')}>
              {trans.__('Memory')}
            </th>
            <th scope="col">{trans.__('Cells')}</th>
          </tr>
        </thead>
        <tbody>
          {run.steps.map((step, index) => (
            <Row
              key={step.name}
              step={step}
              detail={run.details?.[index]}
              now={now}
              isSelected={step.name === selected}
              onSelect={() => onSelect(step.name)}
            />
          ))}
        </tbody>
      </table>
    </div>
  );
}

interface RowProps {
  step: Step;
  detail: StepDetail | undefined;
  now: number;
  isSelected: boolean;
  onSelect: () => void;
}

function Row({ step, detail, now, isSelected, onSelect }: RowProps): JSX.Element {
  const isWaiting = step.status === 'pending' || step.status === 'skipped';
  return (
    <tr data-step={step.name} data-status={step.status} data-selected={isSelected} onClick={onSelect}>
      <th scope="row">
        <button aria-pressed={isSelected} tabIndex={isSelected ? 0 : -1}>
          {step.name}
        </button>
      </th>
      <td>
        <Status status={step.status} />
        {reason(detail) !== '' && <small className="kale-StepTable-reason">{reason(detail)}</small>}
      </td>
      <td>{isWaiting ? '' : formatSeconds(secondsOf(step, detail, now))}</td>
      <td>{detail?.cpu_seconds == null ? '' : formatSeconds(detail.cpu_seconds)}</td>
      <td>{detail?.peak_memory_bytes ? formatBytes(detail.peak_memory_bytes) : ''}</td>
      <td>{cells(step, detail)}</td>
    </tr>
  );
}

function secondsOf(step: Step, detail: StepDetail | undefined, now: number): number {
  const isRunning = step.status === 'running' && detail?.started != null;
  return isRunning ? Math.max(0, now / 1000 - detail.started!) : step.seconds;
}

function cells(step: Step, detail: StepDetail | undefined): string {
  const total = detail?.cells_total ?? step.cells.length;
  return isFinished(step.status) && step.status !== 'failed'
    ? String(total)
    : `${detail?.cells_done ?? 0}/${total}`;
}

function reason(detail: StepDetail | undefined): string {
  const attempt = detail !== undefined && detail.attempt > 1 ? `#${detail.attempt} ` : '';
  return `${attempt}${detail?.reason ?? ''}`;
}
