// The page: which view stands where. The views know the store, and not each other.

import { useComputed, useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useMemo, useRef } from "preact/hooks";
import { DropZone } from "./drop-zone.js";
import { Header } from "./header.js";
import { Help } from "./help.js";
import { lazyView } from "./lazy-view.js";
import { MapView, PageDetailsPanel } from "./map/index.js";
import type { Opener } from "./open.js";
import { useShortcuts, type Shortcut } from "./shortcuts.js";
import { LoadingBar, ProblemBar } from "./status.js";
import type { Store, ViewName } from "./store.js";
import { panelId, tabId, TABS } from "./tabs.js";
import { nextTheme } from "./theme.js";
import { OperationPanel, TimelineView } from "./timeline/index.js";
import { TraceSummary } from "./trace-summary.js";

const WalkView = lazyView(async () => (await import("./walk/index.js")).WalkView);
const CompareView = lazyView(async () => (await import("./compare/index.js")).CompareView);
const ScenarioEditor = lazyView(async () => (await import("./compare/index.js")).ScenarioEditor);

interface Props {
  readonly store: Store;
  readonly opener: Opener;
}

export function App({ store, opener }: Props) {
  const chooser = useRef<HTMLInputElement>(null);
  const isHelpShown = useSignal(false);
  useShortcuts(
    useMemo(
      (): readonly Shortcut[] => [
        ...TABS.map(({ view, name }, at) => ({
          key: `${at + 1}`,
          says: name,
          run: () => (store.view.value = view),
        })),
        { key: "o", says: "Open a file", run: () => chooser.current?.click() },
        { key: "d", says: "Light, dark, or as the system", run: nextTheme },
        { key: "?", says: "This help", run: () => (isHelpShown.value = true) },
      ],
      [],
    ),
  );
  return (
    <DropZone onFiles={(files) => void opener.openFiles(files)}>
      <Header store={store} opener={opener} chooser={chooser} onHelp={() => (isHelpShown.value = true)} />
      <LoadingBar store={store} onCancel={() => opener.cancel()} />
      <ProblemBar store={store} />
      <Views store={store} />
      <Help shown={isHelpShown} />
    </DropZone>
  );
}

/** Map and walk show the machine after an operation of the trace, so the timeline stays with them. */
function Views({ store }: { store: Store }) {
  const isOfTrace = useComputed(() => store.view.value === "map" || store.view.value === "walk");
  return (
    <main class={isOfTrace.value ? "with-timeline" : ""}>
      <Panel store={store} view="map" keep>
        <MapView store={store} />
      </Panel>
      <Panel store={store} view="walk">
        <WalkView store={store} />
      </Panel>
      <Panel store={store} view="compare" keep>
        <CompareView store={store} />
      </Panel>
      <Panel store={store} view="scenario" keep>
        <ScenarioEditor store={store} />
      </Panel>
      <div class="timeline" hidden={!isOfTrace.value}>
        <TimelineView store={store} />
      </div>
      <aside class="details" aria-label="Details" hidden={!isOfTrace.value}>
        <TraceSummary store={store} />
        <OperationPanel store={store} />
        <PageDetailsPanel store={store} />
      </aside>
    </main>
  );
}

interface PanelProps {
  readonly store: Store;
  readonly view: ViewName;
  /** Once it was looked at it stays, with its zoom or its text; otherwise it goes when another view is shown. */
  readonly keep?: boolean;
  readonly children: ComponentChildren;
}

function Panel({ store, view, keep = false, children }: PanelProps) {
  const isShown = store.view.value === view;
  const wasShown = useRef(false);
  wasShown.current ||= isShown;
  return (
    <section role="tabpanel" class="view" id={panelId(view)} aria-labelledby={tabId(view)} hidden={!isShown}>
      {(isShown || (keep && wasShown.current)) && children}
    </section>
  );
}
