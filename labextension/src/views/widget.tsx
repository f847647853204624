import { ReactWidget, UseSignal } from '@jupyterlab/ui-components';
import * as React from 'react';

import type { NotebookPipeline } from '../notebook/pipeline';
import { pipelineIcon } from '../ui/icons';
import { TranslationContext, useTranslation } from '../ui/translation';
import { FaultBoundary } from '../ui/faultBoundary';
import { ComparisonView } from './compare/comparison';
import { useView, ViewContext } from './context';
import type { ViewServices } from './context';
import { GraphView } from './graph/view';
import { LineageView } from './lineage/view';
import { RunView } from './run/view';
import { ServiceView } from './service/view';
import type { ViewSpec } from './spec';
import { Subject } from './subject';
import { SweepView } from './sweep/view';
import { viewTitle } from './titles';

/** The content of a tab of the main area: a graph, a run, a sweep, a service, a lineage, or a comparison. */
export class ViewWidget extends ReactWidget {
  constructor(
    spec: ViewSpec,
    private subject: Subject,
    private services: ViewServices
  ) {
    super();
    this.currentSpec = spec;
    this.addClass('kale-View');
    this.node.setAttribute('role', 'region');
    this.title.icon = pipelineIcon;
    subject.renamed.connect(() => this.display(this.spec));
    this.display(spec);
  }

  get spec(): ViewSpec {
    return { ...this.currentSpec, path: this.subject.path };
  }

  get renamed(): Subject['renamed'] {
    return this.subject.renamed;
  }

  /** Shows something else of the same notebook. */
  display(spec: ViewSpec): void {
    this.currentSpec = spec;
    const { label, caption } = viewTitle(this.spec, this.services.trans);
    this.title.label = label;
    this.title.caption = caption;
    this.node.setAttribute('aria-label', label);
    this.update();
  }

  dispose(): void {
    if (!this.isDisposed) {
      super.dispose();
      this.subject.dispose();
    }
  }

  protected render(): JSX.Element {
    return (
      <TranslationContext.Provider value={this.services.trans}>
        <ViewContext.Provider value={this.services}>
          <UseSignal signal={this.subject.changed}>
            {() => (
              <FaultBoundary>
                <Content spec={this.currentSpec} subject={this.subject} />
              </FaultBoundary>
            )}
          </UseSignal>
        </ViewContext.Provider>
      </TranslationContext.Provider>
    );
  }

  private currentSpec: ViewSpec;
}

function Content({ spec, subject }: { spec: ViewSpec; subject: Subject }): JSX.Element {
  const { pipeline } = subject;
  if (pipeline === null) {
    return <Closed path={subject.path} />;
  }
  if (!pipeline.enabled) {
    return <SwitchedOff pipeline={pipeline} />;
  }
  return (
    <>
      <Unreachable pipeline={pipeline} />
      <Shown key={pipeline.panel.id} spec={spec} pipeline={pipeline} />
    </>
  );
}

function Shown({ spec, pipeline }: { spec: ViewSpec; pipeline: NotebookPipeline }): JSX.Element {
  switch (spec.kind) {
    case 'graph':
      return <GraphView pipeline={pipeline} />;
    case 'run':
      return <RunView key={spec.run} pipeline={pipeline} spec={spec} />;
    case 'sweep':
      return <SweepView key={spec.sweep} pipeline={pipeline} sweep={spec.sweep} />;
    case 'service':
      return <ServiceView key={spec.name} pipeline={pipeline} name={spec.name} />;
    case 'lineage':
      return <LineageView pipeline={pipeline} spec={spec} />;
    case 'comparison':
      return <ComparisonView pipeline={pipeline} before={spec.before} after={spec.after} />;
  }
}

/** The kernel that could answer is that of a notebook which is not open. */
function Closed({ path }: { path: string }): JSX.Element {
  const trans = useTranslation();
  const { actions } = useView();
  return (
    <div className="kale-View-state" data-state="closed" role="status">
      <p>{trans.__('%1 is not open; its kernel reads what is shown here.', path)}</p>
      <button className="kale-Button" onClick={() => actions.openNotebook(path)}>
        {trans.__('Open the notebook')}
      </button>
    </div>
  );
}

function SwitchedOff({ pipeline }: { pipeline: NotebookPipeline }): JSX.Element {
  const trans = useTranslation();
  return (
    <div className="kale-View-state" data-state="off" role="status">
      <p>{trans.__('This notebook is not shown as a pipeline.')}</p>
      <button className="kale-Button" onClick={() => (pipeline.enabled = true)}>
        {trans.__('Show it as a pipeline')}
      </button>
    </div>
  );
}

/** What is shown stays, but nothing new comes. The panel says why, and what can be done. */
function Unreachable({ pipeline }: { pipeline: NotebookPipeline }): JSX.Element {
  const trans = useTranslation();
  const { kind } = pipeline.link.state;
  const text = {
    ready: '',
    silent: trans.__('The kernel is not answering at the moment.'),
    starting: trans.__('Waiting for the kernel …'),
    connecting: trans.__('Connecting to the kernel …'),
    restarting: trans.__('The kernel is restarting …')
  }[kind as string];
  return (
    <p className="kale-View-link" data-state={kind} role="status" hidden={text === ''}>
      {text ?? trans.__('There is no connection to the kernel: see the pipeline panel.')}
    </p>
  );
}
