// What is drawn over the cells: addresses of rows and bands, the page looked at, the pages of the operation, and letters in cells
// that have room for them.

import { hex } from "../../machine/names.js";
import { blocksOf, cellOf, pageIn, pfnIn, type Block, type Layout } from "./layout.js";
import { cssColour, type Palette } from "./palette.js";
import { rowTop, type Viewport } from "./viewport.js";
import { classTag, classWords, sizeWords } from "./words.js";

export interface Marks {
  readonly layout: Layout;
  readonly view: Viewport;
  readonly palette: Palette;
  readonly parties: readonly string[];
  readonly pageShift: number;
  readonly classes: Uint8Array;
  /** Numbers of pages: the one looked at (-1: none), and those that the operation works on. */
  readonly selected: number;
  readonly worked: { readonly first: number; readonly pages: number } | null;
  /** Pixels of the canvas to one of the page's. */
  readonly ratio: number;
  /** Left of the cells, for addresses. */
  readonly gutter: number;
  readonly text: string;
  readonly muted: string;
  readonly accent: string;
}

interface Rectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** In pixels of the page: room that a line of text needs, that a tag needs in a cell, and that a cell's whole story needs. */
const LINE = 14;
const TAG_CELL = 30;
const STORY_CELL = 190;
/** A mark is never smaller: one page of 16 million must be found. Both can be seen of the same page. */
const SELECTED_MARK = 10;
const WORKED_MARK = 18;

export function drawMarks(context: CanvasRenderingContext2D, marks: Marks): void {
  const { view, gutter } = marks;
  context.clearRect(0, 0, context.canvas.width, context.canvas.height);
  drawAddresses(context, marks);
  context.save();
  context.translate(gutter, 0);
  context.beginPath();
  context.rect(0, 0, view.width, view.height);
  context.clip();
  drawHeadings(context, marks);
  if (Math.min(view.cellWidth, view.cellHeight) >= TAG_CELL * marks.ratio) drawLetters(context, marks);
  drawWorked(context, marks);
  drawSelected(context, marks);
  context.restore();
}

function font(context: CanvasRenderingContext2D, size: number, ratio: number): void {
  context.font = `${size * ratio}px ui-monospace, monospace`;
  context.textBaseline = "middle";
}

/** The address of the leftmost page in sight, beside as many rows as have room for it. */
function drawAddresses(context: CanvasRenderingContext2D, marks: Marks): void {
  const { layout, view, ratio, gutter, pageShift } = marks;
  const column = Math.min(layout.columns - 1, Math.max(0, Math.floor(-view.left / view.cellWidth + 0.5)));
  const step = 2 ** Math.max(0, Math.ceil(Math.log2((1.6 * LINE * ratio) / view.cellHeight)));
  font(context, 10.5, ratio);
  context.fillStyle = marks.muted;
  context.textAlign = "right";
  layout.bands.forEach((band, index) => {
    const top = rowTop(layout, view, index, 0);
    const first = Math.max(0, Math.floor(-top / view.cellHeight / step) * step);
    const end = Math.min(band.rows, Math.ceil((view.height - top) / view.cellHeight));
    for (let row = first; row < end; row += step) {
      const y = top + row * view.cellHeight + Math.min(view.cellHeight / 2, (LINE / 2) * ratio);
      const address = pfnIn(layout, band, column, row) << BigInt(pageShift);
      context.fillText(hex(address), gutter - 6 * ratio, y);
    }
  });
}

function drawHeadings(context: CanvasRenderingContext2D, marks: Marks): void {
  const { layout, view, ratio, pageShift } = marks;
  if (view.gap < LINE * ratio) return;
  font(context, 11, ratio);
  context.fillStyle = marks.text;
  context.textAlign = "left";
  const block = 2 ** (layout.blockColumnBits + layout.blockRowBits);
  layout.bands.forEach((band, index) => {
    const y = rowTop(layout, view, index, 0) - view.gap / 2;
    const end = band.pfn + BigInt(band.pages);
    const range = `${hex(band.pfn << BigInt(pageShift))} to ${hex((end << BigInt(pageShift)) - 1n)}`;
    const heading = `${range}, ${sizeWords(band.pages, pageShift)}`;
    const inBlocks = `${heading}, in blocks of ${sizeWords(block, pageShift)}`;
    const hasRoom = context.measureText(inBlocks).width <= view.width;
    context.fillText(hasRoom ? inBlocks : heading, 2 * ratio, y);
  });
}

function drawLetters(context: CanvasRenderingContext2D, marks: Marks): void {
  const { layout, view, ratio } = marks;
  const hasRoom = Math.min(view.cellWidth, 2 * view.cellHeight) >= STORY_CELL * ratio;
  context.textAlign = "center";
  const firstColumn = Math.max(0, Math.floor(-view.left / view.cellWidth));
  const lastColumn = Math.min(layout.columns - 1, Math.floor((view.width - view.left) / view.cellWidth));
  layout.bands.forEach((band, index) => {
    const top = rowTop(layout, view, index, 0);
    const end = Math.min(band.rows, Math.ceil((view.height - top) / view.cellHeight));
    for (let row = Math.max(0, Math.floor(-top / view.cellHeight)); row < end; row++)
      for (let column = firstColumn; column <= lastColumn; column++) {
        const page = pageIn(layout, { band: index, column, row });
        if (page >= 0)
          drawCellText(
            context,
            marks,
            page,
            rectangleOf(marks, { band: index, column, row, columns: 1, rows: 1 }),
            hasRoom,
          );
      }
  });
}

/** On a plate of the cell's own colour, so that no pattern runs through the letters. */
function drawCellText(
  context: CanvasRenderingContext2D,
  marks: Marks,
  page: number,
  cell: Rectangle,
  hasRoom: boolean,
): void {
  const { classes, parties, palette, ratio } = marks;
  const value = classes[page] ?? 0;
  const lines = hasRoom ? cellStory(marks, page, value) : [classTag(parties, value)];
  const line = 1.3 * LINE * ratio;
  font(context, hasRoom ? 13 : 10.5, ratio);
  lines.forEach((text, index) => {
    if (text === "") return;
    const x = cell.x + cell.width / 2;
    const y = cell.y + cell.height / 2 + (index - (lines.length - 1) / 2) * line;
    const width = Math.min(cell.width - 2, context.measureText(text).width + 4 * ratio);
    context.fillStyle = cssColour(palette.fill[value] ?? 0);
    context.fillRect(x - width / 2, y - line / 2, width, line);
    context.fillStyle = cssColour(palette.letter[value] ?? 0);
    context.fillText(text, x, y, cell.width - 2);
  });
}

function cellStory({ layout, parties }: Marks, page: number, value: number): readonly string[] {
  const cell = cellOf(layout, page);
  const band = layout.bands[cell?.band ?? 0];
  const pfn = band === undefined ? 0n : band.pfn + BigInt(page - band.first);
  return [`pfn ${hex(pfn)}`, classWords(parties, value)];
}

function drawWorked(context: CanvasRenderingContext2D, marks: Marks): void {
  const { worked, ratio } = marks;
  if (worked === null) return;
  context.setLineDash([4 * ratio, 3 * ratio]);
  for (const block of blocksOf(marks.layout, worked.first, worked.pages))
    outline(context, marks, rectangleOf(marks, block), WORKED_MARK, marks.text);
  context.setLineDash([]);
}

function drawSelected(context: CanvasRenderingContext2D, marks: Marks): void {
  const cell = cellOf(marks.layout, marks.selected);
  if (cell === null) return;
  outline(context, marks, rectangleOf(marks, { ...cell, columns: 1, rows: 1 }), SELECTED_MARK, marks.accent);
}

/** Twice, so that it is seen on every colour. */
function outline(
  context: CanvasRenderingContext2D,
  { ratio, palette }: Marks,
  exact: Rectangle,
  smallest: number,
  colour: string,
): void {
  const { x, y, width, height } = atLeast(exact, smallest * ratio);
  context.lineWidth = 4 * ratio;
  context.strokeStyle = cssColour(palette.ground);
  context.strokeRect(x, y, width, height);
  context.lineWidth = 2 * ratio;
  context.strokeStyle = colour;
  context.strokeRect(x, y, width, height);
}

function atLeast({ x, y, width, height }: Rectangle, size: number): Rectangle {
  const wider = Math.max(0, size - width);
  const higher = Math.max(0, size - height);
  return { x: x - wider / 2, y: y - higher / 2, width: width + wider, height: height + higher };
}

function rectangleOf({ layout, view }: Marks, { band, column, row, columns, rows }: Block): Rectangle {
  return {
    x: view.left + column * view.cellWidth,
    y: rowTop(layout, view, band, row),
    width: columns * view.cellWidth,
    height: rows * view.cellHeight,
  };
}
