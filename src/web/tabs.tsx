// The four views as tabs, by the keys that tabs have everywhere: arrows, Home and End.

import type { TargetedKeyboardEvent } from "preact";
import { useRef } from "preact/hooks";
import type { Store, ViewName } from "./store.js";

export const TABS: readonly { readonly view: ViewName; readonly name: string }[] = [
  { view: "map", name: "Map" },
  { view: "walk", name: "Walk" },
  { view: "compare", name: "Compare" },
  { view: "scenario", name: "Scenario" },
];

export const tabId = (view: ViewName) => `tab-${view}`;
export const panelId = (view: ViewName) => `view-${view}`;

export function Tabs({ store }: { store: Store }) {
  const list = useRef<HTMLDivElement>(null);
  const onKeyDown = (event: TargetedKeyboardEvent<HTMLDivElement>) => {
    const target = neighbour(store.view.value, event.key);
    if (target === null) return;
    event.preventDefault();
    store.view.value = target;
    list.current?.querySelector<HTMLElement>(`#${tabId(target)}`)?.focus();
  };
  return (
    <div class="tabs" role="tablist" aria-label="Views" ref={list} onKeyDown={onKeyDown}>
      {TABS.map(({ view, name }) => (
        <button
          key={view}
          type="button"
          role="tab"
          id={tabId(view)}
          aria-controls={panelId(view)}
          aria-selected={store.view.value === view}
          tabIndex={store.view.value === view ? 0 : -1}
          onClick={() => (store.view.value = view)}
        >
          {name}
        </button>
      ))}
    </div>
  );
}

/** The tab that a key leads to; null: this key leads nowhere. */
function neighbour(view: ViewName, key: string): ViewName | null {
  const at = TABS.findIndex((tab) => tab.view === view);
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: -1 }[key];
  return to === undefined ? null : (TABS.at(to % TABS.length)?.view ?? null);
}
