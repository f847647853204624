import * as React from 'react';

import { TranslationContext } from './translation';

/** An answer that cannot be drawn takes down its own view only, and says so. */
export class FaultBoundary extends React.Component<{ children: React.ReactNode }, { fault: string | null }> {
  static contextType = TranslationContext;
  declare context: React.ContextType<typeof TranslationContext>;

  static getDerivedStateFromError(error: unknown): { fault: string } {
    return { fault: error instanceof Error ? error.message : String(error) };
  }

  state = { fault: null };

  render(): React.ReactNode {
    if (this.state.fault === null) {
      return this.props.children;
    }
    return (
      <div className="kale-View-state" role="alert">
        <p>{this.context.__('This cannot be shown: %1', this.state.fault)}</p>
        <button className="kale-Button" onClick={() => this.setState({ fault: null })}>
          {this.context.__('Try again')}
        </button>
      </div>
    );
  }
}
