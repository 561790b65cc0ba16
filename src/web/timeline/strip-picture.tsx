// What the strip shows: three lanes, drawn once and again when filter, size or colours change.
//
//   pages changed   bars, logarithmic
//   operations      how densely those that pass the filter lie
//   marks           ▼ refused   ✕ panic   ◆ differs from the recording; a dashed line through all lanes: a new machine

import { useEffect, useMemo, useRef } from "preact/hooks";
import type { LoadedTrace } from "../../timeline/timeline.js";
import { isDark } from "../theme.js";
import {
  barHeights,
  eventsOf,
  firstOfPart,
  matchedHeights,
  partsOf,
  spread,
  type Events,
  type Parts,
} from "./density.js";
import type { Matches } from "./matches.js";
import { START_WIDTH } from "./position.js";

/** CSS pixels, from the top. */
const LANES = {
  changed: { top: 2, height: 30 },
  matched: { top: 35, height: 12 },
  marks: { top: 50, height: 12 },
} as const;
export const STRIP_HEIGHT = 64;
const MARK = 9;

interface Colours {
  readonly accent: string;
  readonly muted: string;
  readonly bad: string;
  readonly text: string;
  readonly panel: string;
}

/** What one drawing needs: `x` gives the left edge of a part. */
interface Drawing {
  readonly context: CanvasRenderingContext2D;
  readonly parts: Parts;
  readonly x: (part: number) => number;
  readonly pixelsPerPart: number;
  readonly colours: Colours;
}

export function StripPicture({ trace, matches, width }: { trace: LoadedTrace; matches: Matches; width: number }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const parts = useMemo(() => partsOf(trace.operations.count, Math.max(1, width - START_WIDTH)), [trace, width]);
  const events = useMemo(() => eventsOf(parts, trace.operations, trace.changes), [trace, parts]);
  const heights = useMemo(() => matchedHeights(parts, matches), [parts, matches]);
  const dark = isDark.value;
  useEffect(() => {
    const drawing = startDrawing(canvas.current, width, parts);
    if (drawing !== null) draw(drawing, events, heights);
  }, [parts, events, heights, width, dark]);
  return <canvas ref={canvas} class="strip-picture" style={{ height: `${STRIP_HEIGHT}px` }} aria-hidden="true" />;
}

function startDrawing(canvas: HTMLCanvasElement | null, width: number, parts: Parts): Drawing | null {
  const context = canvas?.getContext("2d") ?? null;
  if (canvas === null || context === null || width === 0) return null;
  const scale = devicePixelRatio;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(STRIP_HEIGHT * scale);
  context.scale(scale, scale);
  const pixelsPerPart = (width - START_WIDTH) / parts.parts;
  return { context, parts, x: (part) => START_WIDTH + part * pixelsPerPart, pixelsPerPart, colours: coloursOf(canvas) };
}

/** The colours of style.css. Only as the colour of an element do they come out as light or dark. */
function coloursOf(canvas: HTMLCanvasElement): Colours {
  const colour = (name: string) => {
    canvas.style.color = `var(--${name})`;
    return getComputedStyle(canvas).color;
  };
  return {
    accent: colour("accent"),
    muted: colour("muted"),
    bad: colour("bad"),
    text: colour("text"),
    panel: colour("panel"),
  };
}

function draw(drawing: Drawing, events: Events, heights: Float32Array): void {
  const { colours } = drawing;
  drawBars(drawing, barHeights(events.changed), LANES.changed, colours.accent);
  drawBars(drawing, heights, LANES.matched, colours.muted);
  drawResets(drawing, events.resets);
  drawMarks(drawing, events.refused, drawTriangle, colours.bad);
  drawMarks(drawing, events.differing, drawDiamond, colours.accent);
  drawMarks(drawing, events.panicked, drawCross, colours.bad);
}

/** `heights`: 0 to 1. What is not nothing is at least a pixel high. */
function drawBars(
  { context, x, pixelsPerPart }: Drawing,
  heights: Float32Array,
  { top, height }: { readonly top: number; readonly height: number },
  colour: string,
): void {
  const gap = pixelsPerPart > 4 ? 1 : 0;
  context.fillStyle = colour;
  heights.forEach((share, part) => {
    if (share === 0) return;
    const bar = Math.max(1, share * height);
    context.fillRect(x(part), top + height - bar, pixelsPerPart - gap, bar);
  });
}

/** The first machine is no reset. */
function drawResets({ context, parts, x, pixelsPerPart, colours }: Drawing, resets: Uint32Array): void {
  context.strokeStyle = colours.text;
  context.setLineDash([3, 3]);
  context.beginPath();
  for (const part of spread(resets, pixelsPerPart, 2)) {
    if (firstOfPart(parts, part) === 0) continue;
    const at = Math.round(x(part)) + 0.5;
    context.moveTo(at, 0);
    context.lineTo(at, STRIP_HEIGHT);
  }
  context.stroke();
  context.setLineDash([]);
}

type DrawShape = (context: CanvasRenderingContext2D, x: number, y: number) => void;

/** One mark a place, with an edge in the background's colour, so that marks of different kinds stay apart. */
function drawMarks(
  { context, x, pixelsPerPart, colours }: Drawing,
  counts: Uint32Array,
  shape: DrawShape,
  colour: string,
) {
  context.fillStyle = colour;
  context.strokeStyle = colours.panel;
  context.lineWidth = 1;
  const y = LANES.marks.top + LANES.marks.height / 2;
  for (const part of spread(counts, pixelsPerPart, MARK)) {
    context.beginPath();
    shape(context, x(part) + pixelsPerPart / 2, y);
    context.closePath();
    context.fill();
    context.stroke();
  }
}

const HALF = MARK / 2;

function drawTriangle(context: CanvasRenderingContext2D, x: number, y: number): void {
  context.moveTo(x - HALF, y - HALF);
  context.lineTo(x + HALF, y - HALF);
  context.lineTo(x, y + HALF);
}

function drawDiamond(context: CanvasRenderingContext2D, x: number, y: number): void {
  context.moveTo(x, y - HALF - 1);
  context.lineTo(x + HALF, y);
  context.lineTo(x, y + HALF + 1);
  context.lineTo(x - HALF, y);
}

/** Twelve corners of an upright cross, turned by 45 degrees. */
function drawCross(context: CanvasRenderingContext2D, x: number, y: number): void {
  const [long, short] = [HALF + 2, 1.6];
  const quarter: readonly (readonly [number, number])[] = [
    [-short, -long],
    [short, -long],
    [short, -short],
  ];
  for (let turn = 0; turn < 4; turn++) {
    const angle = Math.PI / 4 + (turn * Math.PI) / 2;
    for (const [dx, dy] of quarter) {
      context.lineTo(x + dx * Math.cos(angle) - dy * Math.sin(angle), y + dx * Math.sin(angle) + dy * Math.cos(angle));
    }
  }
}
