import { signal } from "@preact/signals";
import { expect, test } from "vitest";
import type { OpenTrace } from "../../../src/web/store.js";
import { Seeker } from "../../../src/web/timeline/seeker.js";
import { operationColumns } from "./columns.js";

/** A trace of `count` operations, and frames that come when they are asked for. */
function seeking(count: number) {
  const open = (operations: number) =>
    ({
      trace: { operations: operationColumns(Array.from({ length: operations }, () => ({}))) },
    }) as unknown as OpenTrace;
  const store = { open: signal<OpenTrace | null>(open(count)), operation: signal(-1) };
  const frames: (() => void)[] = [];
  const visited: number[] = [];
  store.operation.subscribe((operation) => visited.push(operation));
  const seeker = new Seeker(store, (run) => frames.push(run));
  return { seeker, store, open, frames, visited, frame: () => frames.shift()?.() };
}

test("of all positions between two frames the last is gone to", () => {
  const { seeker, frames, frame, visited } = seeking(100);
  for (const position of [3, 17, 60, 42]) seeker.goTo(position);
  expect(frames).toHaveLength(1);
  frame();
  expect(visited).toEqual([-1, 42]);
});

test("the next frame goes to what was asked for after the last one", () => {
  const { seeker, frame, visited } = seeking(100);
  seeker.goTo(1);
  frame();
  seeker.goTo(2);
  frame();
  expect(visited).toEqual([-1, 1, 2]);
});

test("steps add up while no frame comes", () => {
  const { seeker, store, frame } = seeking(100);
  for (let step = 0; step < 5; step++) seeker.goTo(seeker.position + 1);
  frame();
  expect(store.operation.value).toBe(4);
});

// prettier-ignore
test.each([[-9, -1], [-1, -1], [99, 99], [100, 99]])("asked for %i of 100 it goes to %i", (position, to) => {
  const { seeker, store, frame } = seeking(100);
  seeker.goTo(position);
  frame();
  expect(store.operation.value).toBe(to);
});

test("a trace that was opened meanwhile is not left behind its end", () => {
  const { seeker, store, open, frame } = seeking(100);
  seeker.goTo(90);
  store.open.value = open(10);
  frame();
  expect(store.operation.value).toBe(9);
});

test("without a trace there is nowhere to go", () => {
  const { seeker, store, frames } = seeking(100);
  store.open.value = null;
  seeker.goTo(5);
  expect(frames).toHaveLength(0);
});
