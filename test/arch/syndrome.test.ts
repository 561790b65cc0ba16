// Fault status codes, ESR_EL2 and HPFAR_EL2: the tables of reference stage2-walk section 9.

import { beforeAll, describe, expect, test } from "vitest";
import { WalkMachine } from "../../src/machine/walk-machine.js";
import type { Access, AccessKind, FaultKind } from "../../src/machine/translation.js";
import { TABLES, walkTo, type Scene } from "./one-walk.js";

let machine: WalkMachine;
beforeAll(async () => {
  machine = await WalkMachine.create();
});

const fault = (scene: Scene) => walkTo(machine, scene).fault;

describe("fault status codes", () => {
  const beyond = 1n << 44n;
  const at = (level: number) => ({
    abort: { first: TABLES + 0x2000n * BigInt(level), end: TABLES + 0x2000n * BigInt(level) + 0x1000n },
  });

  // prettier-ignore
  test.each<[FaultKind, level: number, fsc: number, Scene]>([
    ["address_size",   0, 0x00, { entry: beyond | 3n, level: 0, ps: 4n }],
    ["address_size",   1, 0x01, { entry: beyond | 3n, level: 1, ps: 4n }],
    ["address_size",   2, 0x02, { entry: beyond | 3n, level: 2, ps: 4n }],
    ["address_size",   3, 0x03, { entry: beyond | 3n, level: 3, ps: 4n }],
    ["translation",    0, 0x04, { entry: 0n, level: 0 }],
    ["translation",    1, 0x05, { entry: 0n, level: 1 }],
    ["translation",    2, 0x06, { entry: 0n, level: 2 }],
    ["translation",    3, 0x07, { entry: 0n, level: 3 }],
    ["access_flag",    1, 0x09, { entry: 1n, level: 1 }],
    ["access_flag",    2, 0x0a, { entry: 1n, level: 2 }],
    ["access_flag",    3, 0x0b, { entry: 3n, level: 3 }],
    ["permission",     1, 0x0d, { entry: 0x401n, level: 1 }],
    ["permission",     2, 0x0e, { entry: 0x401n, level: 2 }],
    ["permission",     3, 0x0f, { entry: 0x403n, level: 3 }],
    ["external_abort", 0, 0x14, { entry: 0n, registers: at(0) }],
    ["external_abort", 1, 0x15, { entry: 0n, registers: at(1) }],
    ["external_abort", 2, 0x16, { entry: 0n, registers: at(2) }],
    ["external_abort", 3, 0x17, { entry: 0n, registers: at(3) }],
    ["alignment",      3, 0x21, { entry: 0x4c3n, access: { kind: "read", unaligned: true } }],
  ])("%s at level %i: 0x%x", (kind, level, fsc, scene) => {
    expect(walkTo(machine, scene)).toMatchObject({ level, fault: { kind, fsc } });
  });

  // prettier-ignore
  test.each<[FaultKind, fsc: number, entry: bigint, abort: boolean]>([
    ["translation",    0x2b, 0n,                         false],
    ["address_size",   0x29, (3n << 8n) | 3n,            false],
    ["external_abort", 0x13, 0n,                         true],
  ])("%s at level -1: 0x%x", (kind, fsc, entry, abort) => {
    machine.clear();
    machine.setRegisters({
      vtcr: 12n | (5n << 16n) | (1n << 32n) | (1n << 33n),
      vttbr: TABLES,
      paBits: 52,
      features: { lpa: true, lpa2: true },
      ...(abort ? { abort: { first: TABLES, end: TABLES + 8n } } : {}),
    });
    machine.writeWords([[TABLES, entry]]);

    expect(machine.walk(0n, { kind: "read" })).toMatchObject({ level: -1, fault: { kind, fsc } });
  });
});

describe("ESR_EL2", () => {
  const S1PTW = 0x80n;
  const WNR = 0x40n;

  // prettier-ignore
  test.each<[AccessKind, el: 0 | 1, esr: bigint]>([
    ["read",         1, 0x9200_0007n],
    ["read",         0, 0x9200_0007n],
    ["write",        1, 0x9200_0007n | WNR],
    ["fetch",        1, 0x8200_0007n],
    ["table_read",   1, 0x9200_0007n | S1PTW],
    ["table_update", 1, 0x9200_0007n | S1PTW], // the architecture model leaves WnR 0
    ["atomic",       1, 0x9200_0007n],         // a plain read would have faulted too
  ])("Translation fault of a %s at EL%i", (kind, el, esr) => {
    expect(fault({ entry: 0n, access: { kind, el } })?.esr).toBe(esr);
  });

  test.each<[s2ap: bigint, wnr: bigint]>([
    [0n, 0n],
    [1n, WNR],
    [2n, 0n],
  ])("Permission fault of an atomic access, S2AP %i: WnR 0x%x", (s2ap, wnr) => {
    expect(fault({ entry: 0x43fn | (s2ap << 6n), access: { kind: "atomic" } })?.esr).toBe(0x9200_000fn | wnr);
  });
});

describe("HPFAR_EL2", () => {
  const ipa = 0x1234_5678_9abcn;
  const hpfar = 0x12_3456_7890n;
  const read: Access = { kind: "read" };

  // prettier-ignore
  test.each<[string, Scene, bigint | null]>([
    ["Translation",                  { ipa, entry: 0n },                                         hpfar],
    ["Access flag",                  { ipa, entry: 3n },                                         hpfar],
    ["Address size",                 { ipa, entry: (1n << 44n) | 3n, ps: 4n },                   hpfar],
    ["Permission",                   { ipa, entry: 0x403n, access: read },                       null],
    ["Permission with S1PTW",        { ipa, entry: 0x403n, access: { kind: "table_read" } },     hpfar],
    ["External abort",               { ipa, entry: 0n, registers: { abort: { first: TABLES, end: TABLES + 0x1000n } } }, null],
    ["External abort with S1PTW",    { ipa, entry: 0n, registers: { abort: { first: TABLES, end: TABLES + 0x1000n } }, access: { kind: "table_read" } }, null],
    ["Alignment",                    { ipa, entry: 0x4c3n, access: { ...read, unaligned: true } }, null],
  ])("%s", (_what, scene, expected) => {
    expect(fault(scene)?.hpfar).toBe(expected);
  });

  test("IPA bits above 55 are not in it", () => {
    expect(fault({ ipa: 0xffff_ffff_ffff_ffffn, entry: 0n })?.hpfar).toBe(0xffff_ffff_fff0n);
  });
});
