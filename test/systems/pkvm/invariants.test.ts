// Every invariant of reference 11 is seen to be violated: a legal machine, one fault planted in its linear memory, and the
// check names the invariant. I21, I25 and I26 speak of steps: there a legal operation's effects are falsified.

import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { checkEffects, type EffectGeometry } from "../../../src/machine/effect-invariants.js";
import type { Effect } from "../../../src/machine/effects.js";
import { INVARIANTS } from "../../../src/machine/invariants.js";
import { Machine, type Snapshot } from "../../../src/machine/machine.js";
import type { Operation } from "../../../src/machine/operations.js";
import {
  AREA,
  donateGuest,
  forceReclaim,
  guestShares,
  guestUnshares,
  hostReads,
  makeVm,
  must,
  pin,
  POISONED,
  shareGuest,
  unshareGuest,
} from "./scenario.js";
import type { CoreExports } from "../../../src/machine/module.js";

const OWNED = 0;
const SHARED_OWNED = 1;
const SHARED_BORROWED = 2;
const NOPAGE = 3;

// Pages of the legal machine, by what they are.
const PRIVATE = 0x40000n; // T0, mapped by the host
const GUEST_OWNED = 0x40010n; // T5
const GUEST_SHARED = 0x40011n; // T6
const FORCED = 0x40012n; // T0, taken back by force
const NP_SHARED = 0x40013n; // T3
const NP_ALONE = 0x40014n; // T3, the only page of its guest tables
const WITH_HYP = 0x40015n; // T1
const PINNED = 0x40016n; // T1, pinned
const WITH_FFA = 0x40017n; // T2
const HYP_OWNED = 0x40018n; // T4
const NP_BLOCK = 0x40200n; // T3, 512 pages
const TEXT = 0x42000n;
const NOMAP = 0x50001n;
const MMIO = 0x3000_0000n; // mapped by the host

const PVM_AREA = 0x41000n;
const NP_AREA = 0x41040n;
/** The host's list is last in, first out, and so is the memcache: the last page pushed is the last one used. */
const IN_MEMCACHE = PVM_AREA + AREA.memcache + 5n;

// Where the guests have them.
const GFN_OWNED = 0x80000n;
const GFN_SHARED = 0x80001n;
const GFN_FORCED = 0x80002n;
const GFN_NP = 0x80000n;
const GFN_BLOCK = 0x80200n;
const GFN_ALONE = 0xc0000n;

let machine: Machine;
let legal: Snapshot;
let pvm: number;
let np: number;
/** The page of the level-3 table that maps NP_ALONE. */
let loneTable: bigint;

beforeAll(async () => {
  machine = await Machine.create({
    ia_bits: 40,
    regions: [
      { base: 0x4000_0000n, size: 0x400_0000n },
      { base: 0x5000_0000n, size: 0x20_0000n, nomap: true },
      // Ends in the middle of a block.
      { base: 0x6000_0000n, size: 0x11_0000n },
    ],
    hyp_carveout: { base: 0x4200_0000n, size: 0x60_0000n },
  });
  pvm = makeVm(machine, { protected: true, area: PVM_AREA, memcache: 6 });
  np = makeVm(machine, { protected: false, area: NP_AREA, memcache: 8 });
  const steps: Operation[] = [
    donateGuest(pvm, GUEST_OWNED, GFN_OWNED),
    donateGuest(pvm, GUEST_SHARED, GFN_SHARED),
    guestShares(pvm, GFN_SHARED),
    donateGuest(pvm, FORCED, GFN_FORCED),
    forceReclaim(FORCED),
    shareGuest(np, NP_SHARED, GFN_NP),
    shareGuest(np, NP_SHARED, GFN_NP + 1n),
    shareGuest(np, NP_BLOCK, GFN_BLOCK, 512),
    { op: "host_share_hyp", pfn: WITH_HYP },
    { op: "host_share_hyp", pfn: PINNED },
    pin(PINNED),
    { op: "host_share_ffa", pfn: WITH_FFA, nr: 1 },
    { op: "host_donate_hyp", pfn: HYP_OWNED, nr: 1 },
    hostReads(PRIVATE << 12n),
    hostReads(MMIO),
  ];
  for (const step of steps) must(machine, step);
  loneTable = lastTableOf(must(machine, shareGuest(np, NP_ALONE, GFN_ALONE)).effects);
  legal = machine.snapshot();
});

/** The page of the last table that an operation made. */
function lastTableOf(effects: readonly Effect[]): bigint {
  const tables = effects.filter((effect) => effect.kind === "descriptor" && effect.level === 2);
  const [table] = tables;
  if (table?.kind !== "descriptor") throw new Error("no table was made");
  return (table.after & 0xffff_ffff_f000n) >> 12n;
}

beforeEach(() => machine.restore(legal));

/** Exports that tell where state lies in linear memory. */
type Pointers = Pick<CoreExports, "pagePointer" | "entryPointer" | "hypEntryPointer">;

function at(where: keyof Pointers, ...args: readonly (bigint | number)[]): { view: DataView; pointer: number } {
  const pointers = machine.core.exports as Record<keyof Pointers, (...args: never[]) => number>;
  const pointer = pointers[where](...(args as never[])) >>> 0;
  if (pointer === 0) throw new Error(`${where} knows no such place`);
  return { view: new DataView(machine.core.memory.buffer), pointer };
}

/** The page of EL2's own table that maps HYP_OWNED: the one of the carve-out whose contents the entry lies in. */
function hypTable(): bigint {
  const { exports } = machine.core;
  const entry = exports.hypEntryPointer(HYP_OWNED << 12n) >>> 0;
  const frame = entry - Number(HYP_OWNED & 511n) * 8;
  for (let pfn = 0x4_2000n; pfn < 0x4_2600n; pfn++) {
    if (exports.framePointer(pfn << 12n) >>> 0 === frame) return pfn;
  }
  throw new Error("no page of the carve-out is EL2's table");
}

interface PageFields {
  host?: number;
  hyp?: number;
  refcount?: number;
  shares?: number;
}

/** Overwrites fields of a vmemmap word: refcount 15:0, order 23:16, host state 27:24, EL2 state ^ 3 31:28, shares 63:32. */
function setPage(pfn: bigint, { host, hyp, refcount, shares }: PageFields): bigint {
  const { view, pointer } = at("pagePointer", pfn);
  const states = view.getUint8(pointer + 3);
  if (refcount !== undefined) view.setUint16(pointer, refcount, true);
  view.setUint8(pointer + 3, (host ?? states & 15) | ((hyp === undefined ? states >> 4 : hyp ^ 3) << 4));
  if (shares !== undefined) view.setUint32(pointer + 4, shares, true);
  return pfn << 12n;
}

/** Overwrites the entry at which a walk ends. */
function setEntry(vm: number, ipa: bigint, change: (descriptor: bigint) => bigint): bigint {
  const { view, pointer } = at("entryPointer", vm, ipa);
  view.setBigUint64(pointer, change(view.getBigUint64(pointer, true)), true);
  return ipa;
}

const setHostEntry = (pfn: bigint, change: (descriptor: bigint) => bigint): bigint => setEntry(0, pfn << 12n, change);
const setGuestEntry = (vm: number, gfn: bigint, change: (descriptor: bigint) => bigint): bigint =>
  setEntry(vm, gfn << 12n, change);

/** Overwrites an entry of EL2's linear map. */
function setHypEntry(pfn: bigint, change: (descriptor: bigint) => bigint): bigint {
  const { view, pointer } = at("hypEntryPointer", pfn << 12n);
  view.setBigUint64(pointer, change(view.getBigUint64(pointer, true)), true);
  return pfn << 12n;
}

const pa = (pfn: bigint): bigint => pfn << 12n;
const to = (descriptor: bigint) => () => descriptor;
const W = 1n << 7n;
const XN = 2n << 53n;
const SW0 = 1n << 55n;
const SW1 = 1n << 56n;
const LOCKED = 0x1000_0000_0000_0000n;
const DONATED_TO_HYP = 0x2000_0000_0000_0002n;
/** EL2's linear map, nVHE, read and write: the vector of reference 2.14. */
const hypRw = (pfn: bigint) => 0x0040_0000_0000_0743n | pa(pfn);

/** Plants a fault. Returns what the violation is about, null where several things are. */
type Fault = () => bigint | null;

// prettier-ignore
const FAULTS: readonly (readonly [invariant: string, what: string, plant: Fault])[] = [
  ["I1",  "the host borrows from nobody",                () => setPage(PRIVATE, { host: SHARED_BORROWED })],
  ["I1",  "nobody has the page",                         () => setPage(PRIVATE, { host: NOPAGE })],
  ["I2",  "the host and EL2 own a page",                 () => setPage(PRIVATE, { hyp: OWNED })],
  ["I2",  "the guest has lost its page",                 () => (setGuestEntry(pvm, GFN_OWNED, to(0n)), pa(GUEST_OWNED))],
  ["I3",  "the host has a guest's private page",         () => setPage(GUEST_OWNED, { host: OWNED })],
  ["I3",  "EL2 has a guest's private page",              () => setPage(GUEST_OWNED, { hyp: OWNED })],
  ["I3",  "two guests map a private page",               () => (setGuestEntry(np, GFN_NP + 2n, to(0x0100_0000_0000_07ffn | pa(GUEST_OWNED))), pa(GUEST_OWNED))],
  ["I4",  "a guest shares, the host does not borrow",    () => setPage(GUEST_SHARED, { host: OWNED })],
  ["I4",  "the host borrows, no guest shares",           () => setPage(WITH_FFA, { host: SHARED_BORROWED })],
  ["I5",  "a mapping too many is counted",               () => setPage(NP_SHARED, { shares: 3 })],
  ["I5",  "a mapping is not counted",                    () => (setGuestEntry(np, GFN_NP + 2n, to(0x0100_0000_0000_07ffn | pa(PRIVATE))), pa(PRIVATE))],
  ["I5",  "a page of a block is not counted",            () => setPage(NP_BLOCK + 7n, { shares: 0 })],
  ["I6",  "shared with guests, but not shared",          () => setPage(NP_SHARED, { host: OWNED })],
  ["I6",  "shared with guests and known to EL2",         () => setPage(NP_SHARED, { hyp: SHARED_BORROWED })],
  ["I7",  "EL2 borrows what the host does not share",    () => setPage(WITH_HYP, { host: OWNED })],
  ["I7",  "EL2 borrows what guests borrow",              () => setPage(WITH_HYP, { shares: 1 })],
  ["I8",  "a private page that cannot be written",       () => setGuestEntry(pvm, GFN_OWNED, (old) => old & ~W)],
  ["I8",  "a shared page that cannot be executed",       () => setGuestEntry(pvm, GFN_SHARED, (old) => old | XN)],
  ["I8",  "a protected guest borrows",                   () => setGuestEntry(pvm, GFN_OWNED, (old) => old | SW1)],
  ["I8",  "a non-protected guest owns",                  () => setGuestEntry(np, GFN_NP, (old) => old & ~SW1)],
  ["I8",  "a non-protected guest owns a block",          () => setGuestEntry(np, GFN_BLOCK, (old) => old & ~SW1)],
  ["I9",  "firmware-reserved memory is shared",          () => setPage(NOMAP, { host: SHARED_OWNED })],
  ["I9",  "firmware-reserved memory is EL2's",           () => setPage(NOMAP, { host: NOPAGE, hyp: OWNED })],
  ["I10", "a guest maps firmware-reserved memory",       () => setGuestEntry(np, GFN_NP, () => 0x0100_0000_0000_07ffn | pa(NOMAP))],
  ["I10", "a guest maps device space",                   () => setGuestEntry(np, GFN_NP, () => 0x0100_0000_0000_07ffn | MMIO)],
  ["I11", "the host's memory is read-only",              () => setHostEntry(PRIVATE, (old) => old & ~W)],
  ["I11", "the host's memory is not executable",         () => setHostEntry(PRIVATE, (old) => old | XN)],
  ["I11", "device space is executable",                  () => (setEntry(0, MMIO, (old) => old & ~XN), null)],
  ["I12", "a lost page without annotation",              () => setHostEntry(HYP_OWNED, to(0n))],
  ["I12", "a page of the host's with an annotation",     () => setHostEntry(PRIVATE, to(DONATED_TO_HYP))],
  ["I12", "EL2's text is writable for the host",         () => setHostEntry(TEXT, (old) => old | W)],
  ["I13", "EL2's page is said to be a guest's",          () => setHostEntry(HYP_OWNED, to(0x2000_0080_0001_0004n))],
  ["I13", "a guest's page is said to be EL2's",          () => setHostEntry(GUEST_OWNED, to(DONATED_TO_HYP))],
  ["I13", "... to be another VM's",                      () => setHostEntry(GUEST_OWNED, (old) => old + 0x10n)],
  ["I13", "... to be at another address",                () => setHostEntry(GUEST_OWNED, (old) => old + (1n << 20n))],
  ["I14", "the host sees another page",                  () => setHostEntry(PRIVATE, (old) => old + 0x1000n)],
  ["I14", "software bits in a leaf of the host's",       () => setHostEntry(PRIVATE, (old) => old | SW0)],
  ["I15", "the host sees EL2's page",                    () => setHostEntry(HYP_OWNED, to(0x7ffn | pa(HYP_OWNED)))],
  ["I15", "the host does not get at its own page",       () => setHostEntry(PRIVATE, to(DONATED_TO_HYP))],
  ["I16", "a block beyond the end of a region",          () => setHostEntry(0x60000n, to(0x7fdn | 0x6000_0000n))],
  ["I16", "device space mapped over a region",           () => (setEntry(0, 1n << 39n, to(0x7fdn | (1n << 39n))), setEntry(0, MMIO, to(0n)), setHostEntry(0x60100n, to(0x7fdn)), 0x6000_0000n)],
  ["I17", "a table with a reference too many",           () => (setPage(PVM_AREA + AREA.pgd, { refcount: 3 }), null)],
  ["I17", "an entry that vanished",                      () => (setGuestEntry(pvm, GFN_FORCED, to(0n)), null)],
  ["I18", "an empty table",                              () => setGuestEntry(np, GFN_ALONE, to(0n))],
  ["I19", "an entry of the host's is locked",            () => setHostEntry(PRIVATE, to(LOCKED))],
  ["I19", "an entry of a guest's is locked",             () => setGuestEntry(np, GFN_NP, to(LOCKED))],
  ["I19", "a donation noted in a guest's table",         () => setGuestEntry(pvm, GFN_FORCED, to(DONATED_TO_HYP))],
  ["I19", "poison in the host's table",                  () => setHostEntry(PRIVATE, to(POISONED))],
  ["I19", "an annotation above level 3",                 () => setHostEntry(0x60000n, to(DONATED_TO_HYP))],
  ["I19", "poison above level 3",                        () => setGuestEntry(np, GFN_BLOCK, to(POISONED))],
  ["I20", "a guest's root page is the host's",           () => setPage(PVM_AREA + AREA.pgd, { host: OWNED })],
  ["I20", "a guest's table page is nobody's",            () => setPage(loneTable, { hyp: NOPAGE })],
  ["I20", "a table page of EL2's own is the host's",     () => setPage(hypTable(), { host: OWNED })],
  ["I20", "a memcache page is the host's",               () => setPage(IN_MEMCACHE, { host: OWNED })],
  ["I20", "a memcache page is in use",                   () => setPage(IN_MEMCACHE, { refcount: 1 })],
  ["I22", "EL2 does not map its own page",               () => setHypEntry(HYP_OWNED, to(0n))],
  ["I22", "EL2 maps its own page read-only",             () => setHypEntry(HYP_OWNED, (old) => old | W)],
  ["I22", "EL2 does not map a pinned page",              () => setHypEntry(PINNED, to(0n))],
  ["I22", "EL2 maps a borrowed page that is not pinned", () => setHypEntry(WITH_HYP, to(hypRw(WITH_HYP)))],
  ["I23", "a VM's pin is not counted",                   () => setPage(PVM_AREA + AREA.kvm, { refcount: 0 })],
  ["I24", "a page that EL2 does not have is pinned",     () => setPage(PRIVATE, { refcount: 1 })],
  ["I24", "EL2 maps a guest's private page",             () => setHypEntry(GUEST_OWNED, to(hypRw(GUEST_OWNED)))],
  ["I24", "EL2 maps a page shared over FF-A",            () => setHypEntry(WITH_FFA, to(hypRw(WITH_FFA)))],
  ["I24", "EL2 maps a private page of the host's",       () => setHypEntry(PRIVATE, to(hypRw(PRIVATE)))],
];

test("the legal machine violates nothing", () => {
  expect(machine.checkInvariants()).toBeNull();
});

describe("a planted fault is found", () => {
  test.each(FAULTS)("%s: %s", (invariant, _what, plant) => {
    const subject = plant();

    const violation = machine.checkInvariants([invariant]);
    expect(violation).toMatchObject({ invariant, statement: INVARIANTS[invariant] });
    if (subject !== null) expect(violation?.subject).toBe(subject);
    expect(machine.checkInvariants()).not.toBeNull();
  });

  test("for every invariant of a state", () => {
    const planted = new Set(FAULTS.map(([invariant]) => invariant));
    expect(Object.keys(INVARIANTS).filter((name) => !planted.has(name))).toEqual([]);
  });

  test("and what is not asked for is not reported", () => {
    setPage(NP_SHARED, { shares: 3 });
    expect(machine.checkInvariants(["I5"])?.invariant).toBe("I5");
    expect(machine.checkInvariants(["I17", "I20"])).toBeNull();
  });
});

describe("invariants of a step", () => {
  const GEOMETRY: EffectGeometry = { pageShift: 12, handleBase: 0x1000 };
  const check = (op: Operation["op"], effects: readonly Effect[]) => checkEffects(GEOMETRY, op, effects);
  const without = (effects: readonly Effect[], ...kinds: Effect["kind"][]) =>
    effects.filter(({ kind }) => !kinds.includes(kind));

  // Each takes access away. Its TLB maintenance is left out.
  // prettier-ignore
  test.each<[what: string, operation: () => Operation]>([
    ["the host loses a page",               () => ({ op: "host_donate_hyp", pfn: PRIVATE, nr: 1 })],
    ["the host loses a page to a guest",    () => donateGuest(pvm, PRIVATE, GFN_OWNED + 9n)],
    ["a guest takes its page back",         () => guestUnshares(pvm, GFN_SHARED)],
    ["a guest's page is taken by force",    () => forceReclaim(GUEST_OWNED)],
    ["a guest loses a page",                () => unshareGuest(np, GFN_NP)],
    ["a guest loses a block",               () => unshareGuest(np, GFN_BLOCK, 512)],
  ])("I25: %s without invalidation", (_what, operation) => {
    const { effects } = must(machine, operation());
    expect(check(operation().op, effects)).toBeNull();
    expect(check(operation().op, without(effects, "tlbi_ipa", "tlbi_range"))?.invariant).toBe("I25");
  });

  test("I25: an invalidation of another address, or of another VMID, does not count", () => {
    const { effects } = must(machine, guestUnshares(pvm, GFN_SHARED));
    const falsify = (change: object) =>
      effects.map((effect) => (effect.kind === "tlbi_ipa" ? { ...effect, ...change } : effect));
    expect(check("guest_unshare_host", falsify({ ipa: pa(PRIVATE) }))?.invariant).toBe("I25");
    expect(check("guest_unshare_host", falsify({ vmid: 2 }))?.invariant).toBe("I25");
  });

  test("I25: wrprotect leaves stale entries to the host, who flushes the VMID", () => {
    const { effects } = must(machine, { op: "host_wrprotect_guest", vm: np, gfn: GFN_NP, nr: 1 });
    expect(check("host_wrprotect_guest", effects)).toBeNull();
    expect(check("host_relax_perms_guest", effects)?.invariant).toBe("I25");
  });

  test("I21: an operation makes a poisoned address usable again", () => {
    const { effects } = must(machine, forceReclaim(GUEST_OWNED));
    const undone = effects.map((effect) =>
      effect.kind === "descriptor" && effect.vm === pvm
        ? { ...effect, before: effect.after, after: effect.before }
        : effect,
    );
    expect(check("host_force_reclaim_page_guest", effects)).toBeNull();
    expect(check("host_force_reclaim_page_guest", undone)).toMatchObject({
      invariant: "I21",
      subject: GFN_OWNED << 12n,
    });
  });

  test("I26: a VM ends and its VMID is not flushed", () => {
    must(machine, { op: "start_teardown_vm", vm: pvm });
    const { effects } = must(machine, { op: "finalize_teardown_vm", vm: pvm });
    expect(check("finalize_teardown_vm", effects)).toBeNull();
    expect(check("finalize_teardown_vm", without(effects, "tlbi_vmid"))?.invariant).toMatch(/^I2[56]$/);
    const ending = effects.filter(({ kind }) => kind === "vm");
    expect(check("finalize_teardown_vm", ending)).toMatchObject({ invariant: "I26", subject: BigInt(pvm) });
  });
});
