// check_range_allowed_memory at its edges (reference pkvm-el2 section 1.2): one range first, then what kind of memory it is.

import { beforeAll, beforeEach, expect, test } from "vitest";
import { Machine, type Snapshot } from "../../../src/machine/machine.js";
import type { Operation } from "../../../src/machine/operations.js";
import { makeVm } from "./scenario.js";

const BASE = 0x4_0000n; // 64 MiB of memory, then 2 MiB NOMAP, then 4 MiB of memory; a gap before and behind
const NOMAP = 0x4_4000n;
const SECOND = 0x4_4200n;
const END = 0x4_4600n;
const MIDDLE = 0x4_1000n;

let machine: Machine;
let fresh: Snapshot;
let np: number;

beforeAll(async () => {
  machine = await Machine.create({
    regions: [
      { base: BASE << 12n, size: 0x400_0000n },
      { base: NOMAP << 12n, size: 0x20_0000n, nomap: true },
      { base: SECOND << 12n, size: 0x40_0000n },
    ],
    hyp_carveout: { base: 0x4200_0000n, size: 0x60_0000n },
  });
  np = makeVm(machine, { protected: false, area: 0x4_3000n, memcache: 8 });
  fresh = machine.snapshot();
});

beforeEach(() => machine.restore(fresh));

const ffa = (pfn: bigint, nr: bigint): Operation => ({ op: "host_share_ffa", pfn, nr });
const pin = (from: bigint, to: bigint): Operation => ({ op: "hyp_pin_shared_mem", from: from << 12n, to: to << 12n });
const block = (pfn: bigint): Operation => {
  return { op: "host_share_guest", vm: np, vcpu: 0, pfn, gfn: 0x8_0000n, nr: 512n, prot: 15n };
};

// prettier-ignore
test.each<[string, () => Operation, string | null, string | null]>([
  ["to a region's end",                    () => ffa(END - 2n, 2n),              null,     null],
  ["from memory into the gap behind",      () => ffa(END - 1n, 2n),              "EINVAL", "range_crosses"],
  ["from memory into NOMAP",               () => ffa(NOMAP - 1n, 2n),            "EINVAL", "range_crosses"],
  ["from NOMAP into memory",               () => ffa(SECOND - 1n, 2n),           "EINVAL", "range_crosses"],
  ["from the gap before into memory",      () => ffa(BASE - 1n, 2n),             "EINVAL", "range_crosses"],
  ["in NOMAP",                             () => ffa(NOMAP, 2n),                 "EPERM",  "nomap"],
  ["in a gap",                             () => ffa(END, 2n),                   "EPERM",  "not_memory"],
  ["no pages in the middle of a region",   () => ffa(MIDDLE, 0n),                null,     null],
  ["no pages at a region's base",          () => ffa(BASE, 0n),                  "EINVAL", "range_crosses"],
  ["no pages in a gap",                    () => ffa(END + 1n, 0n),              "EPERM",  "not_memory"],
  ["a range that ends before it begins",   () => pin(MIDDLE + 4n, MIDDLE),       null,     null],
  ["... before the region it begins in",   () => pin(MIDDLE, BASE),              "EINVAL", "range_crosses"],
  ["up to 2^64",                           () => pin((1n << 52n) - 1n, 0n),      "EINVAL", "range_crosses"],
  ["a block in NOMAP",                     () => block(NOMAP),                   "EPERM",  "nomap"],
  ["a block at the end of memory",         () => block(END - 512n),              null,     null],
  ["a block in the gap",                   () => block(END),                     "EPERM",  "not_memory"],
])("%s", (_name, operation, errno, reason) => {
  const outcome = machine.apply(operation());
  expect([outcome.errno, outcome.reason]).toEqual([errno, reason]);
});
