import * as React from 'react';

import { ConnectionLost, messageOf } from '../channel/rpc';
import type { NotebookPipeline } from '../notebook/pipeline';

interface Answered<Answer> {
  /** The last answer, also while another one is awaited. */
  answer: Answer | null;
  fault: string | null;
}

/**
 * What the kernel answers to a question that depends on `about`: asked when one of these changes, and when a lost
 * connection is there again. An answer that comes too late, to what is not asked any more, is dropped.
 */
export function useAnswer<Answer>(
  pipeline: NotebookPipeline,
  ask: () => Promise<Answer>,
  about: readonly unknown[]
): Answered<Answer> {
  const [answered, setAnswered] = React.useState<Answered<Answer>>({ answer: null, fault: null });
  const { isReady } = pipeline.link;
  React.useEffect(() => {
    if (!isReady) {
      return;
    }
    let isWanted = true;
    ask().then(
      answer => isWanted && setAnswered({ answer, fault: null }),
      error => {
        // A lost connection is told above the view, and the question is asked again.
        if (isWanted && !(error instanceof ConnectionLost)) {
          setAnswered(before => ({ ...before, fault: messageOf(error) }));
        }
      }
    );
    return () => {
      isWanted = false;
    };
  }, [pipeline, isReady, ...about]);
  return answered;
}
