import * as React from 'react';

import { messageOf } from '../channel/rpc';

/** Something that a view does, and why it could not be done. */
export interface Acting {
  fault: string | null;
  setFault(fault: string | null): void;
  /** Whether it is being done, so that a click has been heard. */
  isActing: boolean;
  act(what: () => Promise<unknown>): void;
}

export function useActing(): Acting {
  const [fault, setFault] = React.useState<string | null>(null);
  const [isActing, setActing] = React.useState(false);
  const act = React.useCallback((what: () => Promise<unknown>) => {
    setFault(null);
    setActing(true);
    what()
      .catch(error => setFault(messageOf(error)))
      .finally(() => setActing(false));
  }, []);
  return { fault, setFault, isActing, act };
}

/** Asks for what a view shows as soon as there is somebody to ask, and again until it is there. */
export function useWatched(
  isReady: boolean,
  isKnown: boolean,
  watch: () => Promise<void>,
  setFault: Acting['setFault'],
  id: string
): void {
  React.useEffect(() => {
    if (isReady && !isKnown) {
      watch().then(
        () => setFault(null),
        error => setFault(messageOf(error))
      );
    }
  }, [id, isReady, isKnown]);
}
