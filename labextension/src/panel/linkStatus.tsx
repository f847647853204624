import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import type { LinkState } from '../channel/link';
import { useTranslation } from '../ui/translation';

/** What brings the package into a kernel. */
export const INSTALL_COMMAND = "%pip install 'kale-rs[notebook]'";

interface Message {
  text: string;
  /** Errors are told at once, all else when there is a pause. */
  severity: 'none' | 'wait' | 'warning' | 'error';
  help?: string;
}

/** What a state of the connection means to the user, and what to do. */
function linkMessage(state: LinkState, trans: TranslationBundle): Message {
  switch (state.kind) {
    case 'off':
      return { text: trans.__('Not enabled for this notebook.'), severity: 'none' };
    case 'no-kernel':
      return { text: trans.__('This notebook has no kernel.'), severity: 'warning' };
    case 'not-python':
      return {
        text: trans.__('kale_rs compiles Python; this kernel runs %1.', state.language),
        severity: 'warning'
      };
    case 'starting':
      return { text: trans.__('The kernel is starting …'), severity: 'wait' };
    case 'connecting':
      return {
        text: state.companion
          ? trans.__('Starting a companion kernel …')
          : trans.__('Connecting to the kernel …'),
        severity: 'wait'
      };
    case 'missing':
      return {
        text: trans.__('kale_rs is not installed in the kernel “%1”.', state.kernel),
        help: trans.__('Install it there, then try again.'),
        severity: 'error'
      };
    case 'mismatch':
      return {
        text: trans.__(
          'The panel is version %1, kale_rs in the kernel is version %2.',
          state.panel,
          state.kernel
        ),
        help: trans.__('Install the same version in both environments, then restart the kernel.'),
        severity: 'error'
      };
    case 'ready':
      return {
        text: state.companion
          ? trans.__('Ready (in a companion kernel: this one is too old to answer while it runs a cell).')
          : trans.__('Ready.'),
        severity: 'none'
      };
    case 'silent':
      return {
        text: trans.__('The kernel is not answering.'),
        help: trans.__(
          'A call into C code holds it up, probably. What you see is as of its last answer; it goes on by itself.'
        ),
        severity: 'wait'
      };
    case 'restarting':
      return { text: trans.__('The kernel is restarting …'), severity: 'wait' };
    case 'dead':
      return {
        text: trans.__('The kernel has died.'),
        help: trans.__('Runs that were started go on without it.'),
        severity: 'error'
      };
    case 'disconnected':
      return {
        text: trans.__('The connection to the Jupyter server is lost; trying again …'),
        help: trans.__('Runs that were started go on without it.'),
        severity: 'warning'
      };
    case 'failed':
      return { text: trans.__('The kernel cannot be reached: %1', state.detail), severity: 'error' };
  }
}

export interface LinkActions {
  retry: () => void;
  restartKernel: () => void;
  selectKernel: () => void;
  insertInstall: () => void;
}

/** The line under the switch: nothing as long as all is well. */
export function LinkStatus({
  state,
  actions
}: {
  state: LinkState;
  actions: LinkActions;
}): JSX.Element | null {
  const trans = useTranslation();
  const message = linkMessage(state, trans);
  const action = actionOf(state, actions, trans);
  const isQuiet = state.kind === 'ready' && !state.companion;
  return (
    <div
      className="kale-LinkStatus"
      data-state={state.kind}
      data-severity={message.severity}
      role={message.severity === 'error' ? 'alert' : 'status'}
      hidden={isQuiet}
    >
      {!isQuiet && <p>{message.text}</p>}
      {message.help && <p className="kale-help">{message.help}</p>}
      {state.kind === 'missing' && <code className="kale-LinkStatus-command">{INSTALL_COMMAND}</code>}
      {action && (
        <button className="kale-Button" onClick={action.act}>
          {action.label}
        </button>
      )}
    </div>
  );
}

function actionOf(
  state: LinkState,
  actions: LinkActions,
  trans: TranslationBundle
): { label: string; act: () => void } | null {
  switch (state.kind) {
    case 'no-kernel':
    case 'not-python':
      return { label: trans.__('Select kernel'), act: actions.selectKernel };
    case 'missing':
      return { label: trans.__('Insert the command as a cell'), act: actions.insertInstall };
    case 'mismatch':
    case 'dead':
      return { label: trans.__('Restart kernel'), act: actions.restartKernel };
    case 'failed':
      return { label: trans.__('Try again'), act: actions.retry };
    default:
      return null;
  }
}
