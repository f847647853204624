import { Clipboard } from '@jupyterlab/apputils';
import * as React from 'react';

import type { NotebookPipeline } from '../../notebook/pipeline';
import type { Service } from '../../protocol';
import { useTranslation } from '../../ui/translation';
import { keepText } from '../downloads';
import { useAnswer } from '../useAnswer';

interface ManifestProps {
  pipeline: NotebookPipeline;
  service: Service;
}

/** The same service on a cluster: an InferenceService of KServe. */
export function Manifest({ pipeline, service }: ManifestProps): JSX.Element {
  const trans = useTranslation();
  const { name, bundle, version } = service;
  const [typed, setTyped] = React.useState('');
  const [storage, setStorage] = React.useState('');
  const [isCopied, setCopied] = React.useState(false);
  const ask = () => pipeline.manifest(bundle, name, storage);
  const { answer, fault } = useAnswer(pipeline, ask, [bundle, name, storage]);
  const text = answer?.emitted ?? null;
  React.useEffect(() => setCopied(false), [text]);
  return (
    <div className="kale-Manifest">
      <form
        className="kale-Manifest-form"
        onSubmit={event => {
          event.preventDefault();
          setStorage(typed.trim());
        }}
      >
        <label className="kale-Field">
          <span>{trans.__('The bundle will be at')}</span>
          <input
            className="kale-Input"
            name="storage"
            value={typed}
            placeholder={`pvc://models/${name}/${version}`}
            onChange={event => setTyped(event.target.value)}
            onBlur={() => setStorage(typed.trim())}
          />
        </label>
        <div className="kale-Buttons">
          <button
            type="button"
            className="kale-Button"
            data-action="copy-manifest"
            disabled={text === null}
            onClick={() => {
              Clipboard.copyToSystem(text!);
              setCopied(true);
            }}
          >
            {isCopied ? trans.__('Copied') : trans.__('Copy')}
          </button>
          <button
            type="button"
            className="kale-Button"
            data-action="download-manifest"
            disabled={text === null}
            onClick={() => keepText(text!, `${name}.yaml`)}
          >
            {trans.__('Download')}
          </button>
        </div>
      </form>
      {fault !== null && (
        <p className="kale-Refusal kale-mod-lines" role="alert">
          {fault}
        </p>
      )}
      {answer?.diagnostics.map((diagnostic, number) => (
        <div key={number} className="kale-Refusal" role="note">
          <p>{diagnostic.message}</p>
          <p className="kale-help">{diagnostic.help}</p>
        </div>
      ))}
      {text === null ? (
        answer === null && fault === null && <p role="status">{trans.__('Writing …')}</p>
      ) : (
        <pre className="kale-Manifest-text" tabIndex={0} aria-label={trans.__('Manifest')}>
          {text}
        </pre>
      )}
      <p className="kale-help">
        {trans.__('Copy the bundle there (%1), then: kubectl apply --server-side -f %2.yaml', bundle, name)}
      </p>
    </div>
  );
}
