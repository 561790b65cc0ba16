// Which colour is what, and how many pages have it now. A press on an entry lights these pages only.

import type { Signal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { stateOfClass } from "../../timeline/page-class.js";
import type { OpenTrace } from "../store.js";
import { isDark } from "../theme.js";
import { classesOf } from "./classes-of.js";
import { cssColour, makePalette, PATTERNS, type Palette } from "./palette.js";
import { classTag, classWords, sizeWords } from "./words.js";

interface Properties {
  readonly open: OpenTrace;
  /** Pages by class. */
  readonly counts: Signal<Uint32Array>;
  /** Classes to be seen; null: all. */
  readonly lit: Signal<ReadonlySet<number> | null>;
}

export function Legend({ open, counts, lit }: Properties) {
  const { trace } = open;
  const theme = isDark.value ? "dark" : "light";
  const palette = useMemo(() => makePalette(theme, trace.parties, null), [theme, open]);
  const classes = useMemo(() => classesOf(open), [open]);
  const toggle = (value: number) => {
    const next = new Set(lit.value ?? []);
    if (!next.delete(value)) next.add(value);
    lit.value = next.size === 0 ? null : next;
  };
  return (
    <div class="map-legend" role="group" aria-label="Legend: press an entry to see only these pages">
      <button type="button" aria-pressed={lit.value === null} onClick={() => (lit.value = null)}>
        <span class="map-legend-words">All pages</span>
        <span class="map-legend-count">{countWords(trace.initial.length, trace.pageShift)}</span>
      </button>
      {classes.map((value) => (
        <button key={value} type="button" aria-pressed={lit.value?.has(value) === true} onClick={() => toggle(value)}>
          <Swatch palette={palette} value={value} tag={classTag(trace.parties, value)} />
          <span class="map-legend-words">{classWords(trace.parties, value)}</span>
          <span class="map-legend-count">{countWords(counts.value[value] ?? 0, trace.pageShift)}</span>
        </button>
      ))}
    </div>
  );
}

function countWords(pages: number, pageShift: number): string {
  const count = `${pages.toLocaleString("en")} ${pages === 1 ? "page" : "pages"}`;
  return pages === 0 ? count : `${count}, ${sizeWords(pages, pageShift)}`;
}

const SWATCH = 24;

/** A cell as on the map, with its pattern and letters. */
export function Swatch({ palette, value, tag }: { palette: Palette; value: number; tag: string }) {
  const colour = (colours: Uint32Array) => cssColour(colours[value] ?? 0);
  const pattern = PATTERNS.get(stateOfClass(value)) ?? [];
  return (
    <svg class="map-swatch" viewBox={`0 0 ${2 * SWATCH} ${SWATCH}`} aria-hidden="true">
      <rect width={2 * SWATCH} height={SWATCH} fill={colour(palette.fill)} />
      <path d={patternPath(pattern)} fill={colour(palette.pattern)} />
      {tag !== "" && (
        <>
          <rect
            x={SWATCH - 4 * tag.length}
            y={SWATCH / 4}
            width={8 * tag.length}
            height={SWATCH / 2}
            fill={colour(palette.fill)}
          />
          <text x={SWATCH} y={SWATCH / 2} fill={colour(palette.letter)}>
            {tag}
          </text>
        </>
      )}
    </svg>
  );
}

function patternPath(pattern: readonly number[]): string {
  if (pattern.length === 0) return "";
  let path = "";
  for (let y = 0; y < SWATCH; y++)
    for (let x = 0; x < 2 * SWATCH; x++)
      if ((((pattern[y & 7] ?? 0) << (x & 7)) & 0x80) !== 0) path += `M${x} ${y}h1v1h-1z`;
  return path;
}
