import * as React from 'react';

import { messageOf } from '../../channel/rpc';
import type { NotebookPipeline } from '../../notebook/pipeline';
import type { ServiceLines, Services } from '../../notebook/services';
import { StepLog } from '../run/log';

/** What a service logs, live from its last lines on. */
export function useServiceLog(
  pipeline: NotebookPipeline,
  name: string
): { log: StepLog; fault: string | null } {
  const log = React.useMemo(() => new StepLog(), [name]);
  const [fault, setFault] = React.useState<string | null>(null);
  const { isReady } = pipeline.link;
  React.useEffect(() => {
    if (!isReady) {
      return;
    }
    const { services } = pipeline;
    const onLogged = (_: Services, lines: ServiceLines) => {
      if (lines.name === name) {
        const isFirst = lines.first || log.pieces.length === 0;
        if (lines.first) {
          log.clear();
        }
        log.add(isFirst ? 0 : 1, lines.text);
      }
    };
    services.logged.connect(onLogged);
    services.watchLog(name).then(
      () => setFault(null),
      error => setFault(messageOf(error))
    );
    return () => {
      services.logged.disconnect(onLogged);
      void services.forgetLog(name).catch(() => undefined);
    };
  }, [pipeline, name, isReady, log]);
  return { log, fault };
}
