// The classes of all pages, and of squares of 2x2, 4x4, ... cells, so that a pixel costs one look-up at any zoom. A square has the
// class of its most remarkable page: one lent page among four thousand can be seen from far away.
//
// Level 0 is a copy of the ownership's classes, by number of the cell (layout.ts). It is kept so that a change tells what was there
// before (the legend counts pages) and so that "many changed" can be answered by comparing, which is faster than building
// everything anew.

import { cellIndex, columnOf, rowOf, type Band, type Layout } from "./layout.js";

/** A cell without a page. No class has this value: its state is none of PAGE_*. */
export const NO_CELL = 255;

/** To follow one change up the squares costs about as much as to compare this many pages. */
const CHANGE_COSTS = 512;

export interface Level {
  readonly width: number;
  readonly height: number;
  /** Level 0: by number of the cell. Above: line by line. */
  readonly cells: Uint8Array;
}

export interface Pyramid {
  /** By band, then by level. Level n has squares of 2^n by 2^n cells; the last is a single square. */
  readonly bands: readonly (readonly Level[])[];
  /** Pages of each class. */
  readonly counts: Uint32Array;
  /** Takes over the classes of these pages; null: of all that differ. */
  update(changed: Uint32Array | null): void;
  /** Another opinion of which class is the most remarkable: `rank` by class, NO_CELL lowest. */
  rankBy(rank: Uint8Array): void;
}

export function buildPyramid(layout: Layout, classes: Uint8Array, firstRank: Uint8Array): Pyramid {
  const counts = new Uint32Array(256);
  const bands = layout.bands.map((band) => emptyLevels(layout, band));
  let rank = firstRank;
  layout.bands.forEach((band, index) => {
    const [base] = bands[index] ?? [];
    base?.cells.set(classes.subarray(band.first, band.first + band.pages), band.skew);
  });
  for (const value of classes) counts[value] = (counts[value] ?? 0) + 1;
  rankBy(rank);

  function rankBy(next: Uint8Array): void {
    rank = next;
    for (const levels of bands) raise(layout, levels, 1, wholeOf(levels), rank);
  }

  function update(changed: Uint32Array | null): void {
    if (changed === null || changed.length > classes.length / CHANGE_COSTS) return layout.bands.forEach(compare);
    for (const page of changed) {
      const band = bandOf(layout, page);
      const levels = bands[band];
      const { first, skew } = layout.bands[band] as Band;
      if (levels === undefined) continue;
      const at = page - first + skew;
      const value = classes[page] as number;
      if (replace(levels[0] as Level, at, value)) climb(layout, levels, at, rank);
    }
  }

  /** Block by block: of a large machine few blocks change, and only their squares are built anew. */
  function compare(band: Band, index: number): void {
    const levels = bands[index] as Level[];
    const base = levels[0] as Level;
    const now = classes.subarray(band.first, band.first + band.pages);
    const isSame = comparison(base.cells, band.skew, now);
    const size = 2 ** (layout.blockColumnBits + layout.blockRowBits);
    let hasChanged = false;
    for (let block = band.skew & -size; block < band.skew + now.length; block += size) {
      const from = Math.max(0, block - band.skew);
      const to = Math.min(now.length, block + size - band.skew);
      if (isSame(from, to)) continue;
      for (let i = from; i < to; i++) replace(base, band.skew + i, now[i] as number);
      raise(layout, levels.slice(0, layout.blockRowBits + 1), 1, boxOfBlock(layout, base, block), rank);
      hasChanged = true;
    }
    if (hasChanged) raise(layout, levels, layout.blockRowBits + 1, wholeOf(levels), rank);
  }

  function replace(base: Level, at: number, value: number): boolean {
    const before = base.cells[at] as number;
    if (before === value) return false;
    base.cells[at] = value;
    counts[before] = (counts[before] as number) - 1;
    counts[value] = (counts[value] as number) + 1;
    return true;
  }

  return { bands, counts, update, rankBy };
}

function emptyLevels({ columns }: Layout, { rows, cells }: Band): Level[] {
  const levels: Level[] = [{ width: columns, height: rows, cells: new Uint8Array(cells).fill(NO_CELL) }];
  for (let width = columns, height = rows; width > 1 || height > 1;) {
    width = (width + 1) >> 1;
    height = (height + 1) >> 1;
    levels.push({ width, height, cells: new Uint8Array(width * height) });
  }
  return levels;
}

function bandOf(layout: Layout, page: number): number {
  let band = layout.bands.length - 1;
  while (band > 0 && (layout.bands[band] as Band).first > page) band--;
  return band;
}

/** From a changed cell of level 0 upwards, as long as the square it is in changes with it. */
function climb(layout: Layout, levels: readonly Level[], index: number, rank: Uint8Array): void {
  let column = columnOf(layout, index);
  let row = rowOf(layout, index);
  for (let n = 1; n < levels.length; n++) {
    const level = levels[n] as Level;
    column >>= 1;
    row >>= 1;
    const value =
      n === 1 ? topOfCells(layout, levels, column, row, rank) : topOfFour(levels[n - 1] as Level, column, row, rank);
    const at = row * level.width + column;
    if (level.cells[at] === value) return;
    level.cells[at] = value;
  }
}

/** The most remarkable of four cells. A block has an even number of rows and columns, so they are all there. */
function topOfCells(layout: Layout, levels: readonly Level[], column: number, row: number, rank: Uint8Array): number {
  const { cells } = levels[0] as Level;
  const at = cellIndex(layout, 2 * column, 2 * row);
  const below = at + 2 ** layout.blockColumnBits;
  const upper = higher(cells[at] as number, cells[at + 1] as number, rank);
  return higher(upper, higher(cells[below] as number, cells[below + 1] as number, rank), rank);
}

/** The most remarkable of the four squares below one; at an edge there may be two or one. */
function topOfFour({ width, height, cells }: Level, column: number, row: number, rank: Uint8Array): number {
  const at = 2 * row * width + 2 * column;
  const right = 2 * column + 1 < width ? 1 : 0;
  const below = 2 * row + 1 < height ? width : 0;
  const upper = higher(cells[at] as number, cells[at + right] as number, rank);
  return higher(upper, higher(cells[at + below] as number, cells[at + below + right] as number, rank), rank);
}

function higher(a: number, b: number, rank: Uint8Array): number {
  return (rank[b] as number) > (rank[a] as number) ? b : a;
}

/** Cells of level 0: from a column and row up to others, which are not in it. */
interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

function wholeOf([base]: readonly Level[]): Box {
  return { left: 0, top: 0, right: base?.width ?? 0, bottom: base?.height ?? 0 };
}

/** Of the block whose first cell has this number. */
function boxOfBlock(layout: Layout, { height }: Level, index: number): Box {
  const left = columnOf(layout, index);
  const top = rowOf(layout, index);
  const bottom = Math.min(height, top + 2 ** layout.blockRowBits);
  return { left, top, right: left + 2 ** layout.blockColumnBits, bottom };
}

/** Builds the squares above a box anew, from level `first` on. */
function raise(layout: Layout, levels: readonly Level[], first: number, box: Box, rank: Uint8Array): void {
  for (let n = first; n < levels.length; n++) {
    const level = levels[n] as Level;
    const size = 2 ** n;
    const left = Math.floor(box.left / size);
    const top = Math.floor(box.top / size);
    const squares = { left, top, right: Math.ceil(box.right / size), bottom: Math.ceil(box.bottom / size) };
    if (n === 1) raiseCells(layout, levels[0] as Level, level, squares, rank);
    else raiseSquares(levels[n - 1] as Level, level, squares, rank);
  }
}

function raiseSquares(below: Level, level: Level, { left, top, right, bottom }: Box, rank: Uint8Array): void {
  for (let row = top; row < bottom; row++)
    for (let column = left; column < right; column++)
      level.cells[row * level.width + column] = topOfFour(below, column, row, rank);
}

/**
 * Level 1, four cells of a block's row at once. Most of a large machine is uniform: then eight cells are compared in one go. A block
 * has at least 16 columns (layout.ts), and its rows lie one behind the other.
 */
function raiseCells(layout: Layout, { cells }: Level, level: Level, squares: Box, rank: Uint8Array): void {
  const words = new Uint32Array(cells.buffer);
  const pairs = new Uint16Array(level.cells.buffer);
  const wordsInRow = 2 ** layout.blockColumnBits / 4;
  for (let row = squares.top; row < squares.bottom; row++)
    for (let column = squares.left; column < squares.right; column += 2 * wordsInRow) {
      const upper = cellIndex(layout, 2 * column, 2 * row) / 4;
      const pair = (row * level.width + column) / 2;
      for (let i = 0; i < wordsInRow; i++) {
        const a = words[upper + i] as number;
        const b = words[upper + wordsInRow + i] as number;
        const isUniform = a === b && a === Math.imul(a & 0xff, 0x0101_0101) >>> 0;
        pairs[pair + i] = isUniform ? a & 0xffff : topOfWords(a, b, rank) | (topOfWords(a >>> 16, b >>> 16, rank) << 8);
      }
    }
}

/** Of the two low bytes of each. */
function topOfWords(a: number, b: number, rank: Uint8Array): number {
  return higher(higher(a & 0xff, (a >>> 8) & 0xff, rank), higher(b & 0xff, (b >>> 8) & 0xff, rank), rank);
}

/**
 * Tells whether entries `from` to `to` of `now` are what `cells` has from `skew` on. Compares four at a time where both happen to
 * lie on a multiple of four, as they do in machines that exist.
 */
function comparison(cells: Uint8Array, skew: number, now: Uint8Array): (from: number, to: number) => boolean {
  const words = skew % 4 === 0 && now.byteOffset % 4 === 0 ? now.length >> 2 : 0;
  const had = new Uint32Array(cells.buffer, words === 0 ? 0 : skew, words);
  const has = new Uint32Array(now.buffer, words === 0 ? 0 : now.byteOffset, words);
  return (from, to) => {
    const lastWord = Math.min(to >> 2, words);
    for (let i = from >> 2; i < lastWord; i++) if (had[i] !== has[i]) return false;
    for (let i = Math.max(from, 4 * lastWord); i < to; i++) if (cells[skew + i] !== now[i]) return false;
    return true;
  };
}
