// The classes that are kept by applying and undoing changes are those of a naive scan, and agree with what the machine says.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createOwnership, type Ownership } from "../../src/timeline/ownership.js";
import {
  PAGE_ABSENT,
  PAGE_BORROWED,
  PAGE_LENT,
  PAGE_OWNED,
  PAGE_POISONED,
  PAGE_SHARED,
  partyOfClass,
  stateOfClass,
} from "../../src/timeline/page-class.js";
import { NO_PAGE, type LoadedTrace, type PageDetails } from "../../src/timeline/timeline.js";
import { load, vector } from "./traces.js";

const PAGES = 12;

/** What operations do: the pages that each works on, and the classes that it gives. */
const operations = fc.array(
  fc.record({
    page: fc.oneof(fc.constant(NO_PAGE), fc.integer({ min: 0, max: PAGES - 1 })),
    pages: fc.integer({ min: 1, max: PAGES }),
    changes: fc.uniqueArray(fc.tuple(fc.integer({ min: 0, max: PAGES - 1 }), fc.integer({ min: 0, max: 5 })), {
      maxLength: 3,
      selector: ([page]) => page,
    }),
  }),
  { minLength: 1, maxLength: 40 },
);

type Made = typeof operations extends fc.Arbitrary<infer T> ? T : never;

/** A trace with these operations, and what of its columns `Ownership` does not look at left empty. */
function traceOf(made: Made): LoadedTrace {
  const classes = new Uint8Array(PAGES);
  const changes = made.flatMap((operation, number) =>
    operation.changes.flatMap(([page, after]) => {
      const before = classes[page] ?? 0;
      classes[page] = after;
      return before === after ? [] : [{ number, page, before, after }];
    }),
  );
  const count = made.length;
  return {
    regions: [
      { pfn: 0x100n, pages: 5, first: 0 },
      { pfn: 0x200n, pages: PAGES - 5, first: 5 },
    ],
    initial: new Uint8Array(PAGES),
    operations: {
      count,
      page: Uint32Array.from(made, ({ page }) => page),
      pages: Uint32Array.from(made, ({ page, pages }) => (page === NO_PAGE ? 0 : Math.min(pages, PAGES - page))),
    },
    changes: {
      count: changes.length,
      operation: Uint32Array.from(changes, ({ number }) => number),
      page: Uint32Array.from(changes, ({ page }) => page),
      before: Uint8Array.from(changes, ({ before }) => before),
      after: Uint8Array.from(changes, ({ after }) => after),
    },
  } as unknown as LoadedTrace;
}

const somewhere = fc.integer({ min: -1, max: 41 });

test("classes after any walk through the operations", () => {
  fc.assert(
    fc.property(operations, fc.array(somewhere, { minLength: 1, maxLength: 8 }), (made, stops) => {
      const trace = traceOf(made);
      const ownership = createOwnership(trace);
      const { classes } = ownership;
      for (const stop of stops) {
        const before = classes.slice();
        const told = ownership.goTo(stop);
        const wanted = new Uint8Array(PAGES);
        made.slice(0, stop + 1).forEach(({ changes }) => changes.forEach(([page, after]) => (wanted[page] = after)));
        expect(classes).toEqual(wanted);
        expect(ownership.after).toBe(Math.min(stop, made.length - 1));
        const changed = [...classes.keys()].filter((page) => classes[page] !== before[page]);
        expect([...(told ?? [])]).toEqual(expect.arrayContaining(changed));
      }
    }),
  );
});

test("since when a page has its class", () => {
  fc.assert(
    fc.property(operations, somewhere, fc.nat(PAGES - 1), (made, stop, page) => {
      const trace = traceOf(made);
      const ownership = createOwnership(trace);
      ownership.goTo(stop);
      let wanted: number | null = null;
      for (let i = 0; i < trace.changes.count; i++) {
        const operation = trace.changes.operation[i] ?? 0;
        if (trace.changes.page[i] === page && operation <= stop) wanted = operation;
      }
      expect(ownership.since(page)).toBe(wanted);
    }),
  );
});

test("the operations before and behind that concern a page", () => {
  fc.assert(
    fc.property(
      operations,
      somewhere,
      fc.nat(PAGES - 1),
      fc.constantFrom(1 as const, -1 as const),
      (made, at, page, step) => {
        const trace = traceOf(made);
        const concerns = (operation: number): boolean => {
          const first = trace.operations.page[operation] ?? NO_PAGE;
          const isOn = first !== NO_PAGE && page >= first && page < first + (trace.operations.pages[operation] ?? 0);
          return (
            isOn || [...trace.changes.page].some((each, i) => each === page && trace.changes.operation[i] === operation)
          );
        };
        let wanted: number | null = null;
        for (let operation = at + step; operation >= 0 && operation < made.length; operation += step) {
          if (wanted === null && concerns(operation)) wanted = operation;
        }
        // From far behind the end, the way back starts at the end.
        if (step === -1 && at > made.length) wanted = [...made.keys()].findLast(concerns) ?? null;
        expect(createOwnership(trace).nextOn(page, at, step)).toBe(wanted);
      },
    ),
  );
});

test("an operation on many pages concerns each of them", () => {
  const count = 40;
  const trace = {
    ...traceOf([]),
    operations: { count: 2, page: Uint32Array.of(3, NO_PAGE), pages: Uint32Array.of(count, 0) },
  } as unknown as LoadedTrace;
  const ownership = createOwnership(trace);
  expect([2, 3, 42, 43].map((page) => ownership.nextOn(page, -1, 1))).toEqual([null, 0, 0, null]);
  expect([2, 3, 42, 43].map((page) => ownership.nextOn(page, 1, -1))).toEqual([null, 0, 0, null]);
});

test("pages and frame numbers", () => {
  const ownership = createOwnership(traceOf([]));
  expect([0x100n, 0x104n, 0x105n, 0x1ffn, 0x200n, 0x206n, 0x207n].map((pfn) => ownership.pageOf(pfn))).toEqual([
    ...[0, 4, null, null],
    ...[5, 11, null],
  ]);
  expect([0, 4, 5, 11].map((page) => ownership.pfnOf(page))).toEqual([0x100n, 0x104n, 0x200n, 0x206n]);
  expect(() => ownership.pfnOf(12)).toThrow(RangeError);
});

describe("the map says what the machine says", { timeout: 60_000 }, () => {
  test.each([
    "traces/misc-n1.hyp.txt",
    "traces/np-n1.hyp.txt",
    "pkvm/02-protected-a.jsonl",
    "pkvm/10-random-a.jsonl",
    "ffa/09-worlds-both.jsonl",
  ])("%s", async (name) => {
    const { trace, machine } = await load(vector(name), { checkpointEvery: 200 });
    const ownership = createOwnership(trace);
    const stops = fc.sample(fc.integer({ min: -1, max: trace.operations.count - 1 }), { numRuns: 20, seed: 3 });
    for (const stop of stops.sort((a, b) => a - b)) {
      ownership.goTo(stop);
      for (const page of interesting(ownership, trace)) {
        const pfn = ownership.pfnOf(page);
        const details = machine.page(stop, pfn);
        const said = trace.system === "ffa" ? ffaClass(details) : pkvmClass(details);
        const shown = classWords(trace, ownership.classes[page] ?? 0);
        if (shown !== "poisoned")
          expect(shown.startsWith(said), `0x${pfn.toString(16)} after ${stop}: ${shown}, ${said}`).toBe(true);
      }
    }
  });
});

/** Some pages of each class. */
function interesting({ classes }: Ownership, trace: LoadedTrace): number[] {
  const pages = new Map<number, number[]>();
  classes.forEach((value, page) => {
    const list = pages.get(value) ?? [];
    if (list.length < 3) pages.set(value, [...list, page]);
  });
  return [...pages.values()].flat().concat([...trace.changes.page.subarray(0, 5)]);
}

const STATES = new Map([
  [PAGE_ABSENT, "absent"],
  [PAGE_OWNED, "owned"],
  [PAGE_SHARED, "shared"],
  [PAGE_LENT, "lent"],
  [PAGE_BORROWED, "borrowed"],
  [PAGE_POISONED, "poisoned"],
]);

function classWords({ parties }: LoadedTrace, value: number): string {
  const state = STATES.get(stateOfClass(value)) ?? "";
  return state === "absent" || state === "poisoned" ? state : `${state} ${parties[partyOfClass(value)]}`;
}

/** By the states of all components (reference pkvm-el2 section 1.5). A VM that is gone may have left pages behind. */
function pkvmClass({ sides, leaves }: PageDetails): string {
  const owner = sides.find(({ state }) => /^(OWNED|SHARED_OWNED)/.test(state));
  if (owner === undefined && sides[0]?.state === "SHARED_BORROWED") return "shared VM"; // nothing tells of which
  if (owner === undefined) return `owned ${/VM 0x[0-9a-f]+/.exec(leaves[0]?.words ?? "")?.[0]}`;
  return `${owner.state.startsWith("SHARED") ? "shared" : "owned"} ${owner.party}`;
}

/** By the modes of all endpoints (reference ffa section 3). */
function ffaClass({ sides }: PageDetails): string {
  const isOwners = ({ state }: { state: string }) => / O-/.test(state);
  const owner = sides.find((side) => isOwners(side) && side.party !== "the normal world") ?? sides.find(isOwners);
  const borrower = sides.find(({ state }) => / !O-.A/.test(state) && !/ !O-NA/.test(state));
  if (owner === undefined) return borrower === undefined ? "absent" : `borrowed ${borrower.party.replace(/,.*/, "")}`;
  const word = owner.state.includes("O-EA") ? "owned" : owner.state.includes("O-SA") ? "shared" : "lent";
  return `${word} ${owner.party.replace(/,.*/, "")}`;
}
