// Where a page stands on the map. Pages that one entry of a level-2 table can map (2 MiB of 4 KiB pages) are a rectangle, its rows
// one after the other; these blocks stand in rows of 2^k, from left to right. So neighbours in memory are neighbours on the map,
// and a pixel that stands for many pages stands for pages of one block. Regions of memory that lie apart are bands of rows, one
// below the other.
//
// The number of a cell in its band is a permutation of bits:
//
//      row, high | column, high | row in block | column in block
//
// and thus the sum of what its row and what its column give (cellIndex).

import type { MapRegion } from "../../timeline/timeline.js";

export interface Band {
  readonly pfn: bigint;
  readonly pages: number;
  /** Number of its first page. */
  readonly first: number;
  /** Empty cells before that page: rows, blocks and rows of blocks begin at multiples of their size, as far as there are such. */
  readonly skew: number;
  /** Rows with pages. */
  readonly rows: number;
  /** Cells, with those of a last row of blocks that is not full. */
  readonly cells: number;
  /** Rows of all bands above. */
  readonly rowsAbove: number;
}

export interface Layout {
  /** Columns: 2^columnBits. */
  readonly columnBits: number;
  readonly columns: number;
  /** Of a block: 2^blockColumnBits columns, 2^blockRowBits rows. */
  readonly blockColumnBits: number;
  readonly blockRowBits: number;
  readonly rows: number;
  readonly pages: number;
  readonly bands: readonly Band[];
}

/** A place on the map, whether a page stands there or not. */
export interface Cell {
  readonly band: number;
  readonly column: number;
  readonly row: number;
}

/** Cells are this many times as wide as high, or up to four times that, so that the whole machine fills its window. */
const NARROWEST_CELL = 0.75;
const MOST_COLUMN_BITS = 14;

/** Descriptors have 8 bytes, so a table of one page has 2^(pageShift - 3). */
function blockBits(pageShift: number): { readonly columns: number; readonly rows: number } {
  return { columns: Math.ceil((pageShift - 3) / 2), rows: Math.floor((pageShift - 3) / 2) };
}

/** Rows so long that the machine fills a window which is `aspect` times as wide as high. */
export function columnBitsFor(pages: number, pageShift: number, aspect: number): number {
  const bits = Math.floor(Math.log2(Math.max(1, pages) * aspect) / 2 - Math.log2(NARROWEST_CELL) / 2);
  return Math.min(MOST_COLUMN_BITS, Math.max(blockBits(pageShift).columns, bits));
}

export function layOut(regions: readonly MapRegion[], pageShift: number, columnBits: number): Layout {
  const { columns: blockColumnBits, rows: blockRowBits } = blockBits(pageShift);
  const sizes = { columnBits, columns: 2 ** columnBits, blockColumnBits, blockRowBits };
  const bands: Band[] = [];
  let rows = 0;
  let pages = 0;
  for (const region of regions) {
    const skew = skewOf(region, sizes);
    const end = skew + region.pages;
    const rowOfBlocks = 2 ** (columnBits + blockRowBits);
    const cells = Math.ceil(end / rowOfBlocks) * rowOfBlocks;
    const band = { ...region, skew, rows: rowsOf(end, sizes), cells, rowsAbove: rows };
    bands.push(band);
    rows += band.rows;
    pages += region.pages;
  }
  return { ...sizes, rows, pages, bands };
}

type Sizes = Pick<Layout, "columnBits" | "blockColumnBits" | "blockRowBits">;

/** A region of three pages need not have a row of blocks before it that is empty but for them. */
function skewOf({ pfn, pages }: MapRegion, { columnBits, blockColumnBits, blockRowBits }: Sizes): number {
  const units = [columnBits + blockRowBits, blockColumnBits + blockRowBits].map((bits) => 2 ** bits);
  const unit = units.find((size) => pages >= size) ?? 2 ** blockColumnBits;
  return Number(pfn & BigInt(unit - 1));
}

/** Rows that the first `cells` cells of a band need. */
function rowsOf(cells: number, { columnBits, blockColumnBits, blockRowBits }: Sizes): number {
  const rest = cells % 2 ** (columnBits + blockRowBits);
  const full = Math.floor(cells / 2 ** (columnBits + blockRowBits)) << blockRowBits;
  return full + Math.min(2 ** blockRowBits, Math.ceil(rest / 2 ** blockColumnBits));
}

/** What a column gives to the numbers of its cells. */
export function columnPart({ blockColumnBits, blockRowBits }: Layout, column: number): number {
  const within = column & (2 ** blockColumnBits - 1);
  return within | ((column >> blockColumnBits) << (blockColumnBits + blockRowBits));
}

/** What a row gives to the numbers of its cells. */
export function rowPart({ columnBits, blockColumnBits, blockRowBits }: Layout, row: number): number {
  const within = row & (2 ** blockRowBits - 1);
  return (within << blockColumnBits) | ((row >> blockRowBits) << (columnBits + blockRowBits));
}

/** Number of a cell in its band. */
export function cellIndex(layout: Layout, column: number, row: number): number {
  return rowPart(layout, row) + columnPart(layout, column);
}

export function columnOf({ columns, blockColumnBits, blockRowBits }: Layout, index: number): number {
  const within = index & (2 ** blockColumnBits - 1);
  return within | (((index >> (blockColumnBits + blockRowBits)) << blockColumnBits) & (columns - 1));
}

export function rowOf({ columnBits, blockColumnBits, blockRowBits }: Layout, index: number): number {
  const within = (index >> blockColumnBits) & (2 ** blockRowBits - 1);
  return within | ((index >> (columnBits + blockRowBits)) << blockRowBits);
}

/** Number of the page in a cell; -1: none. */
export function pageIn(layout: Layout, { band: number, column, row }: Cell): number {
  const band = layout.bands[number];
  if (band === undefined || column < 0 || column >= layout.columns || row < 0 || row >= band.rows) return -1;
  const offset = cellIndex(layout, column, row) - band.skew;
  return offset >= 0 && offset < band.pages ? band.first + offset : -1;
}

export function cellOf(layout: Layout, page: number): Cell | null {
  const band = layout.bands.findIndex(({ first, pages }) => page >= first && page < first + pages);
  const found = layout.bands[band];
  if (found === undefined) return null;
  const index = page - found.first + found.skew;
  return { band, column: columnOf(layout, index), row: rowOf(layout, index) };
}

/** Cells that are a rectangle, from its upper left one. */
export interface Block extends Cell {
  readonly columns: number;
  readonly rows: number;
}

/** A run of pages, as parts of rows, rows of a block, blocks, and rows of blocks. */
export function blocksOf(layout: Layout, page: number, pages: number): readonly Block[] {
  const blocks: Block[] = [];
  for (let left = pages; left > 0;) {
    const cell = cellOf(layout, page);
    const band = layout.bands[cell?.band ?? -1];
    if (cell === null || band === undefined) break;
    const index = page - band.first + band.skew;
    const here = rectangleFrom(layout, index, Math.min(left, band.first + band.pages - page));
    const columns = columnOf(layout, index + here - 1) - cell.column + 1;
    blocks.push({ ...cell, columns, rows: rowOf(layout, index + here - 1) - cell.row + 1 });
    page += here;
    left -= here;
  }
  return blocks;
}

/** How many of `pages` cells, from number `index` on, are a rectangle. */
function rectangleFrom({ columnBits, blockColumnBits, blockRowBits }: Layout, index: number, pages: number): number {
  const row = 2 ** blockColumnBits;
  const block = row * 2 ** blockRowBits;
  const rowOfBlocks = 2 ** (columnBits + blockRowBits);
  const whole = (unit: number, within: number) => {
    const most = Math.min(pages, within - (index % within));
    return index % unit === 0 ? most - (most % unit) : 0;
  };
  const partOfRow = Math.min(pages, row - (index % row));
  return whole(rowOfBlocks, Infinity) || whole(block, rowOfBlocks) || whole(row, block) || partOfRow;
}

/** The page in the same column, `rows` below; where none is, the one of that row's band that is closest in memory. */
export function pageBelow(layout: Layout, page: number, rows: number): number {
  const cell = cellOf(layout, page);
  if (cell === null) return page;
  const row = (layout.bands[cell.band]?.rowsAbove ?? 0) + cell.row + rows;
  return nearestPage(layout, Math.min(layout.rows - 1, Math.max(0, row)), cell.column);
}

/** `row` is counted through all bands. */
function nearestPage(layout: Layout, row: number, column: number): number {
  const band = layout.bands.findLast(({ rowsAbove }) => rowsAbove <= row);
  if (band === undefined) return 0;
  const offset = cellIndex(layout, column, row - band.rowsAbove) - band.skew;
  return band.first + Math.min(band.pages - 1, Math.max(0, offset));
}

/** Frame number that belongs to a cell, whether such a page exists or not. */
export function pfnIn(layout: Layout, band: Band, column: number, row: number): bigint {
  return band.pfn + BigInt(cellIndex(layout, column, row) - band.skew);
}
