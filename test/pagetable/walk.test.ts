// The architecture's walk and the page-table library read the same tables: wherever the library finds a leaf, a walk ends at
// it, and the leaf decides what the walk answers. For every mapping that the library can make.

import fc from "fast-check";
import { expect, test } from "vitest";
import { Machine } from "../../src/machine/machine.js";
import type { Operation } from "../../src/machine/operations.js";
import type { AccessKind } from "../../src/machine/translation.js";

const SHAPES = [
  { page_shift: 12, ia_bits: 32 },
  { page_shift: 12, ia_bits: 40 },
  { page_shift: 12, ia_bits: 48 },
  { page_shift: 14, ia_bits: 36 },
  { page_shift: 14, ia_bits: 42 },
  { page_shift: 14, ia_bits: 48 },
  { page_shift: 16, ia_bits: 40 },
  { page_shift: 16, ia_bits: 44 },
  { page_shift: 16, ia_bits: 48 },
] as const;
type Shape = (typeof SHAPES)[number];

/** Sizes of leaves from level 3 up to 1, in pages; a range of any of them may become a block. */
const blockPages = (shift: number) => [1n, 1n << BigInt(shift - 3), 1n << BigInt(2 * (shift - 3))] as const;

/** Addresses close together and aligned now and then, so that mappings meet, overlap and become blocks. */
const someAddress = ({ page_shift, ia_bits }: Shape) => {
  const [, block, large] = blockPages(page_shift);
  const pages = fc
    .tuple(fc.nat(2), fc.nat(3), fc.constantFrom(0n, 0n, 1n, 2n, 37n))
    .map(([i, j, page]) => BigInt(i) * large + BigInt(j) * block + page);
  const limit = (1n << BigInt(ia_bits - page_shift)) - 1n;
  return pages.map((page) => (page & limit) << BigInt(page_shift));
};

const someSize = ({ page_shift }: Shape) => {
  const [page, block, large] = blockPages(page_shift);
  return fc.constantFrom(page, page * 3n, block, block * 2n, large).map((pages) => pages << BigInt(page_shift));
};

/** enum kvm_pgtable_prot: X (both levels), W, R, device, non-cacheable. */
const someProt = fc.constantFrom(0n, 3n, 4n, 8n, 12n, 11n, 15n, 1n, 2n, 9n, 14n, 28n, 44n, 24n);

function someOperation(shape: Shape): fc.Arbitrary<Operation> {
  const addr = someAddress(shape);
  const size = someSize(shape);
  const prot = someProt;
  return fc.oneof(
    {
      weight: 4,
      arbitrary: fc
        .record({ addr, size, phys: addr, prot })
        .map((args): Operation => ({ op: "pt_map", ...args, mc: 1, flags: 0 })),
    },
    fc.record({ addr, size }).map((args): Operation => ({ op: "pt_unmap", ...args })),
    fc.record({ addr, size }).map((args): Operation => ({ op: "pt_wrprotect", ...args })),
    fc.record({ addr, size }).map((args): Operation => ({ op: "pt_annotate", ...args, type: 1, annot: 5n, mc: 1 })),
    fc.record({ addr, size }).map((args): Operation => ({ op: "pt_test_clear_young", ...args, mkold: 1 })),
    fc.record({ addr }).map((args): Operation => ({ op: "pt_mkyoung", ...args })),
    fc.record({ addr, prot }).map((args): Operation => ({ op: "pt_relax_perms", ...args })),
  );
}

/** What the leaf says: `fault level`, or the physical address. */
function expected(machine: Machine, ipa: bigint, kind: AccessKind, el: 0 | 1): string {
  const leaf = machine.leaf("host", ipa);
  if (leaf === null) return "translation 0";
  const { descriptor, level } = leaf;
  if ((descriptor & 1n) === 0n) return `translation ${level}`;
  if ((descriptor & (1n << 10n)) === 0n) return `access_flag ${level}`;
  if (!permits(descriptor, kind, el, machine.config.features.xnx)) return `permission ${level}`;
  const shift = machine.pageShift;
  const mask = (1n << BigInt((shift - 3) * (4 - level) + 3)) - 1n;
  const high = shift === 16 ? ((descriptor >> 12n) & 15n) << 48n : 0n;
  return `0x${(high | (descriptor & 0xffff_ffff_f000n & ~mask) | (ipa & mask)).toString(16)}`;
}

function permits(descriptor: bigint, kind: AccessKind, el: 0 | 1, xnx: boolean): boolean {
  const [read, write] = [(descriptor & (1n << 6n)) !== 0n, (descriptor & (1n << 7n)) !== 0n];
  const xn = Number((descriptor >> 53n) & (xnx ? 3n : 2n));
  switch (kind) {
    case "read":
    case "table_read":
      return read;
    case "write":
      return write;
    case "fetch":
      return xn === 0 || xn === (el === 0 ? 1 : 3);
    default:
      return read && write;
  }
}

const KINDS: readonly AccessKind[] = ["read", "write", "fetch", "table_read", "table_update", "atomic"];

function compare(machine: Machine, ipa: bigint): void {
  for (const kind of KINDS) {
    for (const el of [0, 1] as const) {
      const answer = machine.translate("host", ipa, { kind, el });
      const { fault, level, pa } = answer ?? { fault: null, level: 0, pa: null };
      const found = fault === null ? `0x${pa?.toString(16) ?? ""}` : `${fault.kind} ${level}`;
      expect(found, `${kind} at EL${el}, IPA 0x${ipa.toString(16)}`).toBe(expected(machine, ipa, kind, el));
    }
  }
}

/** A few of many: the first, the last, and some between. */
function sample<T>(list: readonly T[]): T[] {
  const step = Math.max(1, Math.floor(list.length / 8));
  return list.filter((_, index) => index % step === 0 || index === list.length - 1);
}

test.each(
  SHAPES.flatMap((shape) => [
    { ...shape, xnx: false },
    { ...shape, xnx: true },
  ]),
)(
  "walks end where the library's leaves are: $page_shift-bit pages, $ia_bits-bit IPAs, XNX $xnx",
  async ({ xnx, ...shape }) => {
    const machine = await Machine.createPageTable({ ...shape, features: { xnx }, pool_pages: 40 });
    const address = someAddress(shape);
    const run = fc.property(
      fc.array(someOperation(shape), { maxLength: 12 }),
      fc.array(address, { maxLength: 6 }),
      (operations, addresses) => {
        machine.reset();
        machine.applyBatch(operations, { effects: false });
        for (const { ipa } of sample(machine.leaves("host"))) compare(machine, ipa + 0x123n);
        for (const ipa of addresses) compare(machine, ipa);
        compare(machine, 1n << BigInt(shape.ia_bits));
      },
    );
    fc.assert(run, { numRuns: 40 });
  },
);
