// Descriptors: the vectors of reference 2.16, observed by running the kernel's own functions (4 KiB pages, no LPA2), and the
// rules of 2.3 for what can be encoded.

import { describe, expect, test } from "vitest";
import {
  aTable,
  BLOCK,
  DEVICE,
  entryAt,
  GIB,
  map,
  NORMAL_NC,
  PAGE,
  PX,
  R,
  RW,
  RWX,
  run,
  SW0,
  SW1,
  UX,
  W,
  X,
} from "./lone-table.js";

const SHARED_OWNED = SW0;
const SHARED_BORROWED = SW1;

describe("the host's table: identity, memory type as stage 1", () => {
  // prettier-ignore
  test.each([
    // leaf                         address          size   prot  FWB                  no FWB
    ["memory page",                 0x8040_1000n,    PAGE,  RWX,  0x00000000804017dfn, 0x00000000804017ffn],
    ["memory 2M block",             0x8060_0000n,    BLOCK, RWX,  0x00000000806007ddn, 0x00000000806007fdn],
    ["memory 1G block",             0x8000_0000n,    GIB,   RWX,  0x00000000800007ddn, 0x00000000800007fdn],
    ["MMIO 1G block",               0x0n,            GIB,   RW,   0x00400000000007ddn, 0x00400000000007fdn],
    ["MMIO page",                   0x5010_1000n,    PAGE,  RW,   0x00400000501017dfn, 0x00400000501017ffn],
    ["EL2's text",                  0x4108_0000n,    PAGE,  R,    0x004000004108075fn, 0x004000004108077fn],
  ])("%s at 0x%x", async (_leaf, address, size, prot, fwb, noFwb) => {
    for (const [hasFwb, descriptor] of [[true, fwb], [false, noFwb]] as const) {
      const table = await aTable({ features: { fwb: hasFwb }, idmap: true, as_s1: true });
      expect(run(table, map(address, size, address, prot)).result).toBe("0");
      expect(entryAt(table, address).descriptor).toBe(descriptor);
    }
  });
});

describe("a guest's table", () => {
  // prettier-ignore
  test.each([
    // leaf                           pa             size   prot                        FWB                  no FWB
    ["pVM page OWNED",                0x9000_0000n,  PAGE,  RWX,                        0x00000000900007dbn, 0x00000000900007ffn],
    ["pVM page SHARED_OWNED",         0x9000_0000n,  PAGE,  RWX | SHARED_OWNED,         0x00800000900007dbn, 0x00800000900007ffn],
    ["np-VM page RWX",                0xa000_0000n,  PAGE,  RWX | SHARED_BORROWED,      0x01000000a00007dbn, 0x01000000a00007ffn],
    ["np-VM page R",                  0xa000_1000n,  PAGE,  R | SHARED_BORROWED,        0x01400000a000175bn, 0x01400000a000177fn],
    ["np-VM page R+UX (XNX)",         0xa000_0000n,  PAGE,  R | UX | SHARED_BORROWED,   0x01200000a000075bn, 0x01200000a000077fn],
    ["np-VM page R+PX (XNX)",         0xa000_0000n,  PAGE,  R | PX | SHARED_BORROWED,   0x01600000a000075bn, 0x01600000a000077fn],
    ["np-VM 2M block RWX",            0xa000_0000n,  BLOCK, RWX | SHARED_BORROWED,      0x01000000a00007d9n, 0x01000000a00007fdn],
    // Not in 2.16, by the rules of 2.3.
    ["a page that grants nothing",    0xa000_0000n,  PAGE,  0n,                         0x00400000a000071bn, 0x00400000a000073fn],
    ["device page",                   0xa000_0000n,  PAGE,  RW | DEVICE,                0x00400000a00007c7n, 0x00400000a00007c7n],
    ["normal non-cacheable page",     0xa000_0000n,  PAGE,  RW | NORMAL_NC,             0x00400000a00007d7n, 0x00400000a00007d7n],
  ])("%s, PA 0x%x", async (_leaf, pa, size, prot, fwb, noFwb) => {
    for (const [hasFwb, descriptor] of [[true, fwb], [false, noFwb]] as const) {
      const table = await aTable({ features: { fwb: hasFwb, xnx: true } });
      expect(run(table, map(GIB, size, pa, prot)).result).toBe("0");
      expect(entryAt(table, GIB).descriptor).toBe(descriptor);
    }
  });

  test("a 2M block, old and write-protected", async () => {
    const table = await aTable({ features: { fwb: true } });
    const block = map(GIB, BLOCK, 0xa000_0000n, RWX | SHARED_BORROWED);

    run(table, block);
    run(table, { op: "pt_test_clear_young", addr: GIB, size: BLOCK, mkold: 1 });
    expect(entryAt(table, GIB).descriptor).toBe(0x01000000a00003d9n);

    run(table, { op: "pt_mkyoung", addr: GIB });
    run(table, { op: "pt_wrprotect", addr: GIB, size: BLOCK });
    expect(entryAt(table, GIB).descriptor).toBe(0x01000000a0000759n);
  });
});

test("with 64 KiB pages PA[51:48] is in bits 15:12 (1.6.1)", async () => {
  const table = await aTable({ page_shift: 16, ia_bits: 48 });

  run(table, map(0n, 0x1_0000n, 0x000a_1234_5678_0000n, RWX));

  expect(entryAt(table, 0n).descriptor).toBe(0x0000_1234_5678_a7ffn);
});

describe("what cannot be encoded is refused before the walk (2.3)", () => {
  // prettier-ignore
  test.each([
    ["device and non-cacheable",             RW | DEVICE | NORMAL_NC, true,  "EINVAL"],
    ["executable device memory",             RWX | DEVICE,            true,  "EINVAL"],
    ["executable non-cacheable memory",      R | UX | NORMAL_NC,      true,  "EINVAL"],
    ["PX alone without XNX",                 R | PX,                  false, "EINVAL"],
    ["UX alone without XNX",                 R | UX,                  false, "EINVAL"],
    ["UX alone with XNX",                    R | UX,                  true,  "0"],
    ["both without XNX",                     R | X,                   false, "0"],
    ["write-only",                           W,                       false, "0"],
  ])("%s", async (_what, prot, xnx, result) => {
    const table = await aTable({ features: { xnx } });
    expect(run(table, map(GIB, PAGE, GIB, prot)).result).toBe(result);
    expect(entryAt(table, GIB).level).toBe(result === "0" ? 3 : 1);
  });

  test("before the IPA range and before the refusal of shared walks", async () => {
    const table = await aTable();
    const beyond = 1n << 40n;
    expect(run(table, map(beyond, PAGE, 0n, RWX | DEVICE)).result).toBe("EINVAL");
    expect(run(table, map(beyond, PAGE, 0n, RWX)).result).toBe("ERANGE");
  });
});
