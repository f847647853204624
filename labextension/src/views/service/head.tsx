import { Clipboard } from '@jupyterlab/apputils';
import * as React from 'react';

import type { NotebookPipeline } from '../../notebook/pipeline';
import type { Service, ServiceOrigin, ServicePage } from '../../protocol';
import { Status } from '../../ui/status';
import { useTranslation } from '../../ui/translation';
import { useView } from '../context';

interface ServiceHeadProps {
  pipeline: NotebookPipeline;
  service: Service;
  page: ServicePage | null;
  hasEnded: boolean;
  isActing: boolean;
  act: (what: () => Promise<unknown>) => void;
}

/** Where the service is, what can be done with it, and where its model comes from. */
export function ServiceHead(props: ServiceHeadProps): JSX.Element {
  const { pipeline, service, page, hasEnded, isActing, act } = props;
  const trans = useTranslation();
  const [isCopied, setCopied] = React.useState(false);
  return (
    <header className="kale-RunHead">
      <h2>
        {trans.__('Service')} <code>{service.name}</code>
      </h2>
      <p role="status" className="kale-RunHead-status">
        {hasEnded ? trans.__('has ended') : <Status status={service.state} />}
      </p>
      {!hasEnded && (
        <p className="kale-ServiceHead-url">
          <code>{service.url}</code>{' '}
          <button
            className="kale-Button"
            data-action="copy-url"
            aria-label={trans.__('Copy the URL')}
            onClick={() => {
              Clipboard.copyToSystem(service.url);
              setCopied(true);
            }}
          >
            {isCopied ? trans.__('Copied') : trans.__('Copy')}
          </button>
        </p>
      )}
      <div className="kale-Buttons">
        {hasEnded ? (
          <button
            className="kale-Button"
            data-action="serve-again"
            disabled={isActing}
            onClick={() => act(() => pipeline.services.serveAgain(service))}
          >
            {isActing ? trans.__('Starting …') : trans.__('Serve again')}
          </button>
        ) : (
          <button
            className="kale-Button"
            data-action="stop"
            disabled={isActing}
            onClick={() => act(() => pipeline.services.stop(service))}
          >
            {isActing ? trans.__('Stopping …') : trans.__('Stop')}
          </button>
        )}
      </div>
      {page !== null && page.origin !== null && (
        <Origin pipeline={pipeline} origin={page.origin} isActing={isActing} act={act} />
      )}
    </header>
  );
}

interface OriginProps extends Pick<ServiceHeadProps, 'pipeline' | 'isActing' | 'act'> {
  origin: ServiceOrigin;
}

/** The run that has made the model, the trial that it was, and the notebook as it was then. */
function Origin({ pipeline, origin, isActing, act }: OriginProps): JSX.Element {
  const trans = useTranslation();
  const { actions } = useView();
  const { run, step, variable, ids, trial } = origin;
  const path = pipeline.panel.context.path;
  return (
    <section className="kale-Values" data-values="origin" aria-label={trans.__('Where the model comes from')}>
      <span>
        <code>{variable}</code> {trans.__('of step')} <code>{step}</code>
      </span>
      {ids === null ? (
        <span className="kale-help">{trans.__('run %1 is not stored any more', run)}</span>
      ) : (
        <>
          <button
            className="kale-Link"
            data-action="open-run"
            onClick={() => actions.open({ kind: 'run', path, run, step })}
          >
            {trans.__('Run %1', run)}
          </button>
          {trial !== undefined && (
            <button
              className="kale-Link"
              data-action="open-trial"
              onClick={() => actions.open({ kind: 'sweep', path, sweep: trial.sweep_id })}
            >
              {trans.__('Trial %1 of sweep %2', trial.trial, trial.sweep_id)}
            </button>
          )}
          <button
            className="kale-Link"
            data-action="lineage"
            onClick={() => actions.open({ kind: 'lineage', path, id: ids[1] })}
          >
            {trans.__('Lineage')}
          </button>
          <button
            className="kale-Button"
            data-action="restore-origin"
            disabled={isActing}
            onClick={() => act(() => actions.openRestored(pipeline, run, step, false))}
          >
            {trans.__('Open its notebook')}
          </button>
        </>
      )}
    </section>
  );
}
