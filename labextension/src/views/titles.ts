import { PathExt } from '@jupyterlab/coreutils';
import type { TranslationBundle } from '@jupyterlab/translation';

import type { ViewSpec } from './spec';

/** What the tab of a view is called. */
export function viewTitle(spec: ViewSpec, trans: TranslationBundle): { label: string; caption: string } {
  const name = PathExt.basename(spec.path, '.ipynb');
  switch (spec.kind) {
    case 'graph':
      return { label: trans.__('Graph of %1', name), caption: spec.path };
    case 'run':
      // With the end of the id: several runs may be open.
      return {
        label: trans.__('Run %1 of %2', spec.run.split('-').pop()!, name),
        caption: `${spec.run} · ${spec.path}`
      };
    case 'sweep':
      return {
        label: trans.__('Sweep %1 of %2', spec.sweep.split('-').pop()!, name),
        caption: `${spec.sweep} · ${spec.path}`
      };
    case 'service':
      return { label: trans.__('Service %1', spec.name), caption: `${spec.name} · ${spec.path}` };
    case 'lineage':
      return { label: trans.__('Lineage in %1', name), caption: spec.path };
    case 'comparison':
      return { label: trans.__('Two runs of %1', name), caption: `${spec.before} · ${spec.after}` };
  }
}
