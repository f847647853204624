/** What a view shows: plain data, kept in the layout so that a page that is loaded again has it. */
export type ViewSpec =
  | { kind: 'graph'; path: string }
  | { kind: 'run'; path: string; run: string; step?: string }
  | { kind: 'lineage'; path: string; id: string }
  | { kind: 'sweep'; path: string; sweep: string }
  | { kind: 'service'; path: string; name: string }
  | { kind: 'comparison'; path: string; before: string; after: string };

export type SpecOf<Kind extends ViewSpec['kind']> = Extract<ViewSpec, { kind: Kind }>;

/** Two views of one key are one view. */
export function viewKey(spec: ViewSpec): string {
  const { kind, path } = spec;
  switch (kind) {
    case 'graph':
      return `${kind}:${path}`;
    case 'run':
      return `${kind}:${spec.run}:${path}`;
    case 'sweep':
      return `${kind}:${spec.sweep}:${path}`;
    case 'service':
      return `${kind}:${spec.name}:${path}`;
    case 'lineage':
      // One for each notebook: links lead from one thing to another in the same view.
      return `${kind}:${path}`;
    case 'comparison':
      return `${kind}:${spec.before}:${spec.after}:${path}`;
  }
}
