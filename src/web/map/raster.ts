// The map as pixels: one look-up each, at any zoom.

import { stateOfClass } from "../../timeline/page-class.js";
import { columnPart, rowPart, type Band, type Layout } from "./layout.js";
import { PATTERNS, type Palette } from "./palette.js";
import { NO_CELL, type Level, type Pyramid } from "./pyramid.js";
import { rowTop, type Viewport } from "./viewport.js";

/** In pixels of the page. Cells from this size on are drawn with a line between them, */
const CELL_WITH_GAP = 6;
/** from this size on with the pattern of their state, */
const CELL_WITH_PATTERN = 14;
/** and a pattern's dots grow by one each time that a cell has grown by this. */
const CELL_WITH_LARGER_DOTS = 64;

/** Draws all of `view` into `pixels`, which has its width and height. `ratio`: pixels of `view` to one of the page's. */
export function drawCells(
  pixels: Uint32Array,
  layout: Layout,
  pyramid: Pyramid,
  view: Viewport,
  palette: Palette,
  ratio: number,
): void {
  pixels.fill(palette.ground);
  const columns = columnsOf(layout, view);
  layout.bands.forEach((band, index) => {
    const levels = pyramid.bands[index] ?? [];
    const rows = { band, top: rowTop(layout, view, index, 0) };
    if (smallerSide(view) >= CELL_WITH_GAP * ratio)
      drawLargeCells(pixels, layout, levels[0] as Level, rows, columns, view, palette, ratio);
    else drawSquares(pixels, layout, levels, rows, columns, view, palette);
  });
}

function smallerSide(view: Viewport): number {
  return Math.min(view.cellWidth, view.cellHeight);
}

interface Rows {
  readonly band: Band;
  readonly top: number;
}

/** Column under each pixel of a line; -1: beside the map. */
function columnsOf(layout: Layout, view: Viewport): Int32Array {
  const columns = new Int32Array(view.width);
  for (let x = 0; x < columns.length; x++) {
    const column = Math.floor((x + 0.5 - view.left) / view.cellWidth);
    columns[x] = column >= 0 && column < layout.columns ? column : -1;
  }
  return columns;
}

/** Level whose squares are just large enough to have a pixel each: nothing falls between two pixels. */
export function levelFor(view: Viewport, levels: number): number {
  return Math.min(levels - 1, Math.max(0, Math.ceil(-Math.log2(smallerSide(view)))));
}

function drawSquares(
  pixels: Uint32Array,
  layout: Layout,
  levels: readonly Level[],
  { band, top }: Rows,
  columns: Int32Array,
  view: Viewport,
  { fill, ground }: Palette,
): void {
  const n = levelFor(view, levels.length);
  const { cells, width } = levels[n] as Level;
  const places = columns.map((column) => (column < 0 ? -1 : n === 0 ? columnPart(layout, column) : column >> n));
  let drawn = -1;
  const last = Math.min(view.height, Math.ceil(top + band.rows * view.cellHeight));
  for (let y = Math.max(0, Math.floor(top)); y < last; y++) {
    const row = Math.min(band.rows - 1, Math.max(0, Math.floor((y + 0.5 - top) / view.cellHeight))) >> n;
    const line = y * view.width;
    if (row === drawn) {
      pixels.copyWithin(line, line - view.width, line);
      continue;
    }
    drawn = row;
    const start = n === 0 ? rowPart(layout, row) : row * width;
    for (let x = 0; x < places.length; x++) {
      const place = places[x] as number;
      pixels[line + x] = place < 0 ? ground : (fill[cells[start + place] as number] as number);
    }
  }
}

function drawLargeCells(
  pixels: Uint32Array,
  layout: Layout,
  { cells }: Level,
  { band, top }: Rows,
  columns: Int32Array,
  view: Viewport,
  palette: Palette,
  ratio: number,
): void {
  const size = smallerSide(view) / ratio;
  const hasPattern = size >= CELL_WITH_PATTERN;
  const dot = ratio * Math.max(1, Math.floor(size / CELL_WITH_LARGER_DOTS));
  const within = withinCells(columns, layout, view, dot);
  const places = columns.map((column) => (column < 0 ? 0 : columnPart(layout, column)));
  const first = Math.max(0, Math.floor(-top / view.cellHeight));
  const end = Math.min(band.rows, Math.ceil((view.height - top) / view.cellHeight));
  for (let row = first; row < end; row++) {
    const upper = Math.round(top + row * view.cellHeight);
    const lower = Math.round(top + (row + 1) * view.cellHeight) - lineBehind(row, layout.blockRowBits);
    const start = rowPart(layout, row);
    for (let y = Math.max(0, upper); y < Math.min(view.height, lower); y++) {
      const line = y * view.width;
      const dots = (Math.floor((y - upper) / dot) & 7) << 8;
      for (let x = 0; x < columns.length; x++) {
        const bit = within[x] as number;
        if (bit === 0) continue;
        const value = cells[start + (places[x] as number)] as number;
        const isDot = hasPattern && ((PATTERN_ROWS[dots | value] as number) & bit) !== 0;
        pixels[line + x] = (isDot ? palette.pattern : palette.fill)[value] as number;
      }
    }
  }
}

/** For each pixel of a line the bit of the pattern's row that it shows; 0: it lies between cells. */
function withinCells(columns: Int32Array, layout: Layout, view: Viewport, dot: number): Uint8Array {
  const within = new Uint8Array(columns.length);
  for (let x = 0; x < columns.length; x++) {
    const column = columns[x] as number;
    if (column < 0) continue;
    const left = Math.round(view.left + column * view.cellWidth);
    const right = Math.round(view.left + (column + 1) * view.cellWidth) - lineBehind(column, layout.blockColumnBits);
    if (x >= left && x < right) within[x] = 0x80 >> (Math.floor((x - left) / dot) & 7);
  }
  return within;
}

/** Pixels left free behind a row or column: twice as many behind the last of a block. */
function lineBehind(number: number, blockBits: number): number {
  return ((number + 1) & (2 ** blockBits - 1)) === 0 ? 2 : 1;
}

/** Row 0 to 7 of each class's pattern, at row * 256 + class. */
const PATTERN_ROWS = patternRows();

function patternRows(): Uint8Array {
  const rows = new Uint8Array(8 * 256);
  for (let value = 0; value < NO_CELL; value++) {
    const pattern = PATTERNS.get(stateOfClass(value)) ?? [];
    for (const [row, bits] of pattern.entries()) rows[row * 256 + value] = bits;
  }
  return rows;
}
