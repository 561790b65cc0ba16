import { describe, expect, test } from "vitest";
import {
  PAGE_ABSENT,
  PAGE_BORROWED,
  PAGE_LENT,
  PAGE_OWNED,
  PAGE_POISONED,
  PAGE_SHARED,
  pageClass,
} from "../../../src/timeline/page-class.js";
import { cssColour, makePalette, makeRank, PATTERNS } from "../../../src/web/map/palette.js";
import { NO_CELL } from "../../../src/web/map/pyramid.js";

const PARTIES = ["host", "hypervisor", "VM 0x1000", "VM 0x1001", "VM 0x1002"];
const HOST = 0;
const HYPERVISOR = 1;
const GUESTS = [2, 3, 4];
const OWNERS = [HOST, HYPERVISOR, ...GUESTS];
const THEMES = ["light", "dark"] as const;

/** Of every kind, all the colours that it can have. */
const KINDS: Readonly<Record<string, readonly number[]>> = {
  "nobody's": [pageClass(PAGE_ABSENT, HOST)],
  host: [pageClass(PAGE_OWNED, HOST)],
  hypervisor: [pageClass(PAGE_OWNED, HYPERVISOR)],
  guest: GUESTS.map((party) => pageClass(PAGE_OWNED, party)),
  shared: OWNERS.map((party) => pageClass(PAGE_SHARED, party)),
  lent: OWNERS.map((party) => pageClass(PAGE_LENT, party)),
  borrowed: [pageClass(PAGE_BORROWED, HOST)],
  poisoned: [pageClass(PAGE_POISONED, HOST)],
};

// Colour vision, in linear RGB: Machado, Oliveira, Fernandes, "A Physiologically-based Model for Simulation of Color Vision
// Deficiency", IEEE TVCG 15 (2009), severity 1.
type Row = readonly [number, number, number];
const EYES: Readonly<Record<string, readonly [Row, Row, Row]>> = {
  "all cones": [
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ],
  "no red cones": [
    [0.152286, 1.052583, -0.204868],
    [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998],
  ],
  "no green cones": [
    [0.367322, 0.860646, -0.227968],
    [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881],
  ],
  "no blue cones": [
    [1.255528, -0.076749, -0.178779],
    [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039],
  ],
};

const linear = (colour: number) =>
  [0, 8, 16].map((shift) => {
    const value = ((colour >>> shift) & 0xff) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  }) as unknown as Row;

const times = (matrix: readonly Row[], [a, b, c]: Row) =>
  matrix.map(([x, y, z]) => x * a + y * b + z * c) as unknown as Row;

/** Ottosson's OKLab: a difference of 0.02 is about the least that can be seen side by side. */
function perceived(colour: number, eyes: readonly Row[]): Row {
  const seen = times(eyes, linear(colour)).map((value) => Math.min(1, Math.max(0, value))) as unknown as Row;
  const cones = times(
    [
      [0.4122214708, 0.5363325363, 0.0514459929],
      [0.2119034982, 0.6806995451, 0.1073969566],
      [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    seen,
  ).map(Math.cbrt) as unknown as Row;
  return times(
    [
      [0.2104542553, 0.793617785, -0.0040720468],
      [1.9779984951, -2.428592205, 0.4505937099],
      [0.0259040371, 0.7827717662, -0.808675766],
    ],
    cones,
  );
}

function contrast(a: number, b: number): number {
  const luminance = (colour: number) => {
    const [red, green, blue] = linear(colour);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05;
  };
  const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y) as [number, number];
  return high / low;
}

describe.each(THEMES)("%s", (theme) => {
  const { fill, letter, pattern, ground } = makePalette(theme, PARTIES, null);
  const names = Object.keys(KINDS);
  const pairs = names.flatMap((a, index) => names.slice(index + 1).map((b) => [a, b] as const));

  test.each(Object.entries(EYES))("every two kinds can be told apart with %s", (_, eyes) => {
    const close = pairs.flatMap(([a, b]) => {
      const distances = KINDS[a]!.flatMap((one) =>
        KINDS[b]!.map((other) => Math.hypot(...difference(perceived(fill[one]!, eyes), perceived(fill[other]!, eyes)))),
      );
      return Math.min(...distances) < 0.12 ? [`${a} and ${b}: ${Math.min(...distances).toFixed(3)}`] : [];
    });
    expect(close).toEqual([]);
  });

  test.each(Object.entries(KINDS))("%s: letters can be read, and the pattern is seen", (_, values) => {
    for (const value of values) {
      expect(contrast(letter[value]!, fill[value]!), cssColour(fill[value]!)).toBeGreaterThanOrEqual(4.5);
      expect(contrast(pattern[value]!, fill[value]!), cssColour(fill[value]!)).toBeGreaterThanOrEqual(1.5);
    }
  });

  test("three guests have three colours", () => {
    expect(new Set(KINDS["guest"]!.map((value) => fill[value])).size).toBe(3);
  });

  test("where no page is, the ground shows", () => {
    expect(fill[NO_CELL]).toBe(ground);
  });
});

const difference = (a: Row, b: Row): Row => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];

test("states that look alike from afar have patterns of their own", () => {
  const states = [PAGE_SHARED, PAGE_LENT, PAGE_BORROWED, PAGE_POISONED];
  expect(new Set(states.map((state) => String(PATTERNS.get(state)))).size).toBe(states.length);
  for (const state of states) expect(PATTERNS.get(state)).toHaveLength(8);
});

// prettier-ignore
test.each<[string, number, number]>([
  ["a page over none",            pageClass(PAGE_ABSENT, HOST),       NO_CELL],
  ["the host over nobody",        pageClass(PAGE_OWNED, HOST),        pageClass(PAGE_ABSENT, HOST)],
  ["the hypervisor over the host", pageClass(PAGE_OWNED, HYPERVISOR), pageClass(PAGE_OWNED, HOST)],
  ["a guest over the hypervisor", pageClass(PAGE_OWNED, 2),           pageClass(PAGE_OWNED, HYPERVISOR)],
  ["shared over owned",           pageClass(PAGE_SHARED, HOST),       pageClass(PAGE_OWNED, 2)],
  ["lent over shared",            pageClass(PAGE_LENT, HOST),         pageClass(PAGE_SHARED, 2)],
  ["poisoned over lent",          pageClass(PAGE_POISONED, HOST),     pageClass(PAGE_LENT, 2)],
])("in a block: %s", (_, winner, other) => {
  const rank = makeRank(PARTIES, null);
  expect(rank[winner]).toBeGreaterThan(rank[other]!);
});

test("what the legend lights wins over all that it does not", () => {
  const lit = pageClass(PAGE_ABSENT, HOST);
  const rank = makeRank(PARTIES, new Set([lit]));
  for (const others of Object.values(KINDS).flat())
    if (others !== lit) expect(rank[lit]).toBeGreaterThan(rank[others]!);
});

test("a colour as CSS writes it", () => {
  expect(cssColour(0xff123456)).toBe("#563412");
});
