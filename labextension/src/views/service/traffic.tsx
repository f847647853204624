import * as React from 'react';

import { PAST, perSecond } from '../../notebook/services';
import type { Sample } from '../../notebook/services';
import type { Service } from '../../protocol';
import { formatBytes, formatMilliseconds, formatSeconds } from '../../ui/format';
import { useNow } from '../../ui/useNow';
import { useTranslation } from '../../ui/translation';

/** Its id, its name, its value, and whether that is bad. */
type Figure = [string, string, string, boolean?];

/** Requests, errors and how long answers take: the service's own figures, live. */
export function Traffic({ service, samples }: { service: Service; samples: readonly Sample[] }): JSX.Element {
  const trans = useTranslation();
  const now = useNow(true);
  const { requests, latency_seconds: latency, replicas = [] } = service;
  const { token_env: token } = service.settings;
  if (requests === undefined || latency === undefined) {
    return (
      <p className="kale-empty" role="status">
        {token !== null && service.state !== 'silent'
          ? trans.__('Its figures are for whoever shows its token: the kernel has no %1.', token)
          : trans.__('It does not say how it does. Its log may tell why.')}
      </p>
    );
  }
  const restarts = replicas.reduce((sum, replica) => sum + replica.restarts, 0);
  const memory = replicas.reduce((sum, replica) => sum + (replica.rss_bytes ?? 0), 0);
  const time = (seconds: number) => (requests.total === 0 ? '–' : formatMilliseconds(seconds));
  const figures: Figure[] = [
    ['requests', trans.__('Requests'), String(requests.total)],
    ['errors', trans.__('Errors'), String(requests.errors), requests.errors > 0],
    ...only(requests.rejected > 0, ['rejected', trans.__('Turned away'), String(requests.rejected), true]),
    ['p50', trans.__('Latency p50'), time(latency.p50)],
    ['p99', trans.__('Latency p99'), time(latency.p99)],
    ...only(replicas.length > 1, ['replicas', trans.__('Processes'), String(replicas.length)]),
    ...only(restarts > 0, ['restarts', trans.__('Restarts'), String(restarts), true]),
    ['memory', trans.__('Memory'), formatBytes(memory)],
    ['uptime', trans.__('Up for'), formatSeconds(Math.max(0, (now - Date.parse(service.since)) / 1000))]
  ];
  return (
    <section className="kale-Traffic" aria-label={trans.__('Traffic')}>
      <dl>
        {figures.map(([id, name, value, isBad]) => (
          <div key={id} data-figure={id} data-bad={isBad ?? false}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <LastMinute counts={perSecond(samples, now)} />
    </section>
  );
}

/** What is mostly nothing to speak of. */
function only(isThere: boolean, figure: Figure): Figure[] {
  return isThere ? [figure] : [];
}

const HEIGHT = 32;
const BAR = 3;

/** A bar for each second. */
function LastMinute({ counts }: { counts: readonly number[] }): JSX.Element {
  const trans = useTranslation();
  const most = Math.max(...counts);
  const all = counts.reduce((sum, count) => sum + count, 0);
  return (
    <figure className="kale-Traffic-minute">
      <svg
        viewBox={`0 0 ${PAST * BAR} ${HEIGHT}`}
        role="img"
        aria-label={trans._n('%1 request in the last minute', '%1 requests in the last minute', all)}
      >
        {counts.map((count, second) => (
          <rect
            key={second}
            x={second * BAR}
            width={BAR - 1}
            y={HEIGHT - Math.max(1, (count / Math.max(most, 1)) * HEIGHT)}
            height={Math.max(1, (count / Math.max(most, 1)) * HEIGHT)}
            data-empty={count === 0}
          />
        ))}
      </svg>
      <figcaption>{trans.__('the last minute, at most %1 per second', most)}</figcaption>
    </figure>
  );
}
