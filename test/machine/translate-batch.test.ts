// Batches where only the address is wanted: every answer is that of the walk, whatever stands in the tables.

import fc from "fast-check";
import { expect, test } from "vitest";
import {
  FAULT_ABORT_ON_WALK,
  FAULT_ACCESS_FLAG,
  FAULT_ADDRESS_SIZE,
  FAULT_ALIGNMENT,
  FAULT_GRANULE_PROTECTION,
  FAULT_PERMISSION,
  FAULT_TRANSLATION,
  NO_STAGE2,
  TRANSLATE_FAULT_BIT,
  TRANSLATE_LEVEL_SHIFT,
} from "../../assembly/abi/walk.js";
import { Machine } from "../../src/machine/machine.js";
import { packAccess, type Access, type FaultKind, type Translation } from "../../src/machine/translation.js";

const FAULTS: Readonly<Record<FaultKind, number>> = {
  translation: FAULT_TRANSLATION,
  address_size: FAULT_ADDRESS_SIZE,
  access_flag: FAULT_ACCESS_FLAG,
  permission: FAULT_PERMISSION,
  external_abort: FAULT_ABORT_ON_WALK,
  alignment: FAULT_ALIGNMENT,
  granule_protection: FAULT_GRANULE_PROTECTION,
};

/** The packed form of what a walk found. */
function pack({ pa, fault, level }: Translation): bigint {
  if (fault === null) return pa as bigint;
  const where = BigInt(level & 0xff) << BigInt(TRANSLATE_LEVEL_SHIFT);
  return (1n << BigInt(TRANSLATE_FAULT_BIT)) | where | BigInt(FAULTS[fault.kind]);
}

type Form = "batch" | "singles" | "dependent";

/** The mask of dependent translations: which of the first 256 pages. */
const CHAIN = 0xff000n;

function run(machine: Machine, form: Form, ipas: readonly bigint[], access: Access) {
  const { exports, memory } = machine.core;
  new BigUint64Array(memory.buffer, exports.operationWindow(), ipas.length).set(ipas);
  const packed = packAccess(access);
  const forms = {
    batch: () => exports.translateBatch(0, packed, ipas.length),
    singles: () => exports.translateSingles(0, packed, ipas.length),
    dependent: () => exports.translateDependent(0, packed, CHAIN, ipas.length),
  };
  const faults = forms[form]();
  return { faults, answers: [...new BigUint64Array(memory.buffer, exports.resultWindow(), ipas.length)] };
}

/** The same by one explained walk after the other. */
function walk(machine: Machine, form: Form, ipas: readonly bigint[], access: Access) {
  const answers: bigint[] = [];
  for (const ipa of ipas) {
    const taken = form === "dependent" ? (answers.at(-1) ?? 0n) & CHAIN : 0n;
    answers.push(pack(machine.translate("host", ipa ^ taken, access) as Translation));
  }
  return { faults: answers.filter((answer) => answer >> BigInt(TRANSLATE_FAULT_BIT) === 1n).length, answers };
}

/** Changes the entries at which walks end. All are looked up first: the library cannot read the trees that come of it. */
function poke(machine: Machine, pokes: readonly { ipa: bigint; change: (descriptor: bigint) => bigint }[]): void {
  const { exports, memory } = machine.core;
  const entries = pokes.map(({ ipa }) => exports.entryPointer(0, ipa) >>> 0);
  const view = new DataView(memory.buffer);
  pokes.forEach(({ change }, index) => {
    const entry = entries[index] as number;
    if (entry !== 0) view.setBigUint64(entry, BigInt.asUintN(64, change(view.getBigUint64(entry, true))), true);
  });
}

const GRANULES = [
  { page_shift: 12, ia_bits: 48 },
  { page_shift: 12, ia_bits: 40 },
  { page_shift: 14, ia_bits: 40 },
  { page_shift: 16, ia_bits: 48 },
] as const;

/** A bit that makes an entry unusual: valid, type, S2AP, AF, nT, OA[51:47], DBM, Contiguous, XN. */
const bit = fc.constantFrom(0, 1, 6, 7, 10, 12, 15, 16, 47, 48, 49, 51, 52, 53, 54);
const accesses = fc.record({
  kind: fc.constantFrom("read", "write", "fetch", "atomic", "table_read", "table_update"),
  el: fc.constantFrom(0, 1),
  unaligned: fc.boolean(),
}) as fc.Arbitrary<Access>;

/** Page numbers around the start of the tree, and now and then anything. */
const page = fc.oneof({ weight: 8, arbitrary: fc.bigInt(0n, 1023n) }, fc.bigInt(0n, (1n << 52n) - 1n));

const trees = fc.record({
  granule: fc.constantFrom(...GRANULES),
  xnx: fc.boolean(),
  force_pte: fc.boolean(),
  maps: fc.array(
    fc.record({ page: fc.bigInt(0n, 1023n), pages: fc.bigInt(1n, 1024n), pa: page, prot: fc.bigInt(0n, 15n) }),
    {
      minLength: 1,
      maxLength: 4,
    },
  ),
  pokes: fc.array(fc.record({ page: fc.bigInt(0n, 2047n), bit }), { maxLength: 20 }),
  garbage: fc.array(fc.record({ page: fc.bigInt(0n, 2047n), descriptor: fc.bigInt(0n, (1n << 64n) - 1n) }), {
    maxLength: 2,
  }),
});

type Tree = typeof trees extends fc.Arbitrary<infer T> ? T : never;

async function build({ granule, xnx, force_pte, maps, pokes, garbage }: Tree): Promise<Machine> {
  const shift = BigInt(granule.page_shift);
  const machine = await Machine.createPageTable({ ...granule, features: { xnx }, force_pte, pool_pages: 64 });
  for (const { page, pages, pa, prot } of maps) {
    const phys = (pa << shift) & ((1n << 48n) - 1n);
    const range = { addr: page << shift, size: pages << shift, phys };
    machine.applyBatch([{ op: "pt_map", ...range, prot, mc: 1, flags: 0 }], { effects: false });
  }
  poke(machine, [
    ...pokes.map(({ page, bit }) => ({ ipa: page << shift, change: (old: bigint) => old ^ (1n << BigInt(bit)) })),
    ...garbage.map(({ page, descriptor }) => ({ ipa: page << shift, change: () => descriptor })),
  ]);
  return machine;
}

test.each<Form>(["batch", "singles", "dependent"])("%s: any tree answers as the walk does", async (form) => {
  const requests = fc.array(fc.tuple(page, fc.bigInt(0n, 0xffffn)), { minLength: 1, maxLength: 64 });
  await fc.assert(
    fc.asyncProperty(trees, requests, accesses, async (tree, list, access) => {
      const machine = await build(tree);
      const shift = BigInt(tree.granule.page_shift);
      const ipas = list.map(([number, offset]) => BigInt.asUintN(64, (number << shift) + offset));
      expect(run(machine, form, ipas, access)).toEqual(walk(machine, form, ipas, access));
    }),
    { numRuns: 300 },
  );
});

/** So many requests that each way of remembering tables takes its turn. */
const LONG = 3001;

/** Sixteen ranges of a level-2 table each, in every one some pages; more than is remembered of level-3 tables. */
async function spread(ranges: number): Promise<Machine> {
  const machine = await Machine.createPageTable({ ia_bits: 48, force_pte: true, pool_pages: 2000 });
  for (let range = 0n; range < BigInt(ranges); range++) {
    for (let block = 0n; block < 64n; block++) {
      const addr = (range << 30n) + (block << 21n);
      const map = { addr, size: 0x4000n, phys: 0x10_0000_0000n + addr, prot: 15n, mc: 1, flags: 0 } as const;
      expect(machine.applyBatch([{ op: "pt_map", ...map }], { effects: false })[0]?.ret).toBe(0);
    }
  }
  return machine;
}

test.each<[form: Form, ranges: number, blocks: number]>([
  ["batch", 1, 1],
  ["batch", 1, 64],
  ["batch", 8, 64],
  ["batch", 16, 64],
  ["singles", 1, 64],
  ["singles", 16, 64],
  ["dependent", 1, 64],
  ["dependent", 16, 64],
])("%s over %i ranges of %i tables, pages and gaps", async (form, ranges, blocks) => {
  const machine = await spread(ranges);
  // A multiplier that visits ranges, blocks and pages in no order; every fifth page is not mapped.
  const ipas = Array.from({ length: LONG }, (_, i) => {
    const x = Math.imul(i, 2654435761) >>> 0;
    const [range, block, page] = [(x >>> 8) % ranges, (x >>> 13) % blocks, (x >>> 20) % 5];
    return (BigInt(range) << 30n) + (BigInt(block) << 21n) + BigInt(page << 12) + BigInt(x & 0xfff);
  });

  expect(run(machine, form, ipas, { kind: "read" })).toEqual(walk(machine, form, ipas, { kind: "read" }));
});

test("what one batch remembers the next one does not: tables may have gone", async () => {
  const machine = await Machine.createPageTable({ ia_bits: 48, pool_pages: 16 });
  const map = { addr: 0n, size: 0x1000n, phys: 0x10_0000n, prot: 15n, mc: 1, flags: 0 } as const;
  machine.apply({ op: "pt_map", ...map });
  expect(run(machine, "batch", [0n], { kind: "read" })).toEqual({ faults: 0, answers: [0x10_0000n] });
  machine.apply({ op: "pt_unmap", addr: 0n, size: 0x1000n });

  expect(run(machine, "batch", [0n], { kind: "read" })).toEqual(walk(machine, "batch", [0n], { kind: "read" }));
});

test("a machine's host: more addresses than the core takes at a time", async () => {
  const machine = await Machine.create({ regions: [{ base: "0x40000000", size: "0x4000000" }] });
  machine.apply({ op: "host_share_hyp", pfn: 0x40100n });
  const count = 70000;
  const ipas = BigUint64Array.from({ length: count }, (_, i) => 0x4010_0000n + BigInt(i % 3) * 0x10_0000n);
  const answers = new BigUint64Array(count);

  expect(machine.translateBatch("host", ipas, { kind: "read" }, answers)).toBe(
    answers.filter((answer) => answer >> BigInt(TRANSLATE_FAULT_BIT) === 1n).length,
  );
  const walked = [...ipas.subarray(0, 3)].map((ipa) =>
    pack(machine.translate("host", ipa, { kind: "read" }) as Translation),
  );
  expect([...answers.subarray(0, 3)]).toEqual(walked);
  expect([...answers.subarray(count - 3)]).toEqual([2, 3, 4].map((i) => walked[(count - 5 + i) % 3]));
  expect(machine.translateBatch(0x1fff, ipas, { kind: "read" }, answers)).toBeNull();
  expect(() => machine.translateBatch("host", ipas, { kind: "read" }, new BigUint64Array(1))).toThrow(RangeError);
});

test("no such VM", async () => {
  const { exports } = (await Machine.createPageTable({})).core;
  expect(exports.translateBatch(1, 0, 1)).toBe(NO_STAGE2);
  expect(exports.translateSingles(1, 0, 1)).toBe(NO_STAGE2);
  expect(exports.translateDependent(1, 0, 0n, 1)).toBe(NO_STAGE2);
});
