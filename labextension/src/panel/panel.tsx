import { ReactWidget, UseSignal } from '@jupyterlab/ui-components';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import type { NotebookPipeline } from '../notebook/pipeline';
import { errorsOf } from '../notebook/problems';
import type { PipelineRegistry } from '../notebook/registry';
import { Section } from '../ui/section';
import { TranslationContext, useTranslation } from '../ui/translation';
import type { PanelActions, PanelProps } from './actions';
import { LinkStatus } from './linkStatus';
import { MetadataForm } from './metadataForm';
import { MiniGraph } from './miniGraph';
import { Problems } from './problems';
import { RecentRuns } from './recentRuns';
import { RunForm } from './runForm';
import { ServiceList } from './serviceList';
import { StepList } from './stepList';
import { RecentSweeps } from './sweep/recentSweeps';

export const PANEL_ID = 'kale-rs:panel';

/** The side panel: the notebook in front as a pipeline. */
export class PipelinePanel extends ReactWidget {
  constructor(
    private registry: PipelineRegistry,
    private actions: PanelActions,
    private trans: TranslationBundle
  ) {
    super();
    this.id = PANEL_ID;
    this.addClass('kale-Panel');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', trans.__('Pipeline'));
  }

  protected render(): JSX.Element {
    return (
      <TranslationContext.Provider value={this.trans}>
        <UseSignal signal={this.registry.currentChanged} initialArgs={this.registry.current}>
          {() => <Current pipeline={this.registry.current} actions={this.actions} />}
        </UseSignal>
      </TranslationContext.Provider>
    );
  }
}

interface CurrentProps {
  pipeline: NotebookPipeline | null;
  actions: PanelActions;
}

function Current({ pipeline, actions }: CurrentProps): JSX.Element {
  const trans = useTranslation();
  if (pipeline === null) {
    return <p className="kale-empty">{trans.__('Open a notebook to see it as a pipeline.')}</p>;
  }
  return (
    // With a key, since `UseSignal` stays with the signal that it was made for.
    <UseSignal key={pipeline.panel.id} signal={pipeline.changed}>
      {() => <PipelineView pipeline={pipeline} actions={actions} />}
    </UseSignal>
  );
}

function PipelineView({ pipeline, actions }: PanelProps): JSX.Element {
  const trans = useTranslation();
  const { analysis, link, panel } = pipeline;
  const outline = analysis.outline;
  const diagnostics = analysis.verdict;
  const errors = errorsOf(diagnostics).length;
  const steps = outline === null ? '' : String(outline.steps.length);
  const stepNote = analysis.isOutlineOld ? trans.__('%1, before the error', steps) : steps;
  return (
    <>
      <header className="kale-Panel-head">
        <h2 title={panel.context.path}>{panel.title.label}</h2>
        <label className="kale-Switch">
          <input
            type="checkbox"
            role="switch"
            checked={pipeline.enabled}
            onChange={event => (pipeline.enabled = event.target.checked)}
          />
          {trans.__('Pipeline')}
        </label>
      </header>
      {!pipeline.enabled ? (
        <p className="kale-empty">
          {trans.__(
            'Switch it on to see this notebook as steps, run them, and find out what flows between them.'
          )}
        </p>
      ) : (
        <div className="kale-Panel-body" data-stale={analysis.isStale || link.state.kind === 'silent'}>
          <LinkStatus state={link.state} actions={actions.link(pipeline)} />
          {analysis.fault !== null && (
            <p className="kale-Refusal" role="alert">
              {analysis.fault}
            </p>
          )}
          <RunForm pipeline={pipeline} actions={actions} />
          <Section
            title={trans.__('Problems')}
            note={
              diagnostics.length > 0
                ? errors > 0
                  ? trans._n('%1 error', '%1 errors', errors)
                  : String(diagnostics.length)
                : ''
            }
            open={errors > 0}
          >
            <Problems
              diagnostics={diagnostics}
              show={diagnostic => actions.showDiagnostic(pipeline, diagnostic)}
              fix={(diagnostic, index) => actions.fix(pipeline, diagnostic, index)}
            />
          </Section>
          {outline?.layout !== undefined && outline.steps.length > 0 && (
            <Section title={trans.__('Graph')}>
              <MiniGraph pipeline={pipeline} actions={actions} />
            </Section>
          )}
          <Section title={trans.__('Steps')} note={stepNote}>
            <StepList pipeline={pipeline} actions={actions} />
          </Section>
          {outline !== null && outline.metrics.length > 0 && (
            <Section title={trans.__('Metrics')}>
              <ul className="kale-Metrics">
                {outline.metrics.map(metric => (
                  <li key={metric.name}>
                    <code>{metric.name}</code> <small>{trans.__('from %1', metric.step)}</small>
                  </li>
                ))}
              </ul>
            </Section>
          )}
          <Section title={trans.__('Runs')}>
            <RecentRuns pipeline={pipeline} actions={actions} />
          </Section>
          {outline !== null && outline.parameters.length > 0 && (
            <Section title={trans.__('Sweeps')}>
              <RecentSweeps pipeline={pipeline} actions={actions} />
            </Section>
          )}
          <Section title={trans.__('Services')} note={pipeline.services.list?.length || ''}>
            <ServiceList pipeline={pipeline} actions={actions} />
          </Section>
          <Section title={trans.__('Pipeline settings')} open={false}>
            <MetadataForm model={panel.model!} name={outline?.pipeline ?? ''} />
          </Section>
        </div>
      )}
    </>
  );
}
