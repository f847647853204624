import * as React from 'react';

import type { NotebookPipeline } from '../../notebook/pipeline';
import type { Service, ServicePage } from '../../protocol';
import { useTranslation } from '../../ui/translation';
import { IdLink } from '../idLink';

interface ServiceDetailsProps {
  pipeline: NotebookPipeline;
  service: Service;
  page: ServicePage | null;
}

/** What is served, and how it is asked from elsewhere. */
export function ServiceDetails({ pipeline, service, page }: ServiceDetailsProps): JSX.Element {
  const trans = useTranslation();
  const about = page?.about ?? {};
  const tensors = (side: 'inputs' | 'outputs') =>
    about.signature?.[side]
      ?.map(({ name, datatype, shape }) => `${name} ${datatype} [${shape.map(sizeOf).join('×')}]`)
      .join(', ');
  const functions = [about.functions?.preprocess, about.functions?.postprocess].filter(Boolean).join(', ');
  const facts: [string, string | undefined][] = [
    [trans.__('Model'), about.model && [about.model.flavour, about.model.class].filter(Boolean).join(': ')],
    [trans.__('Functions'), functions],
    [trans.__('Assets'), Object.keys(about.assets ?? {}).join(', ')],
    [trans.__('Inputs'), tensors('inputs')],
    [trans.__('Outputs'), tensors('outputs')],
    [trans.__('V1'), `POST ${service.url}/v1/models/${service.name}:predict`],
    [trans.__('V2'), `POST ${service.url}/v2/models/${service.name}/infer`],
    [trans.__('Metrics'), `GET ${service.url}/metrics`],
    [trans.__('Since'), new Date(service.since).toLocaleString()],
    [trans.__('Version'), service.version],
    [trans.__('Bundle'), service.bundle],
    [trans.__('Process'), String(service.pid)]
  ];
  const ids = page?.origin?.ids ?? null;
  return (
    <dl className="kale-Facts">
      {facts
        .filter(([, value]) => value)
        .map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      {ids?.map((id, index) => (
        <div key={id}>
          <dt>{index === 0 ? trans.__('Run') : trans.__('Step')}</dt>
          <dd>
            <IdLink pipeline={pipeline} id={id} />
          </dd>
        </div>
      ))}
    </dl>
  );
}

/** Any number is `n`, as in the notebook's card. */
function sizeOf(size: number): string {
  return size === -1 ? 'n' : String(size);
}
