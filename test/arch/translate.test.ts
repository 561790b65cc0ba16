// Descriptors, the order of checks, permissions and hardware updates: the tables of reference stage2-walk sections 4 to 7.

import { beforeAll, describe, expect, test } from "vitest";
import { WalkMachine, type WalkRegisters } from "../../src/machine/walk-machine.js";
import type { Access, AccessKind, FaultKind } from "../../src/machine/translation.js";
import { entryShift, TABLES, walkTo, type Granule, type Scene } from "./one-walk.js";

let machine: WalkMachine;
beforeAll(async () => {
  machine = await WalkMachine.create();
});

/** AF, S2AP read and write, Normal Write-Back: a leaf that nothing is wrong with; its type is added. */
const GOOD = 0x4fcn;
const PAGE = GOOD | 3n;
const BLOCK = GOOD | 1n;
const AF = 1n << 10n;
const READ = 1n << 6n;
const WRITE = 1n << 7n;
const CONTIGUOUS = 1n << 52n;
const DBM = 1n << 51n;
const NT = 1n << 16n;
const HA = 1n << 21n;
const HD = 1n << 22n;
const DS = 1n << 32n;
const LPA2: Partial<WalkRegisters> = { paBits: 52, features: { lpa: true, lpa2: true } };

/** `translation 3`, or the PA. */
function outcome(scene: Scene): string {
  const { fault, level, pa } = walkTo(machine, scene);
  return fault === null ? `0x${(pa as bigint).toString(16)}` : `${fault.kind} ${level}`;
}

describe("section 5: kinds of entries", () => {
  // prettier-ignore
  test.each<[granule: Granule, level: number, type: bigint, kind: string, scene?: Partial<Scene>]>([
    ["4K",  3, 3n, "leaf"],
    ["4K",  3, 1n, "translation 3"],
    ["4K",  2, 1n, "leaf"],
    ["4K",  1, 1n, "leaf"],
    ["4K",  0, 1n, "translation 0"],
    ["4K",  0, 1n, "leaf",          { vtcr: DS, ps: 6n, registers: LPA2 }],
    ["16K", 2, 1n, "leaf"],
    ["16K", 1, 1n, "translation 1"],
    ["16K", 1, 1n, "leaf",          { vtcr: DS, ps: 6n, registers: LPA2 }],
    ["64K", 2, 1n, "leaf"],
    ["64K", 1, 1n, "translation 1"],
    ["64K", 1, 1n, "leaf",          { registers: { paBits: 52 } }],
    ["4K",  3, 0n, "translation 3"],
    ["4K",  3, 2n, "translation 3"],
    ["4K",  1, 2n, "translation 1"],
  ])("%s level %i, bits 1:0 = %i: %s", (granule, level, type, kind, scene = {}) => {
    const { fault, level: at } = walkTo(machine, { granule, level, entry: GOOD | type, ...scene });

    expect(fault === null ? "leaf" : `${fault.kind} ${at}`).toBe(kind);
  });

  test("software bits and RES0 bits are ignored: 63:55, 50:48, 16:12", () => {
    const ignored = (0x1ffn << 55n) | (7n << 48n);

    expect(outcome({ entry: 0x8000_0000n | PAGE | ignored })).toBe("0x80000234");
    expect(outcome({ level: 2, entry: 0x8000_0000n | BLOCK | ignored | (0xfn << 12n) })).toBe("0x80001234");
  });
});

describe("section 5: output addresses", () => {
  const ipa = 0x7654_3210n;

  // prettier-ignore
  test.each<[string, Granule, level: number, entry: bigint, pa: bigint, scene?: Partial<Scene>]>([
    ["page",                       "4K",  3, 0x8765_4000n | PAGE,                                  0x8765_4210n],
    ["page",                       "16K", 3, 0x8765_4000n | PAGE,                                  0x8765_7210n],
    ["page",                       "64K", 3, 0x8765_0000n | PAGE,                                  0x8765_3210n],
    ["2 MiB",                      "4K",  2, 0x8760_0000n | BLOCK,                                 0x8774_3210n],
    ["1 GiB",                      "4K",  1, 0x80_0000_0000n | BLOCK,                              0x80_3654_3210n],
    ["low OA bits of a block",     "4K",  2, 0x876f_0000n | BLOCK,                                 0x8774_3210n],
    ["contiguous pages",           "4K",  3, 0x8765_f000n | PAGE | CONTIGUOUS,                     0x8765_3210n],
    ["contiguous 2 MiB",           "4K",  2, 0x8fe0_0000n | BLOCK | CONTIGUOUS,                    0x8e54_3210n],
    ["contiguous 1 GiB",           "4K",  1, 0x7_c000_0000n | BLOCK | CONTIGUOUS,                  0x4_7654_3210n],
    ["contiguous pages",           "16K", 3, 0x877f_c000n | PAGE | CONTIGUOUS,                     0x8774_3210n],
    ["contiguous 32 MiB",          "16K", 2, 0xbe00_0000n | BLOCK | CONTIGUOUS,                    0xb654_3210n],
    ["contiguous pages",           "64K", 3, 0x877f_0000n | PAGE | CONTIGUOUS,                     0x8774_3210n],
    ["contiguous 512 MiB",         "64K", 2, 0x7_e000_0000n | BLOCK | CONTIGUOUS,                  0x4_7654_3210n],
    ["LPA: bits 15:12",            "64K", 3, 0x8765_a000n | PAGE,                                  0xa_0000_8765_3210n, { ps: 6n, registers: { paBits: 52, features: { lpa: true } } }],
    ["no LPA: bits 15:12 ignored", "64K", 3, 0x8765_a000n | PAGE,                                  0x8765_3210n],
    ["DS: bits 9:8 and 49:48",     "4K",  3, 0x8765_4000n | PAGE | (2n << 8n) | (1n << 48n),       0x9_0000_8765_4210n, { vtcr: DS, ps: 6n, registers: LPA2 }],
    ["Contiguous ignored at 16K L1", "16K", 1, (3n << 36n) | BLOCK | CONTIGUOUS,                   0x30_7654_3210n,     { vtcr: DS, ps: 6n, registers: LPA2 }],
  ])("%s, %s level %i", (_what, granule, level, entry, pa, scene = {}) => {
    const walked = walkTo(machine, { granule, level, entry, ipa, ...scene });

    expect(walked.pa).toBe(pa);
    expect(walked.leaf?.contiguous).toBe((entry & CONTIGUOUS) !== 0n && !(granule === "16K" && level === 1));
  });
});

describe("section 4: addresses of descriptors", () => {
  test.each<[Granule, number]>([
    ["4K", 4],
    ["16K", 3],
    ["64K", 3],
  ])("%s: one read for each of %i levels, at the index bits of the level", (granule, levels) => {
    const ipa = 0xfedc_ba98_7654n;
    const { steps, reads } = walkTo(machine, { granule, entry: PAGE, ipa });
    const mask = (1n << (entryShift(granule, 3) - 3n)) - 1n;

    expect(reads).toBe(levels);
    for (const { level, address } of steps) {
      expect((address >> 3n) & mask).toBe((ipa >> entryShift(granule, level)) & mask);
    }
  });

  test("big-endian tables", () => {
    const swapped = BigInt.asUintN(64, 0x0340_0040_0000_0000n);
    machine.clear();
    machine.setRegisters({ vtcr: 16n | (2n << 6n) | (5n << 16n), vttbr: TABLES, sctlr: 1n << 25n });
    machine.writeWords([[TABLES, swapped]]);
    const [step] = machine.walk(0n, { kind: "read" }).steps;

    expect(step?.descriptor).toBe(0x4000_4003n);
  });
});

describe("section 6: the first check that fails decides", () => {
  const beyond = 1n << 44n;
  const fault = { contiguousFault: true, ntFault: true, features: { bbm: 2 } };

  // prettier-ignore
  test.each<[string, Scene, string]>([
    ["4: IPA beyond the input size",                 { entry: PAGE, ipa: 1n << 48n },                                             "translation 0"],
    ["5: first table beyond the output size",        { entry: PAGE, registers: { vttbr: beyond }, ps: 4n },                       "address_size 0"],
    ["6: External abort on the level-2 table",       { entry: PAGE, registers: { abort: { first: TABLES + 0x4000n, end: TABLES + 0x5000n } } }, "external_abort 2"],
    ["7: invalid",                                   { entry: 0n },                                                               "translation 3"],
    ["8: next table beyond: level of this one",      { entry: beyond | 3n, level: 1, ps: 4n },                                    "address_size 1"],
    ["9b before 9c: nT beats the output address",    { entry: beyond | BLOCK | NT, level: 2, ps: 4n, registers: fault },          "translation 2"],
    ["9c before 9d: address beats access flag",      { entry: beyond | (PAGE & ~AF), ps: 4n },                                    "address_size 3"],
    ["9d before 11: access flag beats permission",   { entry: 3n },                                                               "access_flag 3"],
    ["10 before 11: alignment beats permission",     { entry: AF | 3n, access: { kind: "read", unaligned: true } },               "alignment 3"],
    ["10: aligned Device accesses are fine",         { entry: AF | READ | 3n, access: { kind: "read" } },                         "0x234"],
    ["10: Normal memory takes any alignment",        { entry: PAGE, access: { kind: "read", unaligned: true } },                  "0x234"],
    ["11: permission",                               { entry: PAGE & ~READ },                                                     "permission 3"],
    ["nT without FEAT_BBM is ignored",               { entry: BLOCK | NT, level: 2, registers: { ntFault: true } },               "0x1234"],
    ["nT is not a page's bit",                       { entry: PAGE | NT, registers: fault },                                      "0x10234"],
  ])("%s", (_what, scene, expected) => {
    expect(outcome(scene)).toBe(expected);
  });

  test("9a: a contiguous range larger than the input space, by choice", () => {
    const words: [bigint, bigint][] = [[TABLES, 0x8000_0000n | BLOCK | CONTIGUOUS]];
    const vtcr = 40n | (5n << 16n);
    const walk = (contiguousFault: boolean) => {
      machine.clear();
      machine.setRegisters({ vtcr, vttbr: TABLES, contiguousFault, features: { ttst: true } });
      machine.writeWords(words);
      return machine.walk(0x1234n, { kind: "read" });
    };

    expect(walk(true)).toMatchObject({ level: 2, fault: { kind: "translation" } });
    expect(walk(false)).toMatchObject({ level: 2, pa: 0x8000_1234n });
  });

  test("an illegal regime faults at level 0 without a read", () => {
    machine.clear();
    machine.setRegisters({ vtcr: 16n | (1n << 6n) | (5n << 16n), vttbr: TABLES });

    expect(machine.walk(0n, { kind: "read" })).toMatchObject({ level: 0, reads: 0, fault: { kind: "translation" } });
  });
});

describe("section 7: permissions", () => {
  // prettier-ignore
  test.each<[s2ap: bigint, kind: AccessKind, permitted: boolean]>([
    [0n, "read", false],         [1n, "read", true],          [2n, "read", false],         [3n, "read", true],
    [0n, "write", false],        [1n, "write", false],        [2n, "write", true],         [3n, "write", true],
    [0n, "atomic", false],       [1n, "atomic", false],       [2n, "atomic", false],       [3n, "atomic", true],
    [0n, "fetch", true],         [1n, "fetch", true],         [2n, "fetch", true],         [3n, "fetch", true],
    [0n, "table_read", false],   [1n, "table_read", true],    [2n, "table_read", false],   [3n, "table_read", true],
    [0n, "table_update", false], [1n, "table_update", false], [2n, "table_update", false], [3n, "table_update", true],
  ])("S2AP %i, %s: %s", (s2ap, kind, permitted) => {
    const entry = (PAGE & ~(READ | WRITE)) | (s2ap << 6n);
    const { fault } = walkTo(machine, { entry, access: { kind } });

    expect(fault?.kind ?? null).toBe(permitted ? null : "permission");
  });

  // prettier-ignore
  test.each<[xn: bigint, xnx: boolean, el1: boolean, el0: boolean]>([
    [0n, true,  true,  true],
    [1n, true,  false, true],
    [2n, true,  false, false],
    [3n, true,  true,  false],
    [1n, false, true,  true],  // bit 53 counts as 0
    [3n, false, false, false],
  ])("XN[1:0] = %i, FEAT_XNX %s: EL1 %s, EL0 %s", (xn, xnx, el1, el0) => {
    const mayFetch = (el: 0 | 1) =>
      walkTo(machine, { entry: PAGE | (xn << 53n), registers: { features: { xnx } }, access: { kind: "fetch", el } }).fault === null;

    expect([mayFetch(1), mayFetch(0)]).toEqual([el1, el0]);
  });

  // prettier-ignore
  test.each<[ptw: boolean, tge: boolean, kind: AccessKind, fault: FaultKind | null]>([
    [true,  false, "table_read",   "permission"],
    [true,  false, "table_update", "permission"],
    [true,  true,  "table_read",   null],
    [false, false, "table_read",   null],
    [true,  false, "read",         null],
  ])("Device memory, PTW=%s, TGE=%s, %s: %s", (ptw, tge, kind, fault) => {
    const hcr = 1n | (ptw ? 4n : 0n) | (tge ? 1n << 27n : 0n);
    const device = PAGE & ~0x3cn;

    expect(walkTo(machine, { entry: device, registers: { hcr }, access: { kind } }).fault?.kind ?? null).toBe(fault);
  });
});

describe("section 7: hardware access flag and dirty state", () => {
  const old = PAGE & ~AF;
  const clean = (PAGE & ~WRITE) | DBM;
  const read: Access = { kind: "read" };
  const write: Access = { kind: "write" };

  // prettier-ignore
  test.each<[string, vtcr: bigint, entry: bigint, Access, outcome: bigint | FaultKind]>([
    // outcome: the entry afterwards, or the fault
    ["HA=0",                                 0n,      old,         read,                     "access_flag"],
    ["HA=1 sets AF",                         HA,      old,         read,                     PAGE],
    ["AF is there already",                  HA,      PAGE,        read,                     PAGE],
    ["permission fault: AF stays",           HA,      old & ~READ, read,                     "permission"],
    ["HD=1, a write makes it dirty",         HA | HD, clean,       write,                    clean | WRITE],
    ["with AF in one go",                    HA | HD, clean & ~AF, write,                    clean | WRITE],
    ["so does an update of a stage-1 entry", HA | HD, clean,       { kind: "table_update" }, clean | WRITE],
    ["and an atomic access",                 HA | HD, clean,       { kind: "atomic" },       clean | WRITE],
    ["a read does not",                      HA | HD, clean,       read,                     clean],
    ["nor a fetch",                          HA | HD, clean,       { kind: "fetch" },        clean],
    ["no DBM: a plain permission",           HA | HD, PAGE & ~WRITE, write,                  "permission"],
    ["HD without HA: a plain permission",    HD,      clean,       write,                    "permission"],
  ])("%s", (_what, vtcr, entry, access, expected) => {
    const { fault, leaf, update, reads, steps } = walkTo(machine, { vtcr, entry, access });
    const address = steps.at(-1)?.address as bigint;
    const changes = typeof expected === "bigint" && expected !== entry;

    expect(fault?.kind ?? leaf?.descriptor).toBe(expected);
    expect(update).toEqual(changes ? { address, before: entry, after: expected } : null);
    expect(machine.readWord(address)).toBe(typeof expected === "bigint" ? expected : entry);
    expect(reads).toBe(steps.length + (changes ? 1 : 0));
  });

  test("S2AP[1] counts as 1 where hardware manages the dirty state", () => {
    expect(walkTo(machine, { vtcr: HA | HD, entry: clean }).leaf?.s2ap).toBe(3);
    expect(walkTo(machine, { vtcr: HA, entry: clean }).leaf?.s2ap).toBe(1);
  });

  test("without FEAT_HAFDBS the controls are 0", () => {
    const registers = { features: {} };

    expect(outcome({ vtcr: HA | HD, entry: old, registers })).toBe("access_flag 3");
  });

  test("a big-endian entry is updated in its own order", () => {
    machine.clear();
    machine.setRegisters({
      vtcr: 31n | (5n << 16n) | HA,
      vttbr: TABLES,
      sctlr: 1n << 25n,
      features: { hafdbs: true },
    });
    machine.writeWords([[TABLES, 0xfd00_0080_0000_0000n]]); // block at 0x80000000 without AF
    const { update, leaf } = machine.walk(0n, { kind: "read" });

    expect(leaf?.descriptor).toBe(0x8000_04fdn);
    expect(update?.after).toBe(0xfd04_0080_0000_0000n);
  });
});
