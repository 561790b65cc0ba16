import { expect, test } from "vitest";
import { moveByKey } from "../../../src/web/map/keys.js";
import { layOut } from "../../../src/web/map/layout.js";
import { wholeMachine, zoomAt } from "../../../src/web/map/viewport.js";

/** 64 rows of 64 pages, ten pixels each: two blocks of 32 by 16 pages a row. */
const layout = layOut([{ pfn: 0x1000n, pages: 4096, first: 0 }], 12, 6);
const whole = wholeMachine(layout, 640, 640, 0);
const MIDDLE = 5 * 512;

// prettier-ignore
test.each<[string, number, number | null]>([
  // key          from    to
  ["ArrowRight",  100,    101],
  ["ArrowLeft",   100,    99],
  ["ArrowRight",  31,     32],
  ["ArrowRight",  4095,   4095],
  ["ArrowLeft",   0,      0],
  ["ArrowDown",   100,    132],
  ["ArrowUp",     100,    68],
  ["ArrowDown",   480,    1024],
  ["Home",        100,    0],
  ["End",         100,    4095],
  ["PageDown",    5,      3072 + 480 + 5],
  ["PageUp",      3072 + 485, 5],
  ["x",           100,    null],
  ["Tab",         100,    null],
])("%s leads from page %i to %o", (key, from, to) => {
  expect(moveByKey(key, layout, whole, from)).toBe(to);
});

test("a screen is as many rows as are in sight, less one", () => {
  const near = zoomAt(layout, whole, { x: 0, y: 0 }, 4);
  expect(moveByKey("PageDown", layout, near, 0)).toBe(15 * 32);
});

// prettier-ignore
test.each<[string, number]>([
  ["ArrowRight", MIDDLE],
  ["PageUp",     MIDDLE],
  ["End",        4095],
])("%s without a page looked at leads to %i", (key, to) => {
  expect(moveByKey(key, layout, whole, null)).toBe(to);
});
