// Memory attributes: the tables of reference stage2-walk section 8. Every stage-1 attribute with every MemAttr and SH is in
// the recorded vectors (attrs); here stands why.

import { beforeAll, describe, expect, test } from "vitest";
import { memoryAttributesName, parseMemoryAttributes } from "../../src/machine/memory-attributes.js";
import type { AccessKind } from "../../src/machine/translation.js";
import { WalkMachine } from "../../src/machine/walk-machine.js";
import { walkTo } from "./one-walk.js";

let machine: WalkMachine;
beforeAll(async () => {
  machine = await WalkMachine.create();
});

const FWB = 1n << 46n;
const CD = 1n << 32n;
const ID = 1n << 33n;

interface Attributes {
  readonly memAttr: number;
  /** Default: inner shareable. */
  readonly sh?: number;
  readonly stage1?: string;
  /** HCR_EL2 beside VM. */
  readonly hcr?: bigint;
  readonly kind?: AccessKind;
}

/** What stage 2 says, and what the access is made with. */
function attributesOf({ memAttr, sh = 3, stage1 = "norm-iwb-owb/ish", hcr = 0n, kind = "read" }: Attributes) {
  const entry = 0x4c3n | (BigInt(memAttr) << 2n) | (BigInt(sh) << 8n);
  const stage1Attributes = parseMemoryAttributes(stage1) as number;
  const registers = { hcr: 1n | hcr, stage1Attributes };
  const { leaf } = walkTo(machine, { entry, registers, access: { kind } });
  return [leaf?.stage2Attributes, leaf?.attributes].map((packed) => memoryAttributesName(packed as number));
}

describe("FWB=0", () => {
  // prettier-ignore
  test.each<[memAttr: number, stage2: string]>([
    [0x0, "dev-nGnRnE/ish"], [0x1, "dev-nGnRE/ish"],    [0x2, "dev-nGRE/ish"],     [0x3, "dev-GRE/ish"],
    [0x4, "norm-inc-onc/ish"], [0x5, "norm-inc-onc/ish"], [0x6, "norm-iwt-onc/ish"], [0x7, "norm-iwb-onc/ish"],
    [0x8, "norm-inc-owt/ish"], [0x9, "norm-inc-owt/ish"], [0xa, "norm-iwt-owt/ish"], [0xb, "norm-iwb-owt/ish"],
    [0xc, "norm-inc-owb/ish"], [0xd, "norm-inc-owb/ish"], [0xe, "norm-iwt-owb/ish"], [0xf, "norm-iwb-owb/ish"],
  ])("MemAttr %i: %s", (memAttr, stage2) => {
    expect(attributesOf({ memAttr })[0]).toBe(stage2);
  });

  // prettier-ignore
  test.each<[stage1: string, memAttr: number, both: string]>([
    ["dev-nGRE/nsh",     0x1, "dev-nGnRE/osh"],    // both Device: the stricter
    ["dev-nGnRnE/nsh",   0x3, "dev-nGnRnE/osh"],
    ["dev-GRE/nsh",      0xf, "dev-GRE/osh"],      // one Device: that
    ["norm-iwb-owb/nsh", 0x2, "dev-nGRE/osh"],
    ["norm-iwt-owb/nsh", 0xb, "norm-iwt-owt/ish"], // both Normal: the weaker on each side
    ["norm-inc-owb/nsh", 0xf, "norm-inc-owb/ish"],
    ["norm-inc-onc/ish", 0xf, "norm-inc-onc/osh"], // in no cache: outer shareable
  ])("%s with MemAttr %i: %s", (stage1, memAttr, both) => {
    expect(attributesOf({ stage1, memAttr })[1]).toBe(both);
  });

  // prettier-ignore
  test.each<[stage1: string, sh: number, both: string]>([
    ["nsh", 0, "nsh"], ["nsh", 1, "nsh"], ["nsh", 2, "osh"], ["nsh", 3, "ish"],
    ["ish", 0, "ish"], ["ish", 1, "ish"], ["ish", 2, "osh"], ["ish", 3, "ish"],
    ["osh", 0, "osh"], ["osh", 1, "osh"], ["osh", 2, "osh"], ["osh", 3, "osh"],
  ])("stage 1 %s with SH %i: %s", (stage1, sh, both) => {
    const [, attributes] = attributesOf({ stage1: `norm-iwb-owb/${stage1}`, memAttr: 0xf, sh });

    expect(attributes).toBe(`norm-iwb-owb/${both}`);
  });
});

describe("FWB=1", () => {
  // prettier-ignore
  test.each<[stage1: string, memAttr: number, both: string]>([
    ["norm-iwb-owb/ish", 0, "dev-nGnRnE/osh"],
    ["dev-nGnRE/nsh",    2, "dev-nGnRE/osh"],
    ["norm-iwb-owb/ish", 4, "norm-inc-onc/osh"],
    ["norm-iwb-owb/ish", 5, "norm-inc-onc/osh"],
    ["dev-nGRE/nsh",     5, "dev-nGRE/osh"],
    ["norm-inc-onc/osh", 6, "norm-iwb-owb/osh"],
    ["dev-nGRE/nsh",     6, "norm-iwb-owb/ish"],
    ["norm-iwt-owt/nsh", 7, "norm-iwt-owt/ish"],
    ["dev-GRE/nsh",      7, "dev-GRE/osh"],
    ["norm-iwb-owb/ish", 14, "norm-iwb-owb/ish"], // bit 3 is ignored
  ])("%s with MemAttr %i: %s", (stage1, memAttr, both) => {
    expect(attributesOf({ stage1, memAttr, hcr: FWB })).toEqual([both, both]);
  });
});

describe("made as Normal Non-cacheable", () => {
  // prettier-ignore
  test.each<[string, Attributes, string]>([
    ["a stage-1 table read of Device",     { memAttr: 0x1, kind: "table_read" },        "norm-inc-onc/osh"],
    ["a fetch from Device",                { memAttr: 0x1, kind: "fetch" },             "norm-inc-onc/osh"],
    ["a data access to Device is not",     { memAttr: 0x1, kind: "read" },              "dev-nGnRE/osh"],
    ["data with CD=1",                     { memAttr: 0xf, hcr: CD },                   "norm-inc-onc/osh"],
    ["a stage-1 table read with CD=1",     { memAttr: 0xf, hcr: CD, kind: "table_read" }, "norm-inc-onc/osh"],
    ["a fetch with CD=1 is not",           { memAttr: 0xf, hcr: CD, kind: "fetch" },    "norm-iwb-owb/ish"],
    ["a fetch with ID=1",                  { memAttr: 0xf, hcr: ID, kind: "fetch" },    "norm-inc-onc/osh"],
    ["data with ID=1 is not",              { memAttr: 0xf, hcr: ID },                   "norm-iwb-owb/ish"],
    ["Device data with CD=1 stays Device", { memAttr: 0x0, hcr: CD },                   "dev-nGnRnE/osh"],
  ])("%s", (_what, attributes, made) => {
    expect(attributesOf(attributes)[1]).toBe(made);
  });
});

test("with DS=1 shareability comes from VTCR_EL2.SH0", () => {
  const registers = { paBits: 52, features: { lpa: true, lpa2: true } };
  const { leaf } = walkTo(machine, { entry: 0x4ffn, vtcr: (1n << 32n) | (2n << 12n), ps: 6n, registers });

  expect(memoryAttributesName(leaf?.stage2Attributes as number)).toBe("norm-iwb-owb/osh");
});

test("names: every packed form and back, nothing else", () => {
  const all = Array.from({ length: 64 }, (_, packed) => packed).filter((packed) => {
    const isReserved = (packed & 3) === 1 || (packed >> 4 !== 0 && ((packed >> 2) & 3) === 0);
    return !isReserved;
  });

  expect(all.map((packed) => parseMemoryAttributes(memoryAttributesName(packed)))).toEqual(all);
  expect(parseMemoryAttributes("norm-iwb-owb")).toBeNull();
  expect(parseMemoryAttributes("norm-i-owb/ish")).toBeNull();
});
