// The ownership map: every page of the machine as a cell. What it looks like is picture.ts's affair; here it is wired to the
// store, to hands and to keys.

import { useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { useShortcuts, type Shortcut } from "../shortcuts.js";
import type { OpenTrace, Store } from "../store.js";
import { FindPage } from "./find-page.jsx";
import { useFollowedOperation } from "./followed-operation.js";
import { listenForGestures } from "./gestures.js";
import { DETAILS_ID, FIND_ID } from "./ids.js";
import { followSize, followStore, gesturesOn, listenForOverview } from "./inputs.js";
import { moveByKey } from "./keys.js";
import { Legend } from "./legend.jsx";
import "./map.css";
import { MapPicture } from "./picture.js";
import { Tip, wordsOfPage, type Hover } from "./tip.jsx";
import { zoomAt } from "./viewport.js";

const ZOOM_STEP = 2;
/** A screen reader is told once the scrubbing rests, in milliseconds. */
const SPEAK_AFTER = 400;

export function MapView({ store }: { store: Store }) {
  const open = store.open.value;
  if (open === null) return <p class="map-hint">No trace is open. Drop a file, or choose an example.</p>;
  if (open.trace.initial.length === 0) return <p class="map-hint">This machine has no memory of its own.</p>;
  return <LoadedMap store={store} open={open} />;
}

function LoadedMap({ store, open }: { store: Store; open: OpenTrace }) {
  const lit = useSignal<ReadonlySet<number> | null>(null);
  const counts = useSignal<Uint32Array>(new Uint32Array(256));
  const hover = useSignal<Hover | null>(null);
  const [picture, setPicture] = useState<MapPicture | null>(null);
  const stage = useRef<HTMLDivElement>(null);
  const cells = useRef<HTMLCanvasElement>(null);
  const marks = useRef<HTMLCanvasElement>(null);
  const overview = useRef<HTMLCanvasElement>(null);

  useEffect(() => {
    if (stage.current === null || cells.current === null || marks.current === null || overview.current === null) return;
    const canvases = { cells: cells.current, marks: marks.current, overview: overview.current };
    const made = new MapPicture(open, canvases, stage.current, (counted) => (counts.value = counted));
    const stops = [
      followSize(made, stage.current),
      followStore(made, store, open, lit, marks.current),
      listenForGestures(cells.current, gesturesOn(made, store, open, hover)),
      listenForOverview(made, overview.current),
    ];
    setPicture(made);
    return () => {
      for (const stop of stops) stop();
      made.close();
      lit.value = null;
      hover.value = null;
    };
  }, [open]);

  useShortcuts(
    useMemo(
      () => (picture === null || store.view.value !== "map" ? [] : shortcutsOf(picture)),
      [picture, store.view.value],
    ),
  );
  const onKeyDown = (event: KeyboardEvent) => {
    if (picture === null || event.ctrlKey || event.metaKey || event.altKey) return;
    hover.value = null;
    if (runKey(event.key, picture, store, open)) event.preventDefault();
  };
  return (
    <section class="map" aria-label="Ownership map">
      <div class="map-tools">
        <FindPage store={store} open={open} found={(page) => picture?.approach(page)} />
        <ZoomButtons picture={picture} />
      </div>
      <div class="map-body">
        <div
          ref={stage}
          class="map-stage"
          role="application"
          tabIndex={0}
          aria-label="Map of all pages"
          aria-describedby="map-keys"
          onKeyDown={onKeyDown}
        >
          <canvas ref={cells} class="map-cells" />
          <canvas ref={marks} class="map-marks" />
          <canvas ref={overview} class="map-overview" hidden />
          <div class="map-tips" style={{ left: `${picture?.gutter ?? 0}px` }}>
            <Tip store={store} open={open} hover={hover} />
          </div>
        </div>
        <Legend open={open} counts={counts} lit={lit} />
      </div>
      <p id="map-keys" class="spoken">
        Left and right: the page before and behind. Up and down: the row above and below. Page Up, Page Down: screen.
        Home, End: first and last page. Plus, minus: zoom. 0: whole machine. Enter: details.
      </p>
      <Spoken store={store} open={open} />
    </section>
  );
}

function ZoomButtons({ picture }: { picture: MapPicture | null }) {
  return (
    <div class="map-zoom" role="group" aria-label="Zoom">
      <button type="button" aria-label="Zoom in" onClick={() => picture && zoom(picture, ZOOM_STEP)}>
        +
      </button>
      <button type="button" aria-label="Zoom out" onClick={() => picture && zoom(picture, 1 / ZOOM_STEP)}>
        −
      </button>
      <button type="button" onClick={() => picture?.showWhole()}>
        Whole machine
      </button>
    </div>
  );
}

function shortcutsOf(picture: MapPicture): readonly Shortcut[] {
  return [
    { key: "+", says: "Enlarge the map", run: () => zoom(picture, ZOOM_STEP) },
    { key: "-", says: "Reduce the map", run: () => zoom(picture, 1 / ZOOM_STEP) },
    { key: "0", says: "The whole machine", run: () => picture.showWhole() },
    { key: "f", says: "Find a page by its number or address", run: () => document.getElementById(FIND_ID)?.focus() },
  ];
}

function zoom(picture: MapPicture, factor: number): void {
  const { width, height } = picture.view;
  picture.setView(
    zoomAt(picture.layout, picture.view, picture.selectedPoint() ?? { x: width / 2, y: height / 2 }, factor),
  );
}

/** True if the key means something on the map. */
function runKey(key: string, picture: MapPicture, store: Store, open: OpenTrace): boolean {
  if (key === "Escape" && store.page.value !== null) store.page.value = null;
  else if (key === "Enter") document.getElementById(DETAILS_ID)?.focus();
  else {
    const { ownership } = open;
    const selected = store.page.value === null ? null : ownership.pageOf(store.page.value);
    const page = moveByKey(key, picture.layout, picture.view, selected);
    if (page === null) return false;
    store.page.value = ownership.pfnOf(page);
  }
  return true;
}

function Spoken({ store, open }: { store: Store; open: OpenTrace }) {
  const [words, setWords] = useState("");
  const pfn = store.page.value;
  const operation = useFollowedOperation(store, open);
  useEffect(() => {
    const page = pfn === null ? null : open.ownership.pageOf(pfn);
    const timer = setTimeout(() => setWords(page === null ? "" : wordsOfPage(open, page)), SPEAK_AFTER);
    return () => clearTimeout(timer);
  }, [pfn, operation, open]);
  return (
    <p class="spoken" aria-live="polite">
      {words}
    </p>
  );
}
