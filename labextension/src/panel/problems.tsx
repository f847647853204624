import * as React from 'react';

import type { Diagnostic } from '../protocol';
import { SEVERITIES, SEVERITY_SIGNS, severityWord } from '../ui/severity';
import { useTranslation } from '../ui/translation';

interface ProblemsProps {
  diagnostics: readonly Diagnostic[];
  /** Shows the place of a diagnostic in the notebook. */
  show: (diagnostic: Diagnostic) => void;
  /** Carries out one of its fixes. */
  fix: (diagnostic: Diagnostic, index: number) => void;
}

/** What the compiler has to say, the gravest first. */
export function Problems({ diagnostics, show, fix }: ProblemsProps): JSX.Element {
  const trans = useTranslation();
  const sorted = SEVERITIES.flatMap(severity => diagnostics.filter(each => each.severity === severity));
  if (sorted.length === 0) {
    return <p className="kale-empty">{trans.__('No problems.')}</p>;
  }
  return (
    <ul className="kale-Problems">
      {sorted.map((diagnostic, number) => (
        <li key={number} data-severity={diagnostic.severity} data-id={diagnostic.id}>
          <button className="kale-Problem" onClick={() => show(diagnostic)} title={diagnostic.help}>
            <span
              className="kale-Problem-sign"
              aria-label={severityWord(diagnostic.severity, trans)}
              role="img"
            >
              {SEVERITY_SIGNS[diagnostic.severity]}
            </span>
            <span>
              {diagnostic.message}
              {diagnostic.help && <span className="kale-help">{diagnostic.help}</span>}
              {diagnostic.cell !== null && (
                <span className="kale-Problem-place">
                  {trans.__('cell %1, line %2', diagnostic.cell, diagnostic.start?.line ?? 1)}
                </span>
              )}
            </span>
          </button>
          {diagnostic.fixes.map((each, index) => (
            <button
              key={index}
              className="kale-Button kale-Problem-fix"
              onClick={() => fix(diagnostic, index)}
            >
              {each.title}
            </button>
          ))}
        </li>
      ))}
    </ul>
  );
}
