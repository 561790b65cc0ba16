import { describe, expect, test } from "vitest";
import type { Stage2 } from "../../../src/machine/accesses.js";
import type { Ownership } from "../../../src/timeline/ownership.js";
import type { LoadedTrace, PageDetails, PageLeaf, WalkDetails } from "../../../src/timeline/timeline.js";
import type { RemoteTimelineMachine, ShownWalk } from "../../../src/web/store.js";
import {
  accessKindOf,
  accessorOf,
  askWalk,
  inTable,
  pageLookedAt,
  situationOfPage,
  tableChoices,
  walkOfPage,
} from "../../../src/web/walk/walk-question.js";
import { operationColumns } from "../timeline/columns.js";

const VM = 0x1000;
/** Page 0 has frame number 0x40000; there are 256 pages. Operation 1 works on page 5. */
const trace = {
  pageShift: 12,
  regions: [{ pfn: 0x40000n, pages: 256, first: 0 }],
  operations: operationColumns([{}, { on: [5, 1] }]),
} as unknown as LoadedTrace;
const ownership = {
  pfnOf: (page: number) => 0x40000n + BigInt(page),
  pageOf: (pfn: bigint) => (pfn >= 0x40000n && pfn < 0x40100n ? Number(pfn - 0x40000n) : null),
} as unknown as Ownership;

describe("the page that is looked at", () => {
  // prettier-ignore
  test.each<[string, number, bigint | null, bigint]>([
    // after  selected   page
    ["the selected one",             1,  0x40009n, 0x40009n],
    ["else that of the operation",   1,  null,     0x40005n],
    ["which may have none",          0,  null,     0x40000n],
    ["and before the first one",     -1, null,     0x40000n],
  ])("%s", (_, after, selected, pfn) => {
    expect(pageLookedAt({ trace, ownership }, after, selected)).toBe(pfn);
  });

  test("a machine without memory has none", () => {
    expect(pageLookedAt({ trace: { ...trace, regions: [] }, ownership }, -1, null)).toBeNull();
  });
});

const walk: ShownWalk = { table: "host", ipa: 0x4000_5000n, kind: "write", el: 0 };
const HOST = { table: "host", name: "host stage 2" } as const;
const GUEST = { table: VM, name: "stage 2 of VM 0x1000" };

describe("as long as nobody asks for an address", () => {
  test("the host reads the page at its physical address", () => {
    const expected = { table: "host", ipa: 0x4000_5000n, kind: "read", el: 1 };
    expect(walkOfPage(0x40005n, 12, [HOST, GUEST], [])).toEqual(expected);
  });

  test("where the host has no table the first one that there is reads it", () => {
    const expected = { table: VM, ipa: 0x8000_0000n, kind: "read", el: 1 };
    expect(walkOfPage(0x40005n, 12, [GUEST], [{ ...GUEST, ipa: 0x8000_0000n }])).toEqual(expected);
  });
});

test("another table is walked at the address by which it has the page, else at the same", () => {
  const places = [
    { ...HOST, ipa: 0x4000_5000n },
    { ...GUEST, ipa: 0x8000_0000n },
  ];
  expect(inTable(walk, VM, places)).toEqual({ ...walk, table: VM, ipa: 0x8000_0000n });
  expect(inTable(walk, 0x1001, places)).toEqual({ ...walk, table: 0x1001 });
});

test("a chosen table that is gone stays in the list", () => {
  expect(tableChoices([HOST], "host")).toEqual([HOST]);
  expect(tableChoices([HOST], VM).map(({ name }) => name)).toEqual([
    "host stage 2",
    "stage 2 of VM 0x1000 (not there now)",
  ]);
});

// prettier-ignore
test.each<[Partial<ShownWalk>, string, string]>([
  [{ table: "host", el: 1, kind: "read" },   "direct-map", "load"],
  [{ table: "host", el: 0, kind: "write" },  "user",       "store"],
  [{ table: "host", el: 0, kind: "fetch" },  "user",       "fetch"],
  [{ table: VM,     el: 0, kind: "atomic" }, "guest",      "store"],
])("%o is on each system: %s, %s", (part, by, kind) => {
  expect(accessorOf({ ...walk, ...part })).toBe(by);
  expect(accessKindOf({ ...walk, ...part })).toBe(kind);
});

/** A machine in which an access to any address ends as told, and in which the VM has every page in a block at 2 GiB. */
function machineWith(pa: bigint | null) {
  const leaf = { ...GUEST, ipa: 0x8000_0000n, level: 2 } as PageLeaf;
  const machine = {
    tables: () => Promise.resolve([HOST, GUEST]),
    walk: () => Promise.resolve({ pa } as WalkDetails),
    page: (_after: number, pfn: bigint) => Promise.resolve({ pfn, leaves: [leaf] } as unknown as PageDetails),
  } as unknown as RemoteTimelineMachine;
  return { machine, trace, ownership };
}

// prettier-ignore
test.each<[string, Stage2, bigint | null, bigint | null]>([
  // table  PA               accessed
  ["where the walk leads",                                VM,     0x4000_7123n, 0x40007n],
  ["a host's address is that of the page, fault or not",  "host", null,         0x40005n],
  ["a guest's address without a page is none",            VM,     null,         null],
  ["a device is no page",                                 VM,     0x900_0000n,  null],
])("the page that is accessed: %s", async (_, table, pa, accessed) => {
  const question = { after: 1, shown: { ...walk, table }, pfn: 0x40005n };
  const answer = await askWalk(machineWith(pa), question);
  expect(answer.accessed?.pfn ?? null).toBe(accessed);
  expect(answer.walk).toEqual(question.shown);
  expect(answer.question).toBe(question);
});

test("a page in a block has its place within the block", async () => {
  const { places, walk } = await askWalk(machineWith(null), { after: 1, shown: null, pfn: 0x40005n });
  expect(places).toEqual([{ ...GUEST, ipa: 0x8000_5000n }]);
  expect(walk).toEqual({ table: "host", ipa: 0x4000_5000n, kind: "read", el: 1 });
});

// prettier-ignore
test.each<[string, [party: string, state: string][], string | null]>([
  ["the host's own",                  [["host", "OWNED"], ["hypervisor", "NOPAGE"]],                                   "host"],
  ["a mapping is counted",            [["host", "SHARED_OWNED, 1 mapping by guests"], ["VM 0x1000", "SHARED_BORROWED"]], "of-normal-guest"],
  ["a protected guest's",             [["host", "NOPAGE"], ["VM 0x1000", "OWNED"]],                                    "guest"],
  ["seized",                          [["host", "OWNED"], ["VM 0x1000", "POISON"]],                                    "seized"],
  ["nobody's",                        [["host", "NOPAGE"]],                                                            null],
])("the situation of a page: %s", (_, sides, situation) => {
  const page = { sides: sides.map(([party, state]) => ({ party, state })) } as unknown as PageDetails;
  expect(situationOfPage(page)).toBe(situation);
});
