import * as React from 'react';

import type { Refusal } from '../notebook/pipeline';
import { errorsOf } from '../notebook/problems';
import { isActive, stepsDone } from '../notebook/runs';
import type { Parameter } from '../protocol';
import { Elapsed } from '../ui/elapsed';
import { Status } from '../ui/status';
import { useTranslation } from '../ui/translation';
import type { PanelProps } from './actions';

/** Parameters, the context, and the buttons that make something of the notebook. */
export function RunForm({ pipeline, actions }: PanelProps): JSX.Element {
  const trans = useTranslation();
  const graph = pipeline.analysis.outline;
  const current = pipeline.runs.current;
  const { isReady } = pipeline.link;
  const isRunning = isActive(current);
  return (
    <div className="kale-RunForm">
      {graph !== null && graph.parameters.length > 0 && (
        <fieldset className="kale-Form kale-Parameters">
          <legend>{trans.__('Parameters')}</legend>
          {graph.parameters.map(parameter => (
            <ParameterField
              key={parameter.name}
              parameter={parameter}
              text={pipeline.parameters[parameter.name] ?? ''}
              onChange={text => pipeline.setParameter(parameter.name, text)}
            />
          ))}
        </fieldset>
      )}
      <label className="kale-Field">
        <span>{trans.__('Run on')}</span>
        <select
          className="kale-Input"
          name="context"
          value={pipeline.context}
          onFocus={() => void pipeline.readContexts().catch(() => undefined)}
          onChange={event => (pipeline.context = event.target.value)}
        >
          {pipeline.contexts.map(({ name, kind }) => (
            <option key={name} value={name}>
              {kind === 'local' ? trans.__('this machine') : name}
            </option>
          ))}
        </select>
      </label>
      <div className="kale-Buttons">
        <button
          className="kale-Button kale-mod-primary"
          data-action="run"
          disabled={!isReady || pipeline.isSubmitting}
          onClick={() => actions.run(pipeline, {})}
        >
          {pipeline.isSubmitting ? trans.__('Starting …') : trans.__('Run')}
        </button>
        {isRunning && (
          <button
            className="kale-Button"
            data-action="stop"
            onClick={() => actions.stop(pipeline, current!.run_id!)}
          >
            {trans.__('Stop')}
          </button>
        )}
        <button
          className="kale-Button"
          data-action="compile"
          disabled={!isReady}
          onClick={() => actions.compile(pipeline)}
        >
          {trans.__('Compile')}
        </button>
        {pipeline.isOnCluster && (
          <button
            className="kale-Button"
            data-action="schedule"
            disabled={!isReady}
            onClick={() => actions.schedule(pipeline)}
          >
            {trans.__('Schedule …')}
          </button>
        )}
      </div>
      {pipeline.refusal && <RefusalNote {...pipeline.refusal} />}
      {current && (
        <button
          className="kale-RunStrip"
          data-status={current.status}
          onClick={() => actions.openRun(pipeline, current.run_id!)}
        >
          <Status status={current.status} />
          <span>{trans.__('%1 of %2 steps', stepsDone(current), current.steps.length)}</span>
          <span>
            <Elapsed run={current} />
          </span>
        </button>
      )}
    </div>
  );
}

function RefusalNote({ fault, diagnostics }: Refusal): JSX.Element {
  const trans = useTranslation();
  return (
    <div className="kale-Refusal" role="alert">
      <p>{fault ?? trans.__('This has to be mended first.')}</p>
      {errorsOf(diagnostics).map((error, number) => (
        <p key={number} className="kale-help">
          {error.message}
        </p>
      ))}
    </div>
  );
}

interface ParameterFieldProps {
  parameter: Parameter;
  text: string;
  onChange: (text: string) => void;
}

/** An empty field leaves the notebook's value, which stands there in grey. */
function ParameterField({ parameter, text, onChange }: ParameterFieldProps): JSX.Element {
  const shown = typeof parameter.default === 'string' ? parameter.default : JSON.stringify(parameter.default);
  return (
    <label className="kale-Field">
      <span>
        {parameter.name}
        <small className="kale-Field-type">{parameter.type}</small>
      </span>
      <input
        className="kale-Input"
        name={`parameter-${parameter.name}`}
        value={text}
        placeholder={shown}
        onChange={event => onChange(event.target.value)}
      />
    </label>
  );
}
