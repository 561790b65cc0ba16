// What moves the picture: hands, the size of the window, and the store.

import { effect, type Signal } from "@preact/signals";
import type { OpenTrace, Store } from "../store.js";
import { isDark } from "../theme.js";
import type { Gestures } from "./gestures.js";
import { pageIn } from "./layout.js";
import { lookAt } from "./overview.js";
import type { MapPicture, Surroundings } from "./picture.js";
import type { Hover } from "./tip.jsx";
import { cellAt, panBy, zoomAt, type Point } from "./viewport.js";

const DOUBLE_CLICK_ZOOM = 4;

export function gesturesOn(picture: MapPicture, store: Store, open: OpenTrace, hover: Signal<Hover | null>): Gestures {
  const scaled = ({ x, y }: Point) => ({ x: x * picture.ratio, y: y * picture.ratio });
  const pageAt = (at: Point) => {
    const cell = cellAt(picture.layout, picture.view, scaled(at));
    return cell === null ? -1 : pageIn(picture.layout, cell);
  };
  const hoverAt = (at: Point | null) => {
    const page = at === null ? -1 : pageAt(at);
    const window = { width: picture.view.width / picture.ratio, height: picture.view.height / picture.ratio };
    hover.value = at === null || page < 0 ? null : { page, at, window };
  };
  const zoomTo = (at: Point, factor: number) => {
    picture.setView(zoomAt(picture.layout, picture.view, scaled(at), factor));
    // The pointer stays where it was; of the block that was under it, it is over one page now.
    if (hover.value !== null) hoverAt(at);
  };
  return {
    zoom: zoomTo,
    doubleClick: (at: Point) => zoomTo(at, DOUBLE_CLICK_ZOOM),
    pan: (dx: number, dy: number) => {
      const { x, y } = scaled({ x: dx, y: dy });
      picture.setView(panBy(picture.layout, picture.view, x, y));
    },
    click: (at: Point) => {
      const page = pageAt(at);
      if (page >= 0) store.page.value = open.ownership.pfnOf(page);
    },
    hover: hoverAt,
  };
}

/** Press and drag in the overview to look elsewhere. */
export function listenForOverview(picture: MapPicture, overview: HTMLCanvasElement): () => void {
  const look = (event: PointerEvent) => {
    if (event.buttons !== 1) return;
    const box = overview.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * overview.width;
    const y = ((event.clientY - box.top) / box.height) * overview.height;
    picture.setView(lookAt(picture.layout, picture.view, { x, y }));
  };
  const press = (event: PointerEvent) => {
    overview.setPointerCapture(event.pointerId);
    look(event);
  };
  overview.addEventListener("pointerdown", press);
  overview.addEventListener("pointermove", look);
  return () => {
    overview.removeEventListener("pointerdown", press);
    overview.removeEventListener("pointermove", look);
  };
}

export function followSize(picture: MapPicture, stage: HTMLElement): () => void {
  const measure = () => picture.resize(stage.clientWidth, stage.clientHeight, devicePixelRatio);
  const observer = new ResizeObserver(measure);
  observer.observe(stage);
  measure();
  return () => observer.disconnect();
}

export function followStore(
  picture: MapPicture,
  store: Store,
  open: OpenTrace,
  lit: Signal<ReadonlySet<number> | null>,
  marks: HTMLElement,
): () => void {
  const stops = [
    effect(() => picture.goTo(store.operation.value)),
    effect(() => {
      const pfn = store.page.value;
      picture.select(pfn === null ? -1 : (open.ownership.pageOf(pfn) ?? -1));
    }),
    effect(() => picture.light(lit.value)),
    effect(() => picture.colour(isDark.value ? "dark" : "light", surroundingsOf(marks))),
  ];
  return () => stops.forEach((stop) => stop());
}

/** A custom property is not resolved for scripts, a colour is: the map's marks have these three (map.css). */
function surroundingsOf(marks: HTMLElement): Surroundings {
  const { color, caretColor, outlineColor } = getComputedStyle(marks);
  return { text: color, muted: caretColor, accent: outlineColor };
}
