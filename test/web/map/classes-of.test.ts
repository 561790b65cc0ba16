import { expect, test } from "vitest";
import { classesOf } from "../../../src/web/map/classes-of.js";
import { machineOf } from "./machine-of.js";

test("a legend has what is there at the start and what comes, in the order of the classes, and nothing else", () => {
  const changes = {
    count: 2,
    operation: Uint32Array.of(0, 1, 2),
    page: Uint32Array.of(0, 0, 0),
    before: Uint8Array.of(1, 19, 2),
    // The third is behind the count.
    after: Uint8Array.of(19, 2, 77),
  };
  const { trace } = machineOf([{ pfn: 0n, pages: 3, first: 0 }], { changes, initial: Uint8Array.of(1, 9, 1) });
  expect(classesOf({ trace })).toEqual([1, 2, 9, 19]);
});
