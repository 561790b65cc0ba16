// Colours of page classes. Okabe and Ito's hues, moved until every two of the eight kinds can be told apart by people who lack red,
// green or blue cones as well (test/web/map/palette.test.ts measures it). Where there is room, a pattern says the state again.

import {
  PAGE_ABSENT,
  PAGE_BORROWED,
  PAGE_LENT,
  PAGE_OWNED,
  PAGE_POISONED,
  PAGE_SHARED,
  partyOfClass,
  stateOfClass,
} from "../../timeline/page-class.js";
import { NO_CELL } from "./pyramid.js";
import { guestNumber, partyKind, type PartyKind } from "./words.js";

export type Theme = "light" | "dark";

/** A colour as ImageData keeps it on a little-endian machine: 0xAABBGGRR. */
export type Rgba = number;

export interface Palette {
  /** By class. */
  readonly fill: Uint32Array;
  /** Of patterns, by class. */
  readonly pattern: Uint32Array;
  /** Of letters, by class: black or white. */
  readonly letter: Uint32Array;
  /** Between cells, and where no page is. */
  readonly ground: Rgba;
}

type Kind = PartyKind | "absent" | "shared" | "lent" | "borrowed" | "poisoned";

interface Colours extends Readonly<Record<Exclude<Kind, "guest">, string>> {
  readonly ground: string;
  /** In turn: guests differ a little from each other, and more from all others. */
  readonly guest: readonly [string, string, string];
}

const COLOURS: Readonly<Record<Theme, Colours>> = {
  light: {
    ground: "#ffffff",
    absent: "#e7ebef",
    host: "#87b5ff",
    hypervisor: "#cb6d18",
    guest: ["#28625a", "#459395", "#164264"],
    shared: "#ffc303",
    lent: "#9605e3",
    borrowed: "#3e2400",
    poisoned: "#070709",
  },
  dark: {
    ground: "#16181d",
    absent: "#282730",
    host: "#324192",
    hypervisor: "#db5645",
    guest: ["#73d2fa", "#5cbac4", "#a7d5c0"],
    shared: "#ffbf00",
    lent: "#9d5ae7",
    borrowed: "#7f3d01",
    poisoned: "#ffffff",
  },
};

const STATE_KIND = new Map<number, Kind>([
  [PAGE_ABSENT, "absent"],
  [PAGE_SHARED, "shared"],
  [PAGE_LENT, "lent"],
  [PAGE_BORROWED, "borrowed"],
  [PAGE_POISONED, "poisoned"],
]);

/** What stands out more wins in a block of pages. */
const KIND_RANK: readonly Kind[] = ["absent", "host", "hypervisor", "guest", "shared", "borrowed", "lent", "poisoned"];

/** A shared or lent page shows a little of its owner's colour. */
const OWNER_SHARE = 0.14;
/** Of a class that the legend has switched off. */
const DIMMED = 0.86;
const PATTERN_STRENGTH = 0.4;

/** `lit`: classes to be seen; null: all. */
export function makePalette(theme: Theme, parties: readonly string[], lit: ReadonlySet<number> | null): Palette {
  const fill = new Uint32Array(256);
  const pattern = new Uint32Array(256);
  const letter = new Uint32Array(256);
  const ground = parse(COLOURS[theme].ground);
  for (let value = 0; value < 256; value++) {
    const full = value === NO_CELL ? ground : classColour(theme, parties, value);
    const isDimmed = lit !== null && !lit.has(value);
    const colour = isDimmed ? mix(full, ground, DIMMED) : full;
    fill[value] = colour;
    letter[value] = luminance(colour) > 0.18 ? BLACK : WHITE;
    pattern[value] = mix(colour, letter[value] as number, isDimmed ? PATTERN_STRENGTH / 4 : PATTERN_STRENGTH);
  }
  return { fill, pattern, letter, ground };
}

/** For a pyramid: what is lit wins over what is not. */
export function makeRank(parties: readonly string[], lit: ReadonlySet<number> | null): Uint8Array {
  const rank = new Uint8Array(256);
  for (let value = 0; value < 256; value++) {
    const above = lit?.has(value) === true ? KIND_RANK.length : 0;
    rank[value] = value === NO_CELL ? 0 : 1 + KIND_RANK.indexOf(kindOf(parties, value)) + above;
  }
  return rank;
}

/** Eight rows of eight pixels, repeated over the cell: bit 7 is the left one. Whole cells have none. */
export const PATTERNS: ReadonlyMap<number, readonly number[]> = new Map([
  [PAGE_SHARED, [0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80]],
  [PAGE_LENT, [0x00, 0x00, 0x00, 0xff, 0x00, 0x00, 0x00, 0xff]],
  [PAGE_BORROWED, [0x00, 0x66, 0x66, 0x00, 0x00, 0x66, 0x66, 0x00]],
  [PAGE_POISONED, [0x81, 0x42, 0x24, 0x18, 0x18, 0x24, 0x42, 0x81]],
]);

export function cssColour(colour: Rgba): string {
  const channel = (shift: number) => ((colour >>> shift) & 0xff).toString(16).padStart(2, "0");
  return `#${channel(0)}${channel(8)}${channel(16)}`;
}

function kindOf(parties: readonly string[], value: number): Kind {
  return STATE_KIND.get(stateOfClass(value)) ?? partyKind(parties, partyOfClass(value));
}

function classColour(theme: Theme, parties: readonly string[], value: number): Rgba {
  const owner = ownColour(theme, parties, partyOfClass(value));
  const kind = kindOf(parties, value);
  if (kind === "guest" || stateOfClass(value) === PAGE_OWNED) return owner;
  const colour = parse(COLOURS[theme][kind]);
  return kind === "shared" || kind === "lent" ? mix(colour, owner, OWNER_SHARE) : colour;
}

function ownColour(theme: Theme, parties: readonly string[], party: number): Rgba {
  const kind = partyKind(parties, party);
  const { guest, ...others } = COLOURS[theme];
  return parse(kind === "guest" ? (guest[guestNumber(parties, party) % guest.length] ?? guest[0]) : others[kind]);
}

const BLACK: Rgba = 0xff000000;
const WHITE: Rgba = 0xffffffff;

function parse(css: string): Rgba {
  const rgb = parseInt(css.slice(1), 16);
  return ((0xff << 24) | ((rgb & 0xff) << 16) | (rgb & 0xff00) | (rgb >> 16)) >>> 0;
}

function mix(a: Rgba, b: Rgba, share: number): Rgba {
  const channel = (shift: number) =>
    Math.round(((a >>> shift) & 0xff) * (1 - share) + ((b >>> shift) & 0xff) * share) << shift;
  return (0xff000000 | channel(16) | channel(8) | channel(0)) >>> 0;
}

/** WCAG 2's relative luminance. */
function luminance(colour: Rgba): number {
  const linear = (shift: number) => {
    const value = ((colour >>> shift) & 0xff) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * linear(0) + 0.7152 * linear(8) + 0.0722 * linear(16);
}
