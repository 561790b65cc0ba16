// Which rows of a long list are on screen. Browsers cut elements off at some 17 million pixels, so a longer list gets a scroll
// range of MAX_HEIGHT: dragging the bar goes anywhere, while wheel, finger and keys still move by the pixels they move.

/** Pixels that every browser can scroll. */
export const MAX_HEIGHT = 15_000_000;
/** Rows kept ready outside the window, on either side. */
const SPARE = 4;

/** Sizes in pixels. */
export interface ListGeometry {
  readonly rows: number;
  readonly rowHeight: number;
  /** Height of the window. */
  readonly height: number;
}

/** `top`: rows above the window's upper edge, with a fraction. `scrollTop`: what the browser was last told or said. */
export interface ListPosition {
  readonly top: number;
  readonly scrollTop: number;
}

export const LIST_START: ListPosition = { top: 0, scrollTop: 0 };

/** Height of what is scrolled. */
export function scrollHeight({ rows, rowHeight }: ListGeometry): number {
  return Math.min(rows * rowHeight, MAX_HEIGHT);
}

const maxTop = ({ rows, rowHeight, height }: ListGeometry) => Math.max(0, rows - height / rowHeight);
const maxScroll = (list: ListGeometry) => Math.max(0, scrollHeight(list) - list.height);

/** Where the list stands after the browser has scrolled to `scrollTop`. */
export function scrolled(list: ListGeometry, from: ListPosition, scrollTop: number): ListPosition {
  const end = maxScroll(list);
  if (scrollTop <= 0) return { top: 0, scrollTop };
  if (scrollTop >= end) return { top: maxTop(list), scrollTop };
  const moved = scrollTop - from.scrollTop;
  const isJump = Math.abs(moved) > 2 * list.height;
  const top = isJump ? (scrollTop / end) * maxTop(list) : from.top + moved / list.rowHeight;
  return { top: clampTop(list, top), scrollTop };
}

/** Where the list stands with row `top` at the upper edge, and what `scrollTop` the browser is to be told. */
export function placed(list: ListGeometry, top: number): ListPosition {
  const most = maxTop(list);
  const clamped = clampTop(list, top);
  return { top: clamped, scrollTop: most === 0 ? 0 : Math.round((clamped / most) * maxScroll(list)) };
}

const clampTop = (list: ListGeometry, top: number) => Math.min(Math.max(top, 0), maxTop(list));

/** The same, moved as little as shows the row with one neighbour on either side. */
export function revealed(list: ListGeometry, from: ListPosition, row: number): ListPosition {
  const lowest = row + 2 - list.height / list.rowHeight;
  const top = Math.max(Math.min(from.top, row - 1), lowest);
  return clampTop(list, top) === from.top ? from : placed(list, top);
}

/** As many rows as are ever drawn at once. */
export const mostRowsShown = ({ height, rowHeight }: ListGeometry) => Math.ceil(height / rowHeight) + 1 + 2 * SPARE;

/** The rows to draw, and how far below the top of the scrolled element the first of them stands. */
export function rowsShown(list: ListGeometry, { top, scrollTop }: ListPosition) {
  const first = Math.max(0, Math.floor(top) - SPARE);
  const end = Math.min(list.rows, Math.ceil(top + list.height / list.rowHeight) + SPARE);
  return { first, end, offset: scrollTop + (first - top) * list.rowHeight };
}
