import * as React from 'react';

export interface Tab {
  id: string;
  title: string;
  content: () => React.ReactNode;
}

/** Tabs as screen readers know them: one of them is in the order of the Tab key, arrow keys lead to the others. */
export function Tabs({ label, tabs }: { label: string; tabs: readonly Tab[] }): JSX.Element {
  const [chosen, setChosen] = React.useState(tabs[0].id);
  const list = React.useRef<HTMLDivElement>(null);
  const prefix = React.useId();
  const onKeyDown = (event: React.KeyboardEvent) => {
    const index = tabs.findIndex(tab => tab.id === chosen);
    const targets: Record<string, number> = {
      ArrowLeft: (index + tabs.length - 1) % tabs.length,
      ArrowRight: (index + 1) % tabs.length,
      Home: 0,
      End: tabs.length - 1
    };
    const target = targets[event.key];
    if (target !== undefined) {
      event.preventDefault();
      setChosen(tabs[target].id);
      (list.current?.children[target] as HTMLElement | undefined)?.focus();
    }
  };
  return (
    <div className="kale-Tabs">
      <div role="tablist" aria-label={label} ref={list} onKeyDown={onKeyDown}>
        {tabs.map(tab => (
          <button
            key={tab.id}
            id={`${prefix}${tab.id}`}
            role="tab"
            data-tab={tab.id}
            aria-selected={tab.id === chosen}
            aria-controls={`${prefix}panel`}
            tabIndex={tab.id === chosen ? 0 : -1}
            onClick={() => setChosen(tab.id)}
          >
            {tab.title}
          </button>
        ))}
      </div>
      <div
        role="tabpanel"
        id={`${prefix}panel`}
        aria-labelledby={`${prefix}${chosen}`}
        tabIndex={0}
        className="kale-Tabs-panel"
        data-tab={chosen}
      >
        {tabs.find(tab => tab.id === chosen)?.content()}
      </div>
    </div>
  );
}
