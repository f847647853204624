import * as React from 'react';

import type { NotebookPipeline } from '../notebook/pipeline';
import { useTranslation } from '../ui/translation';
import { useView } from './context';

/** An id that leads to where it comes from and what came of it. */
export function IdLink({
  pipeline,
  id,
  label
}: {
  pipeline: NotebookPipeline;
  id: string;
  label?: string;
}): JSX.Element {
  const trans = useTranslation();
  const { actions } = useView();
  return (
    <button
      className="kale-Link"
      title={trans.__('Lineage of %1', id)}
      onClick={() => actions.open({ kind: 'lineage', path: pipeline.panel.context.path, id })}
    >
      {label ?? id}
    </button>
  );
}
