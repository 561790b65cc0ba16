// Where the list stands: it follows the browser's scrolling, and brings the row one stands at into sight whenever that changes.

import type { RefObject } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { LIST_START, placed, revealed, scrolled, type ListGeometry, type ListPosition } from "./list-window.js";
import type { Matches } from "./matches.js";

/** Milliseconds without a scroll after which the bar is put where it belongs. */
const SETTLED = 200;

export function useListPosition(
  scroller: RefObject<HTMLDivElement | null>,
  list: ListGeometry,
  here: number,
  matches: Matches,
) {
  const [position, setPosition] = useState<ListPosition>(LIST_START);
  const timer = useRef(0);
  const tell = (next: ListPosition) => {
    setPosition(next);
    if (scroller.current !== null) scroller.current.scrollTop = next.scrollTop;
  };
  useLayoutEffect(() => {
    clearTimeout(timer.current);
    const next = revealed(list, placed(list, position.top), Math.max(here, 0));
    if (next.top !== position.top || next.scrollTop !== position.scrollTop) tell(next);
  }, [list, here, matches]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const scroll = (scrollTop: number) => {
    const next = scrolled(list, position, scrollTop);
    setPosition(next);
    clearTimeout(timer.current);
    timer.current = window.setTimeout(() => tell(placed(list, next.top)), SETTLED);
  };
  return { position, scroll };
}
