// Descriptors of the pKVM EL2 reference (sections 1.6.3 and 2.16) in words; runs of effects told once.

import { expect, test } from "vitest";
import { describeDescriptor, describeEffects } from "../../src/machine/describe.js";
import type { Effect, PageState } from "../../src/machine/effects.js";

const host = (pageShift: number) => ({ pageShift, config: { kind: "pkvm" } }) as const;

test.each([
  [0x0n, 3, 0, "empty"],
  [0x1000000000000000n, 3, 0, "locked (between break and make)"],
  [0x2000000000000002n, 3, 0, "donated to EL2"],
  [0x2000008000010014n, 3, 0, "donated to VM 0x1001 as gfn 0x80000"],
  [0x2000008000510014n, 3, 0, "donated to VM 0x1001 as gfn 0x80005"],
  [0x3000000000000000n, 3, 0x1000, "poisoned (reclaimed by force)"],
  [0x804017dfn, 3, 0, "4 KiB page at 0x80401000, RWX"],
  [0x806007ddn, 2, 0, "2 MiB block at 0x80600000, RWX"],
  [0x800007fdn, 1, 0, "1 GiB block at 0x80000000, RWX"],
  [0x00400000000007ddn, 1, 0, "1 GiB block at 0x0, RW-"],
  [0x004000004108075fn, 3, 0, "4 KiB page at 0x41080000, R--"],
  [0x900007dbn, 3, 0x1000, "4 KiB page at 0x90000000, RWX, OWNED"],
  [0x00800000900007ffn, 3, 0x1000, "4 KiB page at 0x90000000, RWX, SHARED_OWNED"],
  [0x01400000a000175bn, 3, 0x1000, "4 KiB page at 0xa0001000, R--, SHARED_BORROWED"],
  [0x01200000a000075bn, 3, 0x1000, "4 KiB page at 0xa0000000, R-Xu, SHARED_BORROWED"],
  [0x01600000a000075bn, 3, 0x1000, "4 KiB page at 0xa0000000, R-Xp, SHARED_BORROWED"],
  [0x01000000a00003d9n, 2, 0x1000, "2 MiB block at 0xa0000000, RWX, old (access flag clear), SHARED_BORROWED"],
  [0x405ce003n, 2, 0, "table at 0x405ce000"],
])("%s at level %i of table %i: %s", (descriptor, level, vm, words) => {
  expect(describeDescriptor(descriptor, level, vm, host(12))).toBe(words);
});

test("16 and 64 KiB pages", () => {
  expect(describeDescriptor(0x804007dfn, 3, 0, host(14))).toBe("16 KiB page at 0x80400000, RWX");
  expect(describeDescriptor(0x800017dfn, 3, 0, host(16))).toBe("64 KiB page at 0x1000080000000, RWX");
  expect(describeDescriptor(0x800007ddn, 2, 0, host(16))).toBe("512 MiB block at 0x80000000, RWX");
});

const state = (host: number, hyp: number): PageState => ({ host, hyp, order: 0, refcount: 0, shares: 0 });
const page = (pa: bigint): Effect => ({ kind: "page", pa, before: state(0, 3), after: state(3, 0) });
const leaf = (ipa: bigint, after: bigint): Effect => ({ kind: "descriptor", vm: 0, ipa, level: 3, before: 0n, after });

test("equal effects at consecutive addresses are one line, wherever they stand", () => {
  const donated = 0x2000000000000002n;
  const effects = [page(0x41000000n), leaf(0x41000000n, donated), page(0x41001000n), leaf(0x41001000n, donated)];
  expect(describeEffects([...effects, page(0x41003000n)], host(12))).toEqual([
    "pfn 0x41000-0x41001 (2 pages): host OWNED -> NOPAGE, EL2 NOPAGE -> OWNED",
    "host stage 2, IPA 0x41000000-0x41001fff (2 entries), level 3: empty -> donated to EL2",
    "pfn 0x41003: host OWNED -> NOPAGE, EL2 NOPAGE -> OWNED",
  ]);
});

test("leaves of one run map consecutive pages", () => {
  const mapped = (ipa: bigint, pa: bigint): Effect => leaf(ipa, pa | 0x7ffn);
  expect(
    describeEffects(
      [mapped(0x1000n, 0x41000000n), mapped(0x2000n, 0x41001000n), mapped(0x3000n, 0x50000000n)],
      host(12),
    ),
  ).toEqual([
    "host stage 2, IPA 0x1000-0x2fff (2 entries), level 3: empty -> 4 KiB page at 0x41000000, RWX (the first)",
    "host stage 2, IPA 0x3000, level 3: empty -> 4 KiB page at 0x50000000, RWX",
  ]);
});

test("a lone table has annotations, but no owners", () => {
  const lone = { pageShift: 12, config: { kind: "page_table" } } as const;
  expect(describeDescriptor(0x2000008000010014n, 3, 0, lone)).toBe("invalid, annotated 0x2000008000010014");
  expect(describeEffects([leaf(0x1000n, 0x410007ffn)], lone)).toEqual([
    "stage 2, IPA 0x1000, level 3: empty -> 4 KiB page at 0x41000000, RWX",
  ]);
});

test("a plain KVM host: leaves have no page states, files and slots are told", () => {
  const kvm = { pageShift: 12, config: { kind: "kvm" } } as const;
  expect(describeDescriptor(0x430007ffn, 3, 1, kvm)).toBe("4 KiB page at 0x43000000, RWX");
  expect(
    describeEffects(
      [
        { kind: "memslot", vm: 1, slot: 0, gpa: 0x80000000n, before: 0n, after: 0x10000n, fd: 1 },
        { kind: "folio", fd: 1, offset: 0n, before: null, after: 0x43000000n, hostUnmapped: false },
        { kind: "folio", fd: 1, offset: 0n, before: 0x43000000n, after: null, hostUnmapped: true },
        { kind: "host_map", fd: 1, offset: 0n, pa: 0x43000000n },
        { kind: "run_exit", vm: 1, reason: 39, gpa: 0x80000000n, size: 0x1000n },
      ],
      kvm,
    ),
  ).toEqual([
    "VM 0x1, memory slot 0 on guest_memfd 1: 64 KiB at IPA 0x80000000 made",
    "guest_memfd 1, offset 0x0: page at PA 0x43000000 allocated",
    "guest_memfd 1, offset 0x0: page at PA 0x43000000 freed, the process's mapping of it goes",
    "guest_memfd 1, offset 0x0: mapped for the process at PA 0x43000000",
    "KVM_RUN returns with exit reason 39, gpa 0x80000000, 4 KiB",
  ]);
});

test("states that only Android's pKVM has", () => {
  expect(describeDescriptor(0x4000000000000000n, 3, 0x1000, host(12))).toBe("registered for MMIO");
  expect(describeDescriptor(0x2000000000000008n, 3, 0, host(12))).toBe("donated to a module of EL2");
});
