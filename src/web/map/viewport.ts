// Which part of the map a window shows. All lengths are in pixels of the canvas. A value is never changed; each move gives a new one.

import type { Cell, Layout } from "./layout.js";

export interface Viewport {
  readonly width: number;
  readonly height: number;
  /** Width and height of a page. */
  readonly cellWidth: number;
  readonly cellHeight: number;
  /** Where the first column begins, and the gap above the first band. */
  readonly left: number;
  readonly top: number;
  /** Above each band, for its address. */
  readonly gap: number;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** A machine of many small regions must still fit: their gaps take at most this share of the height. */
const GAPS_AT_MOST = 0.4;

/** The whole machine. `gap` is what a band's heading needs. */
export function wholeMachine(layout: Layout, width: number, height: number, gap: number): Viewport {
  const bands = Math.max(1, layout.bands.length);
  const fitting = Math.min(gap, (height * GAPS_AT_MOST) / bands);
  return {
    width,
    height,
    cellWidth: width / layout.columns,
    cellHeight: (height - fitting * bands) / Math.max(1, layout.rows),
    left: 0,
    top: 0,
    gap: fitting,
  };
}

/** How often the whole machine is enlarged in `view`: 1 or more. */
export function magnification(layout: Layout, view: Viewport): number {
  return (view.cellWidth * layout.columns) / view.width;
}

/** So far that one page nearly fills the window. */
export function largestMagnification(layout: Layout): number {
  return Math.max(1, 0.9 * Math.min(layout.columns, Math.max(1, layout.rows)));
}

/** Enlarges by `factor`; what is at `at` stays there. */
export function zoomAt(layout: Layout, view: Viewport, at: Point, factor: number): Viewport {
  const now = magnification(layout, view);
  const wanted = Math.min(largestMagnification(layout), Math.max(1, now * factor)) / now;
  const { band, row } = placeAt(layout, view, at.y);
  const zoomed = {
    ...view,
    cellWidth: view.cellWidth * wanted,
    cellHeight: view.cellHeight * wanted,
    left: at.x - (at.x - view.left) * wanted,
  };
  // Gaps keep their height, so a row's distance from the top does not simply grow with the factor.
  const moved = rowTop(layout, zoomed, band, row) - rowTop(layout, view, band, row);
  return within(layout, { ...zoomed, top: view.top - moved });
}

export function panBy(layout: Layout, view: Viewport, dx: number, dy: number): Viewport {
  return within(layout, { ...view, left: view.left + dx, top: view.top + dy });
}

/** Moves as little as needed to have the whole cell in the window, and somewhat away from its edge. */
export function reveal(layout: Layout, view: Viewport, cell: Cell): Viewport {
  const margin = Math.min(40, view.width / 8, view.height / 8);
  const x = view.left + cell.column * view.cellWidth;
  const y = rowTop(layout, view, cell.band, cell.row);
  return panBy(
    layout,
    view,
    shiftInto(x, view.cellWidth, view.width, margin),
    shiftInto(y, view.cellHeight, view.height, margin),
  );
}

function shiftInto(start: number, size: number, window: number, margin: number): number {
  if (start >= margin && start + size <= window - margin) return 0;
  if (size > window - 2 * margin) return (window - size) / 2 - start;
  return start < margin ? margin - start : window - margin - size - start;
}

/** The cell in the middle, pages `cellHeight` pixels high. */
export function centreOn(layout: Layout, view: Viewport, cell: Cell, cellHeight: number): Viewport {
  const zoomed = zoomAt(layout, view, { x: 0, y: 0 }, cellHeight / view.cellHeight);
  const x = zoomed.left + (cell.column + 0.5) * zoomed.cellWidth;
  const y = rowTop(layout, zoomed, cell.band, cell.row + 0.5);
  return panBy(layout, zoomed, view.width / 2 - x, view.height / 2 - y);
}

/** Another window on the same part: its middle stays in the middle. */
export function resized(layout: Layout, view: Viewport, whole: Viewport): Viewport {
  const middle = placeAt(layout, view, view.height / 2);
  const times = magnification(layout, view);
  const next = { ...whole, cellWidth: whole.cellWidth * times, cellHeight: whole.cellHeight * times };
  const column = (view.width / 2 - view.left) / view.cellWidth;
  return within(layout, {
    ...next,
    left: whole.width / 2 - column * next.cellWidth,
    top: whole.height / 2 - rowTop(layout, { ...next, top: 0 }, middle.band, middle.row),
  });
}

/** Upper edge of a row; `row` may have a fraction. */
export function rowTop(layout: Layout, view: Viewport, band: number, row: number): number {
  const above = layout.bands[band]?.rowsAbove ?? 0;
  return view.top + (band + 1) * view.gap + (above + row) * view.cellHeight;
}

/** Cell under a point, whether a page is in it or not; null: a gap, or beside the map. */
export function cellAt(layout: Layout, view: Viewport, at: Point): Cell | null {
  const { band, row } = placeAt(layout, view, at.y);
  const column = Math.floor((at.x - view.left) / view.cellWidth);
  const rows = layout.bands[band]?.rows ?? 0;
  if (row < 0 || row >= rows || column < 0 || column >= layout.columns) return null;
  return { band, column, row: Math.floor(row) };
}

/** Band and row at a height. In the gap above a band the row is negative. */
export function placeAt(layout: Layout, view: Viewport, y: number): { readonly band: number; readonly row: number } {
  const found = layout.bands.findLastIndex((_, band) => rowTop(layout, view, band, 0) - view.gap <= y);
  const band = Math.max(0, found);
  return { band, row: (y - rowTop(layout, view, band, 0)) / view.cellHeight };
}

/** The map has no margins to get lost in. */
function within(layout: Layout, view: Viewport): Viewport {
  const width = view.cellWidth * layout.columns;
  const height = view.cellHeight * layout.rows + view.gap * layout.bands.length;
  return {
    ...view,
    left: Math.min(0, Math.max(view.width - width, view.left)),
    top: Math.min(0, Math.max(view.height - height, view.top)),
  };
}
