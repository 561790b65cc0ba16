// What the operations of a trace do to the map: columns and class changes, as tables. Page states: reference pkvm-el2 section 3.

import { expect, test } from "vitest";
import type { Operation } from "../../src/machine/operations.js";
import { PAGE_BORROWED, partyOfClass, stateOfClass } from "../../src/timeline/page-class.js";
import {
  NO_PAGE,
  OPERATION_AFTER_RESET,
  OPERATION_DIFFERS,
  OPERATION_PANICKED,
  OPERATION_REFUSED,
  type LoadedTrace,
} from "../../src/timeline/timeline.js";
import { traceHeader, traceLine, traceReset } from "../../src/trace/freehold-trace-writer.js";
import { load, vector } from "./traces.js";

const BASE = 0x40000;
const CONFIG = {
  regions: [
    { base: 0x40000000n, size: 0x8000000n },
    { base: 0x80000000n, size: 0x100000n, nomap: true },
    { base: 0x90000000n, size: 0x100000n },
  ],
  hyp_carveout: { base: 0x40000000n, size: 0x2000000n },
};
const VM = 0x1000;
const NP = 0x1001;

/** Two VMs with a vCPU each, the second not protected; the first one's vCPU is loaded. */
function setUp(): string[] {
  return [...aVm(VM, 0x42000, 1), ...aVm(NP, 0x43000, 0), traceLine({ op: "vcpu_load", vm: VM, vcpu: 0 })];
}

function aVm(vm: number, pfn: number, isProtected: 0 | 1): string[] {
  const frame = (offset: number) => BigInt(pfn + offset);
  const pa = (offset: number) => frame(offset) << 12n;
  const mcPages = Array.from({ length: 16 }, (_, index) => frame(0x100 + index));
  const areas = { kvm_pa: pa(0), vm_pa: pa(0x10), pgd_pa: pa(0x20) };
  return [
    traceLine({ op: "reserve_vm" }, { ret: vm }),
    ...[0, 1, 0x30, 0x31].map((offset) => traceLine({ op: "host_share_hyp", pfn: frame(offset) }, { ret: 0 })),
    traceLine({ op: "init_vm", vm, ...areas, vcpus: 1, protected: isProtected, id_regs: 1 }, { ret: 0 }),
    traceLine({ op: "init_vcpu", vm, vcpu: 0, host_pa: pa(0x30), hyp_pa: pa(0x40) }, { ret: 0 }),
    traceLine({ op: "refill_memcache", vm, vcpu: 0 }, { ret: 0 }, { mcPages }),
  ];
}

function traceOf(lines: readonly string[]): string {
  return traceHeader(CONFIG) + [...setUp(), ...lines].join("");
}
const FIRST = setUp().length;

const STATES = ["absent", "owned", "shared", "lent", "borrowed", "poisoned"];

/** `shared by VM 0x1000`. */
function words({ parties }: LoadedTrace, value: number): string {
  const state = STATES[stateOfClass(value)] ?? "";
  if (state === "absent") return state;
  return `${state} ${stateOfClass(value) === PAGE_BORROWED ? "by" : "of"} ${parties[partyOfClass(value)]}`;
}

/** `0x45000: owned of host -> shared of host`, for each page that operation `operation` changes. */
function changesOf(trace: LoadedTrace, operation: number): string[] {
  const { changes, regions } = trace;
  return Array.from({ length: changes.count }, (_, index) => index)
    .filter((index) => changes.operation[index] === operation)
    .map((index) => {
      const page = changes.page[index] ?? 0;
      const region = regions.findLast(({ first }) => first <= page);
      const pfn = Number(region?.pfn ?? 0n) + page - (region?.first ?? 0);
      return `0x${pfn.toString(16)}: ${words(trace, changes.before[index] ?? 0)} -> ${words(trace, changes.after[index] ?? 0)}`;
    });
}

const PFN = 0x45000;
const pfn = BigInt(PFN);
const gfn = 0x80000n;
const vm = VM;
const vcpu = 0;
const RW = 3n;
const DONATE: Operation = { op: "host_donate_guest", vm, vcpu, pfn, gfn };
const SHARE: Operation = { op: "guest_share_host", vm, vcpu, gfn };
const UNSHARE: Operation = { op: "guest_unshare_host", vm, vcpu, gfn };
const HOST = "owned of host";
const HYP = "owned of hypervisor";
const GUEST = "owned of VM 0x1000";
const FORCE: Operation = { op: "host_force_reclaim_page_guest", phys: pfn << 12n };

// prettier-ignore
const VERBS: readonly (readonly [name: string, before: readonly Operation[], operation: Operation, from: string, to: string])[] = [
  // operation                     before                      the operation                                            class before             class after
  ["host_share_hyp",               [],                         { op: "host_share_hyp", pfn },                            HOST,                    "shared of host"],
  ["host_unshare_hyp",             [{ op: "host_share_hyp", pfn }], { op: "host_unshare_hyp", pfn },                     "shared of host",        HOST],
  ["host_donate_hyp",              [],                         { op: "host_donate_hyp", pfn, nr: 1n },                   HOST,                    HYP],
  ["hyp_donate_host",              [{ op: "host_donate_hyp", pfn, nr: 1n }], { op: "hyp_donate_host", pfn, nr: 1n },     HYP,                     HOST],
  ["host_share_ffa",               [],                         { op: "host_share_ffa", pfn, nr: 1n },                    HOST,                    "shared of host"],
  ["host_unshare_ffa",             [{ op: "host_share_ffa", pfn, nr: 1n }], { op: "host_unshare_ffa", pfn, nr: 1n },     "shared of host",        HOST],
  ["host_donate_guest",            [],                         DONATE,                                                   HOST,                    GUEST],
  ["hcall_donate_guest",           [],                         { op: "hcall_donate_guest", pfn, gfn },                   HOST,                    GUEST],
  ["guest_share_host",             [DONATE],                   SHARE,                                                    GUEST,                   "shared of VM 0x1000"],
  ["guest_unshare_host",           [DONATE, SHARE],            UNSHARE,                                                  "shared of VM 0x1000",   GUEST],
  ["host_reclaim_page_guest",      [DONATE],                   { op: "host_reclaim_page_guest", vm, gfn },               GUEST,                   HOST],
  ["a shared page is reclaimed",   [DONATE, SHARE],            { op: "host_reclaim_page_guest", vm, gfn },               "shared of VM 0x1000",   HOST],
  ["host_force_reclaim",           [DONATE],                   FORCE,                                                    GUEST,                   "poisoned of host"],
  ["a poisoned page is shared",    [DONATE, FORCE],            { op: "host_share_hyp", pfn },                            "poisoned of host",      "shared of host"],
  ["nothing goes to its gfn",      [DONATE, FORCE],            { op: "host_donate_guest", vm, vcpu, pfn: 0x46000n, gfn }, "poisoned of host",     "poisoned of host"],
  ["host_share_guest",             [],                         { op: "host_share_guest", vm: NP, vcpu, pfn, gfn, nr: 1n, prot: RW }, HOST,        "shared of host"],
  ["host_unshare_guest",           [{ op: "host_share_guest", vm: NP, vcpu, pfn, gfn, nr: 1n, prot: RW }], { op: "host_unshare_guest", vm: NP, gfn, nr: 1n }, "shared of host", HOST],
];

test.each(VERBS)("%s", async (_, before, operation, from, to) => {
  const { trace } = await load(traceOf([...before, operation].map((each) => traceLine(each))));
  const number = FIRST + before.length;
  const page = PFN - BASE;

  const classes = trace.initial.slice();
  const { changes } = trace;
  const after = (last: number) => {
    for (let i = 0; i < changes.count && (changes.operation[i] ?? 0) <= last; i++) {
      classes[changes.page[i] ?? 0] = changes.after[i] ?? 0;
    }
    return words(trace, classes[page] ?? 0);
  };
  expect([after(number - 1), after(number)]).toEqual([from, to]);
});

test("the pages of a machine before its first operation", async () => {
  const { trace } = await load(traceOf([]));
  const at = (frame: number) => words(trace, trace.initial[frame] ?? 0);
  expect(trace.regions).toEqual([
    { pfn: 0x40000n, pages: 0x8000, first: 0 },
    { pfn: 0x80000n, pages: 0x100, first: 0x8000 },
    { pfn: 0x90000n, pages: 0x100, first: 0x8100 },
  ]);
  expect([at(0), at(0x1fff), at(0x2000), at(0x7fff)]).toEqual([HYP, HYP, HOST, HOST]);
  expect([at(0x8000), at(0x80ff), at(0x8100), at(0x81ff)]).toEqual(["absent", "absent", HOST, HOST]);
});

// prettier-ignore
const LINES: readonly (readonly [operation: Operation, expectedRet: number, verb: string, vm: number, page: number, pages: number, ret: number, flags: number, changes: readonly string[]])[] = [
  // operation                                            expected  verb                       vm  page           pages ret  flags               changes
  [{ op: "host_share_hyp", pfn },                            0,     "host_share_hyp",          0,  PFN - BASE,    1,    0,   0,                  [`0x45000: ${HOST} -> shared of host`]],
  [{ op: "host_share_hyp", pfn },                           -1,     "host_share_hyp",          0,  PFN - BASE,    1,   -1,   OPERATION_REFUSED,  []],
  [{ op: "host_donate_hyp", pfn: 0x46000n, nr: 2n },         0,     "host_donate_hyp",         0,  0x6000,        2,    0,   0,                  [`0x46000: ${HOST} -> ${HYP}`, `0x46001: ${HOST} -> ${HYP}`]],
  [{ op: "host_donate_guest", vm, vcpu, pfn: 0x47000n, gfn }, 0,    "host_donate_guest",       VM, 0x7000,        1,    0,   0,                  [`0x47000: ${HOST} -> ${GUEST}`]],
  [{ op: "guest_share_host", vm, vcpu, gfn },               -1,     "guest_share_host",        VM, 0x7000,        1,    0,   OPERATION_DIFFERS,  [`0x47000: ${GUEST} -> shared of VM 0x1000`]],
  [{ op: "hcall_mkyoung_guest", gfn },                     -22,     "hcall_mkyoung_guest",     VM, 0x7000,        1,  -22,   OPERATION_REFUSED,  []],
  [{ op: "guest_share_host", vm, vcpu, gfn: 0x99999n },     -2,     "guest_share_host",        VM, NO_PAGE,       0,   -2,   OPERATION_REFUSED,  []],
  [{ op: "hyp_pin_shared_mem", from: 0x45000000n, to: 0x45000800n }, 0, "hyp_pin_shared_mem",  0,  PFN - BASE,    1,    0,   0,                  []],
  [{ op: "host_reclaim_page_guest", vm, gfn },               0,     "host_reclaim_page_guest", VM, 0x7000,        1,    0,   0,                  [`0x47000: shared of VM 0x1000 -> ${HOST}`]],
  [{ op: "host_share_hyp", pfn: 0x12345678n },              -1,     "host_share_hyp",          0,  NO_PAGE,       0,   -1,   OPERATION_REFUSED,  []],
  [{ op: "vcpu_put" },                                       0,     "vcpu_put",                0,  NO_PAGE,       0,    0,   0,                  []],
];

test("columns of a hand-written trace", async () => {
  const { trace } = await load(traceOf(LINES.map(([operation, ret]) => traceLine(operation, { ret }))));
  const { operations: columns, verbs } = trace;
  expect(columns.count).toBe(FIRST + LINES.length);
  LINES.forEach(([, , verb, handle, page, pages, ret, flags, changes], index) => {
    const i = FIRST + index;
    expect({
      verb: verbs[columns.verb[i] ?? -1],
      ...{ line: columns.line[i], vm: columns.vm[i], page: columns.page[i], pages: columns.pages[i] },
      ...{ ret: columns.ret[i], flags: columns.flags[i], changes: changesOf(trace, i) },
    }).toEqual({ verb, line: i + 2, vm: handle, page, pages, ret, flags, changes });
  });
});

test("mc_pages change hands in the operation that they prepare", async () => {
  const { trace } = await load(traceOf([]));
  const refill = [...trace.operations.verb].findIndex((verb) => trace.verbs[verb] === "refill_memcache");
  expect(changesOf(trace, refill)).toContain(`0x42100: ${HOST} -> ${HYP}`);
});

test("a reset gives every page the class it began with, in the operation behind it", async () => {
  const share: Operation = { op: "host_share_hyp", pfn };
  const { trace } = await load(
    traceOf([traceLine(share), traceReset(), traceLine(share), traceLine({ ...share, pfn: pfn + 1n })]),
  );
  const number = FIRST + 1;
  expect(trace.operations.flags[number]).toBe(OPERATION_AFTER_RESET);
  const changes = changesOf(trace, number);
  expect(changes).not.toContainEqual(expect.stringContaining("0x45000"));
  expect(changes).toContain("0x42000: shared of host -> owned of host");
  expect(changesOf(trace, number + 1)).toEqual([`0x45001: ${HOST} -> shared of host`]);
});

test("a panic is a flag of its operation and of all behind it", async () => {
  const { trace } = await load(vector("pkvm/07-panic-a.jsonl"));
  const panicked = [...trace.operations.flags].filter((flags) => (flags & OPERATION_PANICKED) !== 0);
  expect(panicked.length).toBeGreaterThan(0);
});

test("a lone table shows what is mapped and what is annotated", async () => {
  const { trace } = await load(vector("pkvm/23-pgtable-forcepte-e32.jsonl"));
  expect(trace.system).toBe("lone table");
  expect(trace.parties).toEqual(["mapped", "annotated"]);
  expect(new Set(trace.initial)).toEqual(new Set([0]));
  const after = new Set(Array.from(trace.changes.after, (value) => words(trace, value)));
  expect(after).toEqual(new Set(["absent", "owned of mapped", "owned of annotated"]));
});
