import * as React from 'react';

import { formatMilliseconds } from '../ui/format';
import { Status } from '../ui/status';
import { useTranslation } from '../ui/translation';
import type { PanelProps } from './actions';

/** The services of the notebook's store that run, whoever has started them. */
export function ServiceList({ pipeline, actions }: PanelProps): JSX.Element {
  const trans = useTranslation();
  const services = pipeline.services.list;
  if (services === null) {
    return <p className="kale-empty">{trans.__('The kernel has not told of any yet.')}</p>;
  }
  if (services.length === 0) {
    return (
      <p className="kale-empty">
        {trans.__(
          'No services. kale_rs.serve(model) in a cell starts one; so does Serve at a step of a run, or at the best trial of a sweep.'
        )}
      </p>
    );
  }
  return (
    <ul className="kale-Runs kale-Services">
      {services.map(service => (
        <li key={service.name} data-service={service.name} data-state={service.state}>
          <button className="kale-Runs-open" onClick={() => actions.openService(pipeline, service.name)}>
            <Status status={service.state} />
            <span className="kale-Runs-id">{service.name}</span>
            {service.requests !== undefined && (
              <span className="kale-Runs-metrics">
                {[
                  trans._n('%1 request', '%1 requests', service.requests.total),
                  ...(service.requests.errors > 0
                    ? [trans._n('%1 error', '%1 errors', service.requests.errors)]
                    : []),
                  ...(service.requests.total > 0 ? [formatMilliseconds(service.latency_seconds!.p50)] : [])
                ].join(' · ')}
              </span>
            )}
          </button>
        </li>
      ))}
    </ul>
  );
}
