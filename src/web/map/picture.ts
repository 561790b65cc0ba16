// The map on its canvases: cells as pixels, marks above them, the whole machine small beside them. Draws once a frame at most, and
// only if something changed.

import type { OpenTrace } from "../store.js";
import { NO_PAGE } from "../../timeline/timeline.js";
import { cellOf, columnBitsFor, layOut, type Layout } from "./layout.js";
import { drawMarks } from "./marks.js";
import { drawOverview } from "./overview.js";
import { makePalette, makeRank, type Palette, type Theme } from "./palette.js";
import { buildPyramid, type Pyramid } from "./pyramid.js";
import { drawCells } from "./raster.js";
import {
  centreOn,
  magnification,
  resized,
  reveal,
  rowTop,
  wholeMachine,
  type Point,
  type Viewport,
} from "./viewport.js";

export interface Canvases {
  readonly cells: HTMLCanvasElement;
  readonly marks: HTMLCanvasElement;
  readonly overview: HTMLCanvasElement;
}

/** Colours of the page around the map. */
export interface Surroundings {
  readonly text: string;
  readonly muted: string;
  readonly accent: string;
}

/** In pixels of the page. */
const BAND_GAP = 22;
const GUTTER = 96;
const NARROW_GUTTER = 82;
const NARROW = 500;
const FOUND_CELL = 34;
/** More pixels than this cost more time than a frame has. */
const MOST_PIXELS = 4_000_000;
/** How often the counts of the legend are passed on. */
const COUNTS_EVERY_MS = 100;

export class MapPicture {
  readonly #open: OpenTrace;
  readonly #canvases: Canvases;
  readonly #counted: (counts: Uint32Array) => void;

  #layout: Layout;
  #pyramid: Pyramid;
  #view: Viewport;
  #image = new ImageData(1, 1);
  #palette: Palette;
  #theme: Theme = "light";
  #lit: ReadonlySet<number> | null = null;
  #surroundings: Surroundings = { text: "", muted: "", accent: "" };
  #operation: number;
  #selected = -1;

  #isShown = false;
  #ratio = 1;
  #gutter = 0;
  /** What the pyramid was last told. */
  #after: number;
  #frame = 0;
  #countTimer: ReturnType<typeof setTimeout> | null = null;

  /** `stage` has the canvases. `counted` is told how many pages each class has, now and then while they change. */
  constructor(open: OpenTrace, canvases: Canvases, stage: HTMLElement, counted: (counts: Uint32Array) => void) {
    const { trace, ownership } = open;
    const { clientWidth, clientHeight } = stage;
    this.#open = open;
    this.#canvases = canvases;
    this.#counted = counted;
    this.#layout = layOut(
      trace.regions,
      trace.pageShift,
      bitsFor(open, clientWidth - gutterOf(clientWidth), clientHeight),
    );
    this.#pyramid = buildPyramid(this.#layout, ownership.classes, makeRank(trace.parties, null));
    this.#view = wholeMachine(this.#layout, 1, 1, 0);
    this.#palette = makePalette(this.#theme, trace.parties, null);
    this.#operation = this.#after = ownership.after;
    counted(this.#pyramid.counts.slice());
  }

  get layout(): Layout {
    return this.#layout;
  }

  get view(): Viewport {
    return this.#view;
  }

  /** Pixels of the canvas to one of the page's. */
  get ratio(): number {
    return this.#ratio;
  }

  /** Left of the cells, in pixels of the page. */
  get gutter(): number {
    return this.#gutter / this.#ratio;
  }

  get isWhole(): boolean {
    return magnification(this.#layout, this.#view) < 1.001;
  }

  /** Size of the stage in pixels of the page, nothing while it is hidden; `devicePixels`: of the screen, to one of those. */
  resize(width: number, height: number, devicePixels: number): void {
    this.#isShown = width > 0 && height > 0;
    if (!this.#isShown) return;
    const gutter = gutterOf(width);
    this.#ratio = Math.min(devicePixels, Math.sqrt(MOST_PIXELS / Math.max(1, width * height)));
    this.#gutter = Math.round(gutter * this.#ratio);
    const pixels = { width: Math.round(width * this.#ratio), height: Math.max(1, Math.round(height * this.#ratio)) };
    const inner = Math.max(1, pixels.width - this.#gutter);
    this.#image = new ImageData(inner, pixels.height);
    Object.assign(this.#canvases.cells, { width: inner, height: pixels.height });
    Object.assign(this.#canvases.marks, pixels);
    this.#canvases.cells.style.left = `${gutter}px`;
    this.#canvases.cells.style.width = `${width - gutter}px`;
    this.#fit(inner, pixels.height);
    // At once: a canvas with a new size is empty.
    cancelAnimationFrame(this.#frame);
    this.#draw();
  }

  /** Rows get another length if the window's shape asks for it; else the same part stays in sight. */
  #fit(width: number, height: number): void {
    const { trace, ownership } = this.#open;
    const bits = bitsFor(this.#open, width, height);
    const gap = BAND_GAP * this.#ratio;
    if (bits === this.#layout.columnBits && this.#view.width > 1) {
      const whole = wholeMachine(this.#layout, width, height, gap);
      this.#view = resized(this.#layout, this.#view, whole);
      return;
    }
    if (bits !== this.#layout.columnBits) {
      this.#layout = layOut(trace.regions, trace.pageShift, bits);
      this.#pyramid = buildPyramid(this.#layout, ownership.classes, makeRank(trace.parties, this.#lit));
      this.#after = ownership.after;
    }
    this.#view = wholeMachine(this.#layout, width, height, gap);
  }

  setView(view: Viewport): void {
    this.#view = view;
    this.invalidate();
  }

  showWhole(): void {
    const { width, height } = this.#view;
    this.setView(wholeMachine(this.#layout, width, height, BAND_GAP * this.#ratio));
  }

  /** The page so large that its tag can be read. */
  approach(page: number): void {
    const cell = cellOf(this.#layout, page);
    const height = Math.max(this.#view.cellHeight, FOUND_CELL * this.#ratio);
    if (cell !== null) this.setView(centreOn(this.#layout, this.#view, cell, height));
  }

  /** Marks a page and brings it into sight; -1: none. */
  select(page: number): void {
    this.#selected = page;
    const cell = cellOf(this.#layout, page);
    this.setView(cell === null ? this.#view : reveal(this.#layout, this.#view, cell));
  }

  /** Middle of the page looked at, if it is in sight. */
  selectedPoint(): Point | null {
    const cell = cellOf(this.#layout, this.#selected);
    if (cell === null) return null;
    const { left, width, height, cellWidth } = this.#view;
    const x = left + (cell.column + 0.5) * cellWidth;
    const y = rowTop(this.#layout, this.#view, cell.band, cell.row + 0.5);
    return x >= 0 && x < width && y >= 0 && y < height ? { x, y } : null;
  }

  goTo(operation: number): void {
    this.#operation = operation;
    this.invalidate();
  }

  light(lit: ReadonlySet<number> | null): void {
    if (lit === this.#lit) return;
    this.#lit = lit;
    this.#pyramid.rankBy(makeRank(this.#open.trace.parties, lit));
    this.#recolour();
  }

  colour(theme: Theme, surroundings: Surroundings): void {
    this.#theme = theme;
    this.#surroundings = surroundings;
    this.#recolour();
  }

  #recolour(): void {
    this.#palette = makePalette(this.#theme, this.#open.trace.parties, this.#lit);
    this.invalidate();
  }

  invalidate(): void {
    if (this.#frame === 0) this.#frame = requestAnimationFrame(() => this.#draw());
  }

  close(): void {
    cancelAnimationFrame(this.#frame);
    this.#frame = -1;
    if (this.#countTimer !== null) clearTimeout(this.#countTimer);
  }

  #draw(): void {
    this.#frame = 0;
    this.#follow();
    if (!this.#isShown) return;
    const pixels = new Uint32Array(this.#image.data.buffer);
    drawCells(pixels, this.#layout, this.#pyramid, this.#view, this.#palette, this.#ratio);
    this.#canvases.cells.getContext("2d", { alpha: false })?.putImageData(this.#image, 0, 0);
    this.#drawMarks();
    const { overview } = this.#canvases;
    overview.hidden = this.isWhole;
    if (!overview.hidden)
      drawOverview(overview, this.#layout, this.#pyramid, this.#view, this.#palette, this.#surroundings.accent);
  }

  /** Others move the ownership too; then nobody told us what changed. */
  #follow(): void {
    const { ownership } = this.#open;
    if (ownership.after !== this.#after) this.#pyramid.update(null);
    if (ownership.after !== this.#operation) this.#pyramid.update(ownership.goTo(this.#operation));
    if (ownership.after !== this.#after) this.#count();
    this.#after = ownership.after;
  }

  #count(): void {
    if (this.#countTimer !== null) return;
    this.#countTimer = setTimeout(() => {
      this.#countTimer = null;
      this.#counted(this.#pyramid.counts.slice());
    }, COUNTS_EVERY_MS);
  }

  #drawMarks(): void {
    const context = this.#canvases.marks.getContext("2d");
    if (context === null) return;
    const { trace, ownership } = this.#open;
    drawMarks(context, {
      layout: this.#layout,
      view: this.#view,
      palette: this.#palette,
      parties: trace.parties,
      pageShift: trace.pageShift,
      classes: ownership.classes,
      selected: this.#selected,
      worked: this.#worked(),
      ratio: this.#ratio,
      gutter: this.#gutter,
      ...this.#surroundings,
    });
  }

  #worked(): { first: number; pages: number } | null {
    const { page, pages, count } = this.#open.trace.operations;
    const first = page[this.#operation] ?? NO_PAGE;
    if (this.#operation < 0 || this.#operation >= count || first === NO_PAGE) return null;
    return { first, pages: pages[this.#operation] ?? 1 };
  }
}

function gutterOf(width: number): number {
  return width < NARROW ? NARROW_GUTTER : GUTTER;
}

/** A window that is not shown yet is taken for a square. */
function bitsFor({ trace, ownership }: OpenTrace, width: number, height: number): number {
  return columnBitsFor(ownership.classes.length, trace.pageShift, width > 0 && height > 0 ? width / height : 1);
}
