import * as React from 'react';

interface SectionProps {
  title: string;
  /** Shown beside the title, also while the section is closed. */
  note?: React.ReactNode;
  open?: boolean;
  children: React.ReactNode;
}

/** A part of the panel that can be folded away; the browser's own element does keyboard and screen reader. */
export function Section({ title, note, open = true, children }: SectionProps): JSX.Element {
  return (
    <details className="kale-Section" open={open}>
      <summary className="kale-Section-head">
        <h3>{title}</h3>
        {note !== undefined && <span className="kale-Section-note">{note}</span>}
      </summary>
      <div className="kale-Section-body">{children}</div>
    </details>
  );
}
