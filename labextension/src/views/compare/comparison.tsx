import * as React from 'react';

import type { NotebookPipeline } from '../../notebook/pipeline';
import { useTranslation } from '../../ui/translation';
import { useView } from '../context';
import { messageOf } from '../message';
import { Outputs } from '../run/outputs';

interface ComparisonViewProps {
  pipeline: NotebookPipeline;
  before: string;
  after: string;
}

/** What differs between two runs, as `kale-rs diff` tells it. */
export function ComparisonView({ pipeline, before, after }: ComparisonViewProps): JSX.Element {
  const trans = useTranslation();
  const { actions } = useView();
  const [markdown, setMarkdown] = React.useState<string | null>(null);
  const [fault, setFault] = React.useState<string | null>(null);
  const isReady = pipeline.link.state.kind === 'ready';
  React.useEffect(() => {
    if (isReady) {
      pipeline.link.request('diff', { before, after }).then(
        answer => setMarkdown(answer.markdown),
        error => setFault(messageOf(error))
      );
    }
  }, [pipeline, before, after, isReady]);
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
      {markdown === null ? (
        fault === null && <p role="status">{trans.__('Comparing …')}</p>
      ) : (
        <Outputs
          outputs={[{ output_type: 'display_data', metadata: {}, data: { 'text/markdown': markdown } }]}
        />
      )}
    </div>
  );
}
