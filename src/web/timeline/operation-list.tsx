// The operations that pass the filter. A trace has millions; only the rows on screen are elements.

import { useMemo, useRef } from "preact/hooks";
import { operationOfKey } from "./list-keys.js";
import { mostRowsShown, rowsShown, scrollHeight, type ListGeometry, type ListPosition } from "./list-window.js";
import { OperationRowView, rowId } from "./operation-row.js";
import type { TimelineParts } from "./index.js";
import { useListPosition } from "./use-list-position.js";
import { useSize } from "./use-size.js";

/** In CSS pixels, as timeline.css has them: one line, or two where the list is narrow. */
const ROW_HEIGHT = 26;
const NARROW_ROW_HEIGHT = 44;
const NARROW = 490;

export function OperationList(parts: TimelineParts) {
  const { store, seeker, matches } = parts;
  const scroller = useRef<HTMLDivElement>(null);
  const { width, height } = useSize(scroller);
  const isNarrow = width < NARROW;
  const rowHeight = isNarrow ? NARROW_ROW_HEIGHT : ROW_HEIGHT;
  const list = useMemo(() => ({ rows: matches.count, rowHeight, height }), [matches, rowHeight, height]);
  const here = matches.rowOf(store.operation.value);
  const { position, scroll } = useListPosition(scroller, list, here, matches);
  return (
    <div class={isNarrow ? "operations narrow" : "operations"}>
      <Heads />
      <div
        ref={scroller}
        class="operation-scroller"
        role="listbox"
        tabIndex={0}
        aria-label="Operations"
        aria-activedescendant={activeRow(parts, list, position, here)}
        onScroll={(event) => scroll(event.currentTarget.scrollTop)}
        onKeyDown={(event) => {
          if (event.ctrlKey || event.metaKey || event.altKey) return;
          const to = operationOfKey(event.key, seeker.position, matches, Math.floor(height / rowHeight));
          if (to === null) return;
          event.preventDefault();
          seeker.goTo(to);
        }}
      >
        <Rows {...parts} list={list} position={position} here={here} />
      </div>
      {matches.count === 0 ? <p class="operations-none timeline-hint">No operation passes the filter.</p> : null}
    </div>
  );
}

function Heads() {
  return (
    <div class="operation-row operation-heads" aria-hidden="true">
      <span class="number">No.</span>
      <span>Verb</span>
      <span>VM</span>
      <span>Page</span>
      <span>Answer</span>
    </div>
  );
}

/** The operation one stands at, if it is listed and its row is on screen. */
function activeRow({ store, matches }: TimelineParts, list: ListGeometry, position: ListPosition, here: number) {
  const { first, end } = rowsShown(list, position);
  const isListed = here >= first && here < end && matches.at(here) === store.operation.value;
  return isListed ? rowId(store.operation.value) : undefined;
}

interface RowsProps extends TimelineParts {
  readonly list: ListGeometry;
  readonly position: ListPosition;
  /** Row of the operation one stands at, or of the last one before it. */
  readonly here: number;
}

function Rows({ store, open, seeker, matches, list, position, here }: RowsProps) {
  const { first, end, offset } = rowsShown(list, position);
  // A row that comes into sight takes the elements of one that went out of it.
  const slots = mostRowsShown(list);
  const rows = Array.from({ length: Math.max(0, end - first) }, (_, i) => first + i);
  return (
    <div class="operation-all" style={{ height: `${scrollHeight(list)}px` }}>
      <div style={{ transform: `translateY(${offset.toFixed(1)}px)` }}>
        {rows.map((row) => {
          const number = matches.at(row);
          const isSelected = number === store.operation.value;
          return (
            <OperationRowView
              key={row % slots}
              open={open}
              number={number}
              mark={row !== here ? null : isSelected ? "selected" : "passed"}
              position={row + 1}
              count={matches.count}
              choose={() => seeker.goTo(number)}
            />
          );
        })}
      </div>
    </div>
  );
}
