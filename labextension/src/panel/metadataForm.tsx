import type { INotebookModel } from '@jupyterlab/notebook';
import * as React from 'react';

import { readText, writeMetadata } from '../notebook/metadata';
import type { TextField } from '../notebook/metadata';
import { useTranslation } from '../ui/translation';

/** What the notebook says of the pipeline as a whole; written when a field is left. */
export function MetadataForm({ model, name }: { model: INotebookModel; name: string }): JSX.Element {
  const trans = useTranslation();
  return (
    <div className="kale-Form">
      <Field model={model} field="name" label={trans.__('Name')} placeholder={name} />
      <Field model={model} field="description" label={trans.__('Description')} />
      <Field model={model} field="experiment" label={trans.__('Experiment')} placeholder="Default" />
      <Field model={model} field="base_image" label={trans.__('Image')} placeholder="python:3.x-slim" />
    </div>
  );
}

interface FieldProps {
  model: INotebookModel;
  field: TextField;
  label: string;
  placeholder?: string;
}

function Field({ model, field, label, placeholder }: FieldProps): JSX.Element {
  const stored = readText(model, field);
  const [text, setText] = React.useState(stored);
  React.useEffect(() => setText(stored), [stored, model]);
  const commit = () => {
    if (text.trim() !== stored) {
      writeMetadata(model, { [field]: text.trim() });
    }
  };
  return (
    <label className="kale-Field">
      <span>{label}</span>
      <input
        className="kale-Input"
        name={field}
        value={text}
        placeholder={placeholder}
        onChange={event => setText(event.target.value)}
        onBlur={commit}
        onKeyDown={event => event.key === 'Enter' && commit()}
      />
    </label>
  );
}
