// What the page under the pointer is.

import type { Signal } from "@preact/signals";
import { hex } from "../../machine/names.js";
import type { OpenTrace, Store } from "../store.js";
import { useFollowedOperation } from "./followed-operation.js";
import type { Point } from "./viewport.js";
import { pageWords } from "./words.js";

/** A page under the pointer. */
export interface Hover {
  readonly page: number;
  /** In the cells' window, which is this large, in pixels of the page. */
  readonly at: Point;
  readonly window: { readonly width: number; readonly height: number };
}

/** From the pointer, in pixels. */
const AWAY = 12;

export function Tip({ store, open, hover }: { store: Store; open: OpenTrace; hover: Signal<Hover | null> }) {
  const shown = hover.value;
  const { ownership, trace } = open;
  useFollowedOperation(store, open);
  if (shown === null) return null;
  const address = ownership.pfnOf(shown.page) << BigInt(trace.pageShift);
  return (
    <div class="map-tip" style={besides(shown)}>
      {wordsOfPage(open, shown.page)}
      <br />
      <span class="map-tip-address">{hex(address)}</span>
    </div>
  );
}

/** Towards the middle from the pointer, so that it stays inside. */
function besides({ at, window }: Hover): Record<string, string> {
  return {
    ...(at.x < window.width / 2 ? { left: `${at.x + AWAY}px` } : { right: `${window.width - at.x + AWAY}px` }),
    ...(at.y < window.height / 2 ? { top: `${at.y + AWAY}px` } : { bottom: `${window.height - at.y + AWAY}px` }),
  };
}

export function wordsOfPage({ trace, ownership }: OpenTrace, page: number): string {
  return pageWords(trace.parties, ownership.pfnOf(page), ownership.classes[page] ?? 0, ownership.since(page));
}
