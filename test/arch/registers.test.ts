// Which settings of VTCR_EL2 are legal, and where the first table is: the tables of reference stage2-walk sections 1 to 3.
// The recorded sweep over every setting is replayed in test/trace/golden-walk.test.ts (legality).

import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { WalkMachine, type Regime, type RegimeStatus, type WalkFeatures } from "../../src/machine/walk-machine.js";
import { walkTo } from "./one-walk.js";

let machine: WalkMachine;
beforeAll(async () => {
  machine = await WalkMachine.create();
});

const TG0 = { "4K": 0n, "16K": 2n, "64K": 1n, reserved: 3n } as const;
const ALL: WalkFeatures = { lpa: true, lpa2: true, ttst: true };

interface Setting {
  readonly granule: keyof typeof TG0;
  readonly inputBits: number;
  readonly sl0: number;
  readonly sl2?: number;
  readonly ds?: number;
  /** VTCR_EL2.PS; default: 48 bits. */
  readonly ps?: number;
  readonly paBits?: number;
  readonly features?: WalkFeatures;
  readonly vttbr?: bigint;
}

function regimeOf(setting: Setting): Regime {
  const { granule, inputBits, sl0, sl2 = 0, ds = 0, ps = 5, paBits = 52, features = ALL, vttbr = 0n } = setting;
  const vtcr =
    BigInt(64 - inputBits) |
    (BigInt(sl0) << 6n) |
    (TG0[granule] << 14n) |
    (BigInt(ps) << 16n) |
    (BigInt(ds) << 32n) |
    (BigInt(sl2) << 33n);
  return machine.setRegisters({ vtcr, vttbr, paBits, features });
}

describe("section 3: legal input sizes by start level", () => {
  // prettier-ignore
  test.each<[granule: "4K" | "16K" | "64K", ds: number, sl2: number, sl0: number, level: number, from: number, to: number]>([
    // granule DS SL2 SL0  level  from to
    ["4K",     1, 1,  0,   -1,    49, 52],
    ["4K",     0, 0,  2,    0,    40, 48],
    ["4K",     1, 0,  2,    0,    40, 52],
    ["4K",     0, 0,  1,    1,    31, 43],
    ["4K",     1, 0,  1,    1,    31, 43],
    ["4K",     0, 0,  0,    2,    22, 34],
    ["4K",     0, 0,  3,    3,    16, 25],
    ["16K",    1, 0,  3,    0,    48, 52],
    ["16K",    0, 0,  2,    1,    37, 48],
    ["16K",    1, 0,  2,    1,    37, 51],
    ["16K",    0, 0,  1,    2,    26, 40],
    ["16K",    0, 0,  0,    3,    16, 29],
    ["64K",    0, 0,  2,    1,    43, 52],
    ["64K",    0, 0,  1,    2,    30, 46],
    ["64K",    0, 0,  0,    3,    17, 33],
  ])("%s, DS=%i, SL2:SL0 = %i:%i: level %i, %i to %i bits", (granule, ds, sl2, sl0, level, from, to) => {
    const sizes = Array.from({ length: 64 }, (_, t0sz) => 64 - t0sz);
    const regimes = sizes.map((inputBits) => regimeOf({ granule, inputBits, sl0, sl2, ds }));
    const legal = regimes.filter(({ status }) => status === "legal");

    expect(new Set(legal.map(({ startLevel }) => startLevel))).toEqual(new Set([level]));
    expect([legal.at(-1)?.inputBits, legal[0]?.inputBits]).toEqual([from, to]);
    expect(legal).toHaveLength(to - from + 1);
  });

  // prettier-ignore
  test.each<[string, Setting, RegimeStatus]>([
    ["4K, SL2=1 with SL0=01",             { granule: "4K",  inputBits: 49, sl0: 1, sl2: 1, ds: 1 },              "start_level"],
    ["4K, SL2 counts with DS=1 only",     { granule: "4K",  inputBits: 34, sl0: 0, sl2: 1 },                     "legal"],
    ["4K, level 0 with 42-bit PAs",       { granule: "4K",  inputBits: 42, sl0: 2, paBits: 42 },                 "start_level"],
    ["4K, level 0 with 44-bit PAs",       { granule: "4K",  inputBits: 44, sl0: 2, paBits: 44 },                 "legal"],
    ["4K, level 3 without TTST",          { granule: "4K",  inputBits: 25, sl0: 3, features: {} },               "start_level"],
    ["16K, level 1 with 40-bit PAs",      { granule: "16K", inputBits: 40, sl0: 2, paBits: 40 },                 "start_level"],
    ["16K, level 1 with 42-bit PAs",      { granule: "16K", inputBits: 42, sl0: 2, paBits: 42 },                 "legal"],
    ["16K, level 0 with DS=0",            { granule: "16K", inputBits: 48, sl0: 3 },                             "start_level"],
    ["64K, SL0=11",                       { granule: "64K", inputBits: 48, sl0: 3 },                             "start_level"],
    ["64K, level 1 with 42-bit PAs",      { granule: "64K", inputBits: 42, sl0: 2, paBits: 42 },                 "start_level"],
    ["64K, level 1 with 44-bit PAs",      { granule: "64K", inputBits: 44, sl0: 2, paBits: 44 },                 "legal"],
    ["one entry",                         { granule: "4K",  inputBits: 39, sl0: 2 },                             "inconsistent"],
    ["32 concatenated tables",            { granule: "4K",  inputBits: 44, sl0: 1 },                             "inconsistent"],
    ["a reserved granule is 64K",         { granule: "reserved", inputBits: 46, sl0: 1 },                        "legal"],
  ])("%s: %s", (_what, setting, status) => {
    expect(regimeOf(setting).status).toBe(status);
  });
});

describe("section 2: limits of T0SZ", () => {
  // prettier-ignore
  test.each<[string, Setting, largest: number, smallest: number]>([
    ["48-bit PAs",             { granule: "4K",  inputBits: 0, sl0: 2, paBits: 48, features: {} },                     48, 40],
    ["44-bit PAs",             { granule: "4K",  inputBits: 0, sl0: 2, paBits: 44, features: {} },                     44, 40],
    ["LPA, DS=0",              { granule: "4K",  inputBits: 0, sl0: 2, paBits: 52, features: { lpa: true } },          48, 40],
    ["LPA, 64K",               { granule: "64K", inputBits: 0, sl0: 2, paBits: 52, features: { lpa: true } },          52, 43],
    ["level 2 without TTST",   { granule: "4K",  inputBits: 0, sl0: 0, paBits: 48, features: {} },                     34, 25],
    ["level 3, 64K, TTST",     { granule: "64K", inputBits: 0, sl0: 0, paBits: 48, features: { ttst: true } },         33, 17],
    ["level 3, 16K, no TTST",  { granule: "16K", inputBits: 0, sl0: 0, paBits: 48, features: {} },                     29, 25],
  ])("%s", (_what, setting, largest, smallest) => {
    const sizes = Array.from({ length: 64 }, (_, t0sz) => 64 - t0sz);
    const legal = sizes.filter((inputBits) => regimeOf({ ...setting, inputBits }).status === "legal");

    expect([legal[0], legal.at(-1)]).toEqual([largest, smallest]);
  });
});

describe("section 1", () => {
  // prettier-ignore
  test.each<[string, Setting, outputBits: number]>([
    ["PS below PAMax",                  { granule: "4K",  inputBits: 40, sl0: 1, ps: 2 },                            40],
    ["PS above PAMax",                  { granule: "4K",  inputBits: 40, sl0: 1, ps: 5, paBits: 42 },                42],
    ["PS=52, 4K, no LPA2",              { granule: "4K",  inputBits: 40, sl0: 1, ps: 6, features: { lpa: true } },   48],
    ["PS=52, 4K, LPA2",                 { granule: "4K",  inputBits: 40, sl0: 1, ps: 6 },                            52],
    ["PS=52, 64K, LPA",                 { granule: "64K", inputBits: 40, sl0: 1, ps: 6, features: { lpa: true } },   52],
    ["PS=52, 64K, no LPA",              { granule: "64K", inputBits: 40, sl0: 1, ps: 6, features: {} },              48],
    ["PS=56 only with 128-bit entries", { granule: "64K", inputBits: 40, sl0: 1, ps: 7 },                            52],
  ])("output size: %s", (_what, setting, outputBits) => {
    expect(regimeOf(setting).outputBits).toBe(outputBits);
  });

  // prettier-ignore
  test.each<[string, Setting, base: bigint]>([
    ["a whole page",                       { granule: "4K",  inputBits: 39, sl0: 1, vttbr: 0x1234_8000_1fffn },             0x1234_8000_1000n],
    ["16 concatenated pages",              { granule: "4K",  inputBits: 43, sl0: 1, vttbr: 0x1234_8001_ffffn },             0x1234_8001_0000n],
    ["two entries, VMID and CnP ignored",  { granule: "4K",  inputBits: 40, sl0: 2, vttbr: 0xabcd_1234_8000_1fffn },        0x1234_8000_1ff0n],
    ["52-bit form, aligned to 64 bytes",   { granule: "64K", inputBits: 43, sl0: 2, ps: 6, vttbr: 0x1234_8000_007fn },      0xf_1234_8000_0040n],
    ["64K below PS=52: 48 bits",           { granule: "64K", inputBits: 43, sl0: 2, ps: 5, vttbr: 0x1234_8000_007fn },      0x1234_8000_0070n],
    ["DS=1: 52-bit form whatever PS says", { granule: "4K",  inputBits: 40, sl0: 2, ds: 1, vttbr: 0x1234_8000_0044n },      0x1_1234_8000_0040n],
  ])("first table: %s", (_what, setting, base) => {
    expect(regimeOf(setting)).toMatchObject({ status: "legal", base });
  });

  test("VM=0 and DC=0: off; DC=1 turns it on", () => {
    const vtcr = 0x8005_3540n | 25n;

    expect(machine.setRegisters({ vtcr, vttbr: 0n, hcr: 0n }).status).toBe("off");
    expect(machine.walk(0x1234n, { kind: "write" })).toMatchObject({ pa: 0x1234n, fault: null, reads: 0 });
    expect(machine.setRegisters({ vtcr, vttbr: 0n, hcr: 1n << 12n }).status).toBe("legal");
  });

  test("turned off after walks: no trace of the last leaf", () => {
    walkTo(machine, { entry: 0x4ffn });
    machine.setRegisters({ vtcr: 0n, vttbr: 0n, hcr: 0n });

    expect(machine.walk(0x1234n, { kind: "read" })).toMatchObject({ pa: 0x1234n, reads: 0, update: null, steps: [] });
  });

  test("a register of more than 64 bits is refused", () => {
    expect(() => machine.setRegisters({ vtcr: 1n << 64n, vttbr: 0n })).toThrow("vtcr: ");
  });
});

test("any registers and any address: an answer, never an exception", () => {
  const u64 = fc.bigInt(0n, (1n << 64n) - 1n);
  const someRegisters = fc.record({
    vtcr: u64,
    vttbr: u64,
    hcr: u64,
    sctlr: u64,
    paBits: fc.constantFrom(32, 36, 40, 42, 44, 48, 52),
    features: fc.record({ lpa: fc.boolean(), lpa2: fc.boolean(), ttst: fc.boolean(), hafdbs: fc.boolean() }),
    stage1Attributes: fc.nat(63),
  });
  const kind = fc.constantFrom("read", "write", "fetch", "table_read", "table_update", "atomic");
  machine.clear();
  fc.assert(
    fc.property(someRegisters, u64, kind, (registers, ipa, kind) => {
      const { status } = machine.setRegisters(registers);
      const { pa, fault, level, reads } = machine.walk(ipa, { kind });
      // The memory is empty: a legal regime reads one descriptor, unless the address or the first table is out of range.
      if (status === "off") expect({ pa, fault }).toEqual({ pa: ipa, fault: null });
      else expect(pa).toBeNull();
      expect(reads).toBeLessThanOrEqual(status === "legal" ? 1 : 0);
      if (status !== "legal" && status !== "off")
        expect({ level, fault }).toMatchObject({ level: 0, fault: { fsc: 4 } });
    }),
    { numRuns: 2000 },
  );
});
