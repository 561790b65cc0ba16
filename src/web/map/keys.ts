// Where a key leads from the page looked at.

import { pageBelow, pageIn, type Layout } from "./layout.js";
import { cellAt, type Viewport } from "./viewport.js";

/** Number of the page that a key leads to; null: it leads nowhere. `selected` null: no page is looked at yet. */
export function moveByKey(key: string, layout: Layout, view: Viewport, selected: number | null): number | null {
  if (key === "Home") return 0;
  if (key === "End") return layout.pages - 1;
  const pages = PAGES[key];
  const rows = rowsOf(key, Math.max(1, Math.floor(view.height / view.cellHeight) - 1));
  if (pages === undefined && rows === null) return null;
  if (selected === null) return middlePage(layout, view);
  if (rows !== null) return pageBelow(layout, selected, rows);
  return Math.min(layout.pages - 1, Math.max(0, selected + (pages ?? 0)));
}

/** Keys that follow the addresses, from one end of a row to the start of the next. */
const PAGES: Readonly<Record<string, number>> = { ArrowLeft: -1, ArrowRight: 1 };

/** `screen`: rows in the window. */
function rowsOf(key: string, screen: number): number | null {
  switch (key) {
    case "ArrowUp":
      return -1;
    case "ArrowDown":
      return 1;
    case "PageUp":
      return -screen;
    case "PageDown":
      return screen;
    default:
      return null;
  }
}

function middlePage(layout: Layout, view: Viewport): number {
  const cell = cellAt(layout, view, { x: view.width / 2, y: view.height / 2 });
  return Math.max(0, cell === null ? 0 : pageIn(layout, cell));
}
