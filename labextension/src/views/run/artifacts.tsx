import * as React from 'react';

import type { NotebookPipeline } from '../../notebook/pipeline';
import type { Artifact, ArtifactHead, StepPage } from '../../protocol';
import { formatBytes } from '../../ui/format';
import { useTranslation } from '../../ui/translation';
import { IdLink } from '../idLink';
import { messageOf } from '../../channel/rpc';
import { useView } from '../context';
import { useAnswer } from '../useAnswer';
import { Outputs } from './outputs';

/** Values that the step has made, and those that it was given. */
export function StepArtifacts({
  pipeline,
  page,
  serve
}: {
  pipeline: NotebookPipeline;
  page: StepPage;
  /** Serves a variable; there is none where the step cannot be restored. */
  serve?: (variable: string) => void;
}): JSX.Element {
  const trans = useTranslation();
  return (
    <>
      <ArtifactTable pipeline={pipeline} title={trans.__('Made')} artifacts={page.artifacts} serve={serve} />
      <ArtifactTable pipeline={pipeline} title={trans.__('Used')} artifacts={page.inputs} />
    </>
  );
}

/** The type of a value that nobody has looked into. */
const UNSEEN = 'Artifact';
/** What the compiler knows to be a model. */
export const MODEL = 'Model';

interface ArtifactTableProps {
  pipeline: NotebookPipeline;
  title: string;
  artifacts: readonly ArtifactHead[];
  /** What is said where there are none. */
  none?: string;
  serve?: (variable: string) => void;
}

export function ArtifactTable({ pipeline, title, artifacts, none, serve }: ArtifactTableProps): JSX.Element {
  const trans = useTranslation();
  const [shown, setShown] = React.useState<string | null>(null);
  if (artifacts.length === 0) {
    return <p className="kale-empty">{none ?? trans.__('%1: nothing.', title)}</p>;
  }
  return (
    <table className="kale-Table kale-Artifacts">
      <caption>{title}</caption>
      <thead>
        <tr>
          <th scope="col">{trans.__('Name')}</th>
          <th scope="col">{trans.__('Type')}</th>
          <th scope="col">{trans.__('Size')}</th>
          <th scope="col">{trans.__('Actions')}</th>
        </tr>
      </thead>
      <tbody>
        {artifacts.map(artifact => (
          <React.Fragment key={artifact.id}>
            <tr data-artifact={artifact.names.join(' ')}>
              <th scope="row">{artifact.names.join(', ')}</th>
              <td>{artifact.type === UNSEEN ? '' : artifact.type}</td>
              <td>{artifact.bytes === null ? trans.__('gone') : formatBytes(artifact.bytes)}</td>
              <td>
                <button
                  className="kale-Button"
                  data-action="preview"
                  aria-expanded={shown === artifact.id}
                  onClick={() => setShown(shown === artifact.id ? null : artifact.id)}
                >
                  {trans.__('Preview')}
                </button>{' '}
                {serve !== undefined && artifact.type === MODEL && (
                  <button
                    className="kale-Button"
                    data-action="serve-artifact"
                    aria-label={trans.__('Serve %1', artifact.names[0])}
                    onClick={() => serve(artifact.names[0])}
                  >
                    {trans.__('Serve …')}
                  </button>
                )}{' '}
                <IdLink pipeline={pipeline} id={artifact.id} label={trans.__('Lineage')} />
              </td>
            </tr>
            {shown === artifact.id && (
              <tr>
                <td colSpan={4}>
                  <ArtifactPreview pipeline={pipeline} id={artifact.id} />
                </td>
              </tr>
            )}
          </React.Fragment>
        ))}
      </tbody>
    </table>
  );
}

/** A stored value: as a table, an image or text, and as a file to keep. */
export function ArtifactPreview({ pipeline, id }: { pipeline: NotebookPipeline; id: string }): JSX.Element {
  const trans = useTranslation();
  const { actions } = useView();
  const ask = () => pipeline.link.request('artifact', { id });
  const { answer: artifact, fault } = useAnswer(pipeline, ask, [id]);
  const [downloadFault, setDownloadFault] = React.useState<string | null>(null);
  if (fault !== null) {
    return <p role="alert">{fault}</p>;
  }
  if (artifact === null) {
    return <p role="status">{trans.__('Reading …')}</p>;
  }
  return (
    <div className="kale-Preview">
      <p>
        <code>{artifact.type}</code> {artifact.summary}
      </p>
      <Outputs outputs={[{ output_type: 'display_data', metadata: {}, data: mimeBundle(artifact) }]} />
      <button
        className="kale-Button"
        data-action="download"
        onClick={() => {
          setDownloadFault(null);
          actions.downloadArtifact(pipeline, artifact).catch(error => setDownloadFault(messageOf(error)));
        }}
      >
        {trans.__('Download')}
      </button>
      {downloadFault !== null && <p role="alert">{downloadFault}</p>}
    </div>
  );
}

function mimeBundle({ preview }: Artifact): Record<string, string> {
  const { text, html, png } = preview;
  return {
    ...(png === undefined ? {} : { 'image/png': png }),
    ...(html === undefined ? {} : { 'text/html': html }),
    ...(text === undefined ? {} : { 'text/plain': text })
  };
}
