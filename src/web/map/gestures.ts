// Fingers, mouse and wheel on the map, as what they mean.

import type { Point } from "./viewport.js";

export interface Gestures {
  /** Enlarge by `factor`, around a point. */
  readonly zoom: (at: Point, factor: number) => void;
  readonly pan: (dx: number, dy: number) => void;
  readonly click: (at: Point) => void;
  readonly doubleClick: (at: Point) => void;
  /** The pointer rests or moves there without a button; null: it has left. */
  readonly hover: (at: Point | null) => void;
}

/** A hand is not still: less than this, in pixels of the page, is a click. */
const DRAG_FROM = 4;
const WHEEL_SPEED = 0.002;
/** A trackpad's pinch comes as a wheel with small steps and the control key. */
const PINCH_SPEED = 0.01;
const LINE_PIXELS = 16;

/** Points are in pixels of the page, from the element's upper left corner. Returns what stops listening. */
export function listenForGestures(element: HTMLElement, gestures: Gestures): () => void {
  const fingers = new Map<number, Point>();
  let isDragging = false;
  let start: Point | null = null;
  const stop = new AbortController();
  const { signal } = stop;
  const on = <K extends keyof HTMLElementEventMap>(name: K, listener: (event: HTMLElementEventMap[K]) => void) =>
    element.addEventListener(name, listener, { signal, passive: false });

  on("pointerdown", (event) => {
    if (event.button !== 0) return;
    element.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, pointOf(element, event));
    start = fingers.size === 1 ? pointOf(element, event) : null;
    isDragging = fingers.size > 1;
    gestures.hover(null);
  });
  on("pointermove", (event) => {
    const at = pointOf(element, event);
    const before = fingers.get(event.pointerId);
    if (before === undefined) return gestures.hover(event.pointerType === "mouse" ? at : null);
    if (start !== null && distance(start, at) >= DRAG_FROM) isDragging = true;
    if (!isDragging) return;
    const other = [...fingers].find(([id]) => id !== event.pointerId)?.[1];
    fingers.set(event.pointerId, at);
    if (other === undefined) return gestures.pan(at.x - before.x, at.y - before.y);
    gestures.pan((at.x - before.x) / 2, (at.y - before.y) / 2);
    gestures.zoom(middle(at, other), distance(at, other) / Math.max(1, distance(before, other)));
  });
  on("pointerup", (event) => {
    const wasClick = fingers.delete(event.pointerId) && !isDragging && start !== null;
    start = null;
    if (fingers.size === 0) isDragging = false;
    if (wasClick) gestures.click(pointOf(element, event));
  });
  on("pointercancel", (event) => {
    fingers.delete(event.pointerId);
    start = null;
  });
  on("pointerleave", () => gestures.hover(null));
  on("dblclick", (event) => gestures.doubleClick(pointOf(element, event)));
  on("wheel", (event) => {
    event.preventDefault();
    const pixels = event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? event.deltaY : event.deltaY * LINE_PIXELS;
    gestures.zoom(pointOf(element, event), Math.exp(-pixels * (event.ctrlKey ? PINCH_SPEED : WHEEL_SPEED)));
  });
  return () => stop.abort();
}

function pointOf(element: HTMLElement, event: MouseEvent): Point {
  const { left, top } = element.getBoundingClientRect();
  return { x: event.clientX - left, y: event.clientY - top };
}

function distance(a: Point, b: Point): number {
  return Math.hypot(a.x - b.x, a.y - b.y);
}

function middle(a: Point, b: Point): Point {
  return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
}
