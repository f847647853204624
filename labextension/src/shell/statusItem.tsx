import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget, UseSignal } from '@jupyterlab/ui-components';
import * as React from 'react';

import type { NotebookPipeline } from '../notebook/pipeline';
import { isActive, stepsDone } from '../notebook/runs';
import { errorsOf } from '../notebook/problems';
import type { PipelineRegistry } from '../notebook/registry';
import { STATUS_SIGNS, statusWord } from '../ui/status';

/** One line in the status bar: how many steps, what is wrong, what runs. A click shows the panel. */
export class StatusItem extends ReactWidget {
  constructor(
    private registry: PipelineRegistry,
    private showPanel: () => void,
    private trans: TranslationBundle
  ) {
    super();
    this.addClass('kale-StatusItem');
  }

  protected render(): JSX.Element {
    return (
      <UseSignal signal={this.registry.currentChanged} initialArgs={this.registry.current}>
        {() => {
          const pipeline = this.registry.current;
          return pipeline === null ? null : (
            // With a key, since `UseSignal` stays with the signal that it was made for.
            <UseSignal key={pipeline.panel.id} signal={pipeline.changed}>
              {() => this.line(pipeline)}
            </UseSignal>
          );
        }}
      </UseSignal>
    );
  }

  private line(pipeline: NotebookPipeline): JSX.Element | null {
    if (!pipeline.enabled) {
      return null;
    }
    return (
      <button onClick={this.showPanel} title={this.trans.__('Show the pipeline panel')}>
        {this.text(pipeline)}
      </button>
    );
  }

  private text(pipeline: NotebookPipeline): string {
    const run = pipeline.runs.current;
    const graph = pipeline.analysis.outline;
    if (run !== null && isActive(run)) {
      return `${STATUS_SIGNS.running} ${this.trans.__('%1 of %2 steps', stepsDone(run), run.steps.length)}`;
    }
    if (graph === null) {
      return this.trans.__('Pipeline');
    }
    const errors = errorsOf(pipeline.analysis.verdict).length;
    if (errors > 0) {
      return this.trans._n('%1 error', '%1 errors', errors);
    }
    const steps = this.trans._n('%1 step', '%1 steps', graph.steps.length);
    return run === null
      ? steps
      : `${steps} · ${STATUS_SIGNS[run.status]} ${statusWord(run.status, this.trans)}`;
  }
}
