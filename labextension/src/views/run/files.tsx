import * as React from 'react';

import type { NotebookPipeline } from '../../notebook/pipeline';
import type { ArtifactHead, StepPage } from '../../protocol';
import { useTranslation } from '../../ui/translation';
import { ArtifactTable } from './artifacts';

/** Files that the step has written, as it has left them: they are stored like values. */
export function StepFiles({ pipeline, page }: { pipeline: NotebookPipeline; page: StepPage }): JSX.Element {
  const trans = useTranslation();
  const files = page.files.map((file): ArtifactHead => ({
    id: file.id,
    names: [file.path],
    bytes: file.bytes,
    kind: `file:${file.path}`,
    type: trans.__('file')
  }));
  return (
    <ArtifactTable
      pipeline={pipeline}
      title={trans.__('Files as the step has left them')}
      artifacts={files}
      none={trans.__('This step has written no files.')}
    />
  );
}
