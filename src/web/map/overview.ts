// The whole machine, small, with a frame around what the window shows.

import type { Layout } from "./layout.js";
import { cssColour, type Palette } from "./palette.js";
import type { Pyramid } from "./pyramid.js";
import { drawCells } from "./raster.js";
import { panBy, placeAt, rowTop, wholeMachine, type Point, type Viewport } from "./viewport.js";

/** In pixels. */
const WIDTH = 132;
const BAND_GAP = 4;
const SMALLEST_FRAME = 4;

/** The overview as a window of its own, shaped like `view`. */
export function overviewOf(layout: Layout, view: Viewport): Viewport {
  const height = Math.max(1, Math.round((WIDTH * view.height) / view.width));
  return wholeMachine(layout, WIDTH, height, BAND_GAP);
}

export function drawOverview(
  canvas: HTMLCanvasElement,
  layout: Layout,
  pyramid: Pyramid,
  view: Viewport,
  palette: Palette,
  frameColour: string,
): void {
  const small = overviewOf(layout, view);
  if (canvas.width !== small.width || canvas.height !== small.height)
    Object.assign(canvas, { width: small.width, height: small.height });
  const context = canvas.getContext("2d", { alpha: false });
  if (context === null) return;
  const image = new ImageData(small.width, small.height);
  drawCells(new Uint32Array(image.data.buffer), layout, pyramid, small, palette, 1);
  context.putImageData(image, 0, 0);
  const frame = frameIn(layout, view, small);
  // Twice, so that it is seen on every colour.
  for (const [colour, width] of [
    [cssColour(palette.ground), 6],
    [frameColour, 3],
  ] as const) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.strokeRect(frame.x, frame.y, frame.width, frame.height);
  }
}

/** What `view` shows, in the pixels of `small`. */
export function frameIn(
  layout: Layout,
  view: Viewport,
  small: Viewport,
): { readonly x: number; readonly y: number; readonly width: number; readonly height: number } {
  const scale = small.cellWidth / view.cellWidth;
  const heightOf = (y: number) => {
    const { band, row } = placeAt(layout, view, y);
    return rowTop(layout, small, band, Math.min(layout.bands[band]?.rows ?? 0, Math.max(0, row)));
  };
  const y = heightOf(0);
  return {
    x: -view.left * scale,
    y,
    width: Math.max(SMALLEST_FRAME, view.width * scale),
    height: Math.max(SMALLEST_FRAME, heightOf(view.height) - y),
  };
}

/** `view` with the place in its middle that is at `at` in its overview. */
export function lookAt(layout: Layout, view: Viewport, at: Point): Viewport {
  const small = overviewOf(layout, view);
  const { band, row } = placeAt(layout, small, at.y);
  const column = (at.x - small.left) / small.cellWidth;
  const x = view.left + column * view.cellWidth;
  return panBy(layout, view, view.width / 2 - x, view.height / 2 - rowTop(layout, view, band, Math.max(0, row)));
}
