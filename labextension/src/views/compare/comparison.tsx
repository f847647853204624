import * as React from 'react';

import type { NotebookPipeline } from '../../notebook/pipeline';
import { useTranslation } from '../../ui/translation';
import { useView } from '../context';
import { Outputs } from '../run/outputs';
import { useAnswer } from '../useAnswer';

interface ComparisonViewProps {
  pipeline: NotebookPipeline;
  before: string;
  after: string;
}

/** What differs between two runs, as `kale-rs diff` tells it. */
export function ComparisonView({ pipeline, before, after }: ComparisonViewProps): JSX.Element {
  const trans = useTranslation();
  const { actions } = useView();
  const ask = () => pipeline.link.request('diff', { before, after });
  const { answer, fault } = useAnswer(pipeline, ask, [before, after]);
  const open = (run: string) => actions.open({ kind: 'run', path: pipeline.panel.context.path, run });
  return (
    <div className="kale-Comparison">
      <header className="kale-Buttons">
        <button className="kale-Button" onClick={() => open(before)}>
          {trans.__('Open run %1', before)}
        </button>
        <button className="kale-Button" onClick={() => open(after)}>
          {trans.__('Open run %1', after)}
        </button>
      </header>
      {fault !== null && (
        <p className="kale-Refusal" role="alert">
          {fault}
        </p>
      )}
      {answer === null ? (
        fault === null && <p role="status">{trans.__('Comparing …')}</p>
      ) : (
        <Outputs
          outputs={[
            { output_type: 'display_data', metadata: {}, data: { 'text/markdown': answer.markdown } }
          ]}
        />
      )}
    </div>
  );
}
