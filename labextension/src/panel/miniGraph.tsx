import * as React from 'react';

import { useTranslation } from '../ui/translation';
import type { PanelProps } from './actions';

/** Drawn by code that is loaded when there is something to draw. */
const PipelineGraph = React.lazy(async () => ({
  default: (await import('../views/graph/view')).PipelineGraph
}));

/** Of more steps nobody could read the names in the width of the panel. */
const READABLE_STEPS = 100;

/** The graph as small as the panel; as large as one likes in a tab of its own. */
export function MiniGraph({ pipeline, actions }: PanelProps): JSX.Element {
  const trans = useTranslation();
  return (
    <>
      {pipeline.analysis.outline!.steps.length <= READABLE_STEPS && (
        <React.Suspense fallback={null}>
          <PipelineGraph
            pipeline={pipeline}
            isSmall={true}
            onOpen={cell => actions.showCell(pipeline, cell)}
          />
        </React.Suspense>
      )}
      <button className="kale-Button" data-action="open-graph" onClick={() => actions.openGraph(pipeline)}>
        {trans.__('Open graph')}
      </button>
    </>
  );
}
