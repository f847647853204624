import * as React from 'react';

import type { NotebookPipeline } from '../../notebook/pipeline';
import type { Service, ServicePage } from '../../protocol';
import { Tabs } from '../../ui/tabs';
import { useTranslation } from '../../ui/translation';
import { useActing } from '../acting';
import { LogView } from '../run/logView';
import { useAnswer } from '../useAnswer';
import { ServiceDetails } from './details';
import { ServiceHead } from './head';
import { Manifest } from './manifest';
import { TestBox, useTest } from './testBox';
import { Traffic } from './traffic';
import { useServiceLog } from './useServiceLog';

interface ServiceViewProps {
  pipeline: NotebookPipeline;
  name: string;
}

/** One service: how it does, a box to try it, its log, and what a cluster needs to serve the same. */
export function ServiceView({ pipeline, name }: ServiceViewProps): JSX.Element {
  const trans = useTranslation();
  const { fault, isActing, act } = useActing();
  const running = pipeline.services.find(name);
  const ask = async () => (running === null ? null : pipeline.services.page(name));
  const asked = useAnswer(pipeline, ask, [name, running?.pid]);
  const test = useTest();
  // One that has ended is shown as it was.
  const last = React.useRef<Service | null>(null);
  const lastPage = React.useRef<ServicePage | null>(null);
  last.current = running ?? last.current;
  lastPage.current = asked.answer ?? lastPage.current;
  const [service, page] = [last.current, lastPage.current];
  const isKnown = pipeline.services.list !== null;
  if (service === null) {
    return (
      <div className="kale-RunView kale-ServiceView" data-service={name} data-state={isKnown ? 'ended' : ''}>
        {isKnown ? <Ended pipeline={pipeline} name={name} /> : <Asking />}
      </div>
    );
  }
  const hasEnded = isKnown && running === null;
  const tabs = [
    {
      id: 'try',
      title: trans.__('Try it'),
      content: () => (
        <TestBox pipeline={pipeline} name={name} test={test} page={page} isRunning={running !== null} />
      )
    },
    {
      id: 'logs',
      title: trans.__('Logs'),
      content: () => <ServiceLog pipeline={pipeline} name={name} hasEnded={hasEnded} />
    },
    {
      id: 'manifest',
      title: trans.__('Manifest'),
      content: () => <Manifest pipeline={pipeline} service={service} />
    },
    {
      id: 'details',
      title: trans.__('Details'),
      content: () => <ServiceDetails pipeline={pipeline} service={service} page={page} />
    }
  ];
  return (
    <div
      className="kale-RunView kale-ServiceView"
      data-service={name}
      data-state={hasEnded ? 'ended' : service.state}
    >
      {(fault ?? asked.fault) !== null && (
        <p className="kale-Refusal kale-mod-lines" role="alert">
          {fault ?? asked.fault}
        </p>
      )}
      <ServiceHead
        pipeline={pipeline}
        service={service}
        page={page}
        hasEnded={hasEnded}
        isActing={isActing}
        act={act}
      />
      {!hasEnded && <Traffic service={service} samples={pipeline.services.samples(service)} />}
      <Tabs label={trans.__('Service %1', name)} tabs={tabs} />
    </div>
  );
}

function Asking(): JSX.Element {
  const trans = useTranslation();
  return (
    <p className="kale-empty" role="status">
      {trans.__('Asking for the services …')}
    </p>
  );
}

/** One that did not run when the view was opened: there is its log, if it ever had one. */
function Ended({ pipeline, name }: ServiceViewProps): JSX.Element {
  const trans = useTranslation();
  return (
    <>
      <header className="kale-RunHead">
        <h2>
          {trans.__('Service')} <code>{name}</code>
        </h2>
        <p role="status">{trans.__('It does not run. When it is served again, it is shown here.')}</p>
      </header>
      <ServiceLog pipeline={pipeline} name={name} hasEnded />
    </>
  );
}

function ServiceLog({
  pipeline,
  name,
  hasEnded
}: ServiceViewProps & {
  hasEnded: boolean;
}): JSX.Element {
  const trans = useTranslation();
  const { log, fault } = useServiceLog(pipeline, name);
  if (fault !== null) {
    return <p className="kale-empty">{fault}</p>;
  }
  return <LogView log={log} label={trans.__('Log of %1', name)} isRunning={!hasEnded} />;
}
