import * as React from 'react';

import type { NotebookPipeline } from '../../notebook/pipeline';
import type { Log, Runs } from '../../notebook/runs';
import { StepLog } from './log';

/** Bytes from the end that are read of a log; more on request. */
const TAIL = 1 << 20;

interface LogReader {
  log: StepLog;
  /** Reads what comes before. */
  readEarlier: () => void;
}

/** The log of a step: live as long as it runs, else read from its end. `bytes` is its length once that is known. */
export function useLog(
  pipeline: NotebookPipeline,
  run: string,
  step: string,
  hasEnded: boolean,
  bytes: number | null
): LogReader {
  const log = React.useMemo(() => new StepLog(), [run, step]);
  const { isReady } = pipeline.link;
  const end = React.useRef(bytes);
  end.current = bytes;
  const isKnown = bytes !== null;
  React.useEffect(() => {
    if (!isReady || !isKnown || hasEnded) {
      return;
    }
    const onLogged = (_: Runs, part: Log) => {
      if (part.run === run && part.step === step) {
        log.add(part.offset, part.text);
      }
    };
    pipeline.runs.logged.connect(onLogged);
    const from = Math.max(0, end.current! - TAIL);
    void pipeline.runs.watch(run, { step, from }).catch(() => undefined);
    return () => {
      pipeline.runs.logged.disconnect(onLogged);
      void pipeline.runs.forgetLog(run, step).catch(() => undefined);
    };
  }, [pipeline, run, step, hasEnded, isReady, isKnown, log]);

  const read = React.useCallback(
    async (start: number, isWanted: () => boolean) => {
      let next = start;
      for (let isFirst = true; ; isFirst = false) {
        const { logs } = await pipeline.link.request('logs', { run, step, offset: next });
        const part = logs[0];
        if (!isWanted() || part === undefined || part.text === '') {
          return;
        }
        if (isFirst) {
          log.clear();
        }
        log.add(part.offset, part.text);
        next = part.next;
      }
    },
    [pipeline, run, step, log]
  );
  React.useEffect(() => {
    if (!isReady || !hasEnded || bytes === null) {
      return;
    }
    // Of two readings at a time, the parts would be mixed.
    let isWanted = true;
    void read(Math.max(0, bytes - TAIL), () => isWanted).catch(() => undefined);
    return () => {
      isWanted = false;
    };
  }, [read, isReady, hasEnded, bytes]);
  const readEarlier = async () => {
    const before = log.firstByte;
    const offset = Math.max(0, before - TAIL);
    const { logs } = await pipeline.link.request('logs', { run, step, offset });
    if (logs[0] !== undefined && before === log.firstByte) {
      const missing = new TextEncoder().encode(logs[0].text).slice(0, before - offset);
      log.addBefore(offset, new TextDecoder().decode(missing));
    }
  };
  return { log, readEarlier: () => void readEarlier().catch(() => undefined) };
}
