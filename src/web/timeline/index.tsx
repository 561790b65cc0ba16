// The timeline: a strip of the whole trace, the way through it, and the list of its operations.

import { useMemo } from "preact/hooks";
import type { OpenTrace, Store } from "../store.js";
import { Filters } from "./filters.js";
import { Jumps } from "./jumps.js";
import { allOperations, refusedOperations, theseOperations, type Matches } from "./matches.js";
import { OperationList } from "./operation-list.js";
import { Seeker } from "./seeker.js";
import { StripLegend } from "./strip-legend.js";
import { Strip } from "./strip.js";
import "./timeline.css";
import { Transport } from "./transport.js";
import { useMatches } from "./use-matches.js";

export { OperationPanel } from "./operation-panel.js";

/** What the parts of the timeline work on. */
export interface TimelineParts {
  readonly store: Store;
  readonly open: OpenTrace;
  readonly seeker: Seeker;
  /** The operations that pass the filter. */
  readonly matches: Matches;
}

export function TimelineView({ store }: { store: Store }) {
  const open = store.open.value;
  if (open === null) return <p class="timeline-hint">No trace is open. Drop a file, or choose an example.</p>;
  if (open.trace.operations.count === 0) return <p class="timeline-hint">This trace has no operations.</p>;
  return <LoadedTimeline store={store} open={open} />;
}

function LoadedTimeline({ store, open }: { store: Store; open: OpenTrace }) {
  const { operations } = open.trace;
  const seeker = useMemo(() => new Seeker(store, (run) => requestAnimationFrame(run)), [store]);
  const all = useMemo(() => allOperations(operations.count), [open]);
  const refused = useMemo(() => theseOperations(refusedOperations(operations)), [open]);
  const { matches, isSearching } = useMatches(open, store.filter.value, all);
  const parts = useMemo(() => ({ store, open, seeker, matches }), [store, open, seeker, matches]);
  return (
    <section class="timeline-view" aria-label="Timeline">
      <div class="timeline-parts">
        <Strip {...parts} />
        <div class="timeline-tools">
          <Transport {...parts} />
          <Jumps {...parts} refused={refused} isFiltered={matches !== all} />
          <Filters {...parts} isSearching={isSearching} refused={refused.count} />
          <StripLegend operations={operations} />
        </div>
        <OperationList {...parts} />
      </div>
    </section>
  );
}
