// Properties of all sequences of hypercalls: the invariants of reference gunyah section 9 hold after each, and a call that is
// refused leaves ownership, tables, records and contents as they were (I23), whichever heap runs out and where.

import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import * as abi from "../../../assembly/abi/gunyah.js";
import type { Snapshot } from "../../../src/machine/machine.js";
import { BLOCK, extentAttributes, Hypervisor, PAGE, R, RAM, resultOf, RW, RWX, type Cap } from "./hypervisor.js";

const WHOLE = 1n << 44n;
const VMIDS = [0x80, 0x81] as const;

let hyp: Hypervisor;
let start: Snapshot;
let spaces: Cap[];
let extents: Cap[];
/** Extents by the objects that the ownership database names. */
let objects: Map<number, Cap>;

beforeAll(async () => {
  hyp = await Hypervisor.boot();
  spaces = [abi.CAP_HLOS_ADDRSPACE, ...VMIDS.map((vmid) => hyp.space(vmid))];
  const full = hyp.derived(abi.CAP_PARENT_DDR, 0n, WHOLE);
  const readable = hyp.derived(abi.CAP_PARENT_DDR, 0n, WHOLE, extentAttributes(RW, "sparse"));
  extents = [abi.CAP_HLOS_OWNED_DDR, full, readable, hyp.derived(full, 0n, WHOLE)];
  start = hyp.machine.snapshot();
  objects = new Map(extents.map((me) => [objectOf(me), me]));
});

/** Found by giving it a page. */
function objectOf(me: Cap): number {
  hyp.machine.restore(start);
  if (me !== abi.CAP_HLOS_OWNED_DDR) hyp.takeFromHlos(cap(extents, 1), RAM, PAGE);
  if (me === cap(extents, 3)) hyp.donate("child", cap(extents, 1), me, RAM, PAGE);
  else if (me !== abi.CAP_HLOS_OWNED_DDR) hyp.donate("sibling", cap(extents, 1), me, RAM, PAGE);
  return Number(hyp.answer({ op: "memdb_lookup", addr: RAM }));
}

/** All that a refused call must leave alone. */
function state() {
  const { machine } = hyp;
  const used = [abi.HEAP_PARTITION, abi.HEAP_HYPERVISOR, abi.HEAP_TABLES].map((heap) =>
    machine.core.exports.heapUsed(heap),
  );
  const tables = ["host" as const, ...VMIDS].map((vm) => [machine.leaves(vm), machine.tables(vm)]);
  return { owners: machine.owners(), records: machine.records(), tables, used };
}

const page = fc.constantFrom(0n, 1n, 2n, 511n, 512n, 513n, 1024n).map((n) => n * PAGE);
const size = fc.constantFrom(PAGE, 2n * PAGE, BLOCK, BLOCK + PAGE, 3n * BLOCK);
const ipa = fc.constantFrom(RAM, RAM + PAGE, RAM + BLOCK, 0x4000_0000n, 0x4000_1000n, 0x4020_0000n, (1n << 36n) - PAGE);
const which = <T>(list: () => readonly T[]) => fc.nat(10).map((n) => list()[n % list().length] as T);
const access = fc.constantFrom(R, RW, RWX, 0);
/** Allocations that still succeed, in one of the heaps: mostly all. */
const shortage = fc.option(
  fc.record({ heap: fc.constantFrom(0n, 1n, 2n), allocations: fc.bigInt({ min: 0n, max: 3n }) }),
  { freq: 2, nil: null },
);

const verb = fc.oneof(
  fc.record({ verb: fc.constant("donate" as const), from: fc.nat(3), to: fc.nat(3), page, size }),
  fc.record({ verb: fc.constant("donate_owned" as const), to: fc.nat(3), page, size: fc.constantFrom(PAGE, BLOCK) }),
  fc.record({ verb: fc.constant("map" as const), space: fc.nat(2), extent: fc.nat(3), ipa, page, size, access }),
  fc.record({ verb: fc.constant("unmap" as const), space: fc.nat(2), extent: fc.nat(3), ipa, page, size }),
  fc.record({ verb: fc.constant("unmap_record" as const), record: fc.nat(20), isWhole: fc.boolean() }),
  fc.record({ verb: fc.constant("unmap_all" as const), extent: fc.integer({ min: 1, max: 3 }) }),
  fc.record({
    verb: fc.constant("derive" as const),
    extent: fc.nat(3),
    page,
    size,
    kind: fc.constantFrom("basic" as const, "sparse" as const),
  }),
  fc.record({ verb: fc.constant("delete" as const), which: which(() => [0, 1, 2]) }),
);
type Verb = typeof verb extends fc.Arbitrary<infer V> ? V : never;

const cap = (list: readonly Cap[], index: number): Cap => list[index] as Cap;

/** Runs a verb; extents derived on the way are in `made`. */
function run(step: Verb, made: Cap[]): string {
  switch (step.verb) {
    case "donate":
      return donate(cap(extents, step.from), cap(extents, step.to), step);
    case "map":
      return resultOf(
        hyp.map(cap(spaces, step.space), cap(extents, step.extent), step.ipa, {
          access: step.access,
          part: { offset: RAM + step.page, size: step.size },
        }),
      );
    case "unmap":
      return resultOf(
        hyp.unmap(cap(spaces, step.space), cap(extents, step.extent), step.ipa, {
          offset: RAM + step.page,
          size: step.size,
        }),
      );
    case "donate_owned": {
      const from = objects.get(Number(hyp.call({ op: "memdb_lookup", addr: RAM + step.page }).details.answer ?? 0n));
      return from === undefined ? "nothing to do" : donate(from, cap(extents, step.to), step);
    }
    case "unmap_record":
      return unmapRecord(step);
    case "unmap_all":
      return hyp.result({ op: "memextent_modify", me: cap(extents, step.extent), flags: 0n, offset: 0n, size: 0n });
    case "derive": {
      const me = made.at(-1);
      return me === undefined ? "nothing to do" : activate(me, step);
    }
    case "delete": {
      const me = made[step.which];
      return me === undefined ? "nothing to do" : hyp.delete(me);
    }
  }
}

/** One of the records there are but HLOS's own, or its first page. */
function unmapRecord({ record: index, isWhole }: Extract<Verb, { verb: "unmap_record" }>): string {
  const records = hyp.machine
    .records()
    .filter(({ size: bytes, extent }) => bytes < WHOLE && objects.has(extent.object));
  const record = records[index % Math.max(1, records.length)];
  if (record === undefined) return "nothing to do";
  const as = cap(spaces, [abi.VMID_HLOS, ...VMIDS].indexOf(record.vm));
  const me = objects.get(record.extent.object) as Cap;
  return resultOf(hyp.unmap(as, me, record.ipa, { offset: record.pa, size: isWhole ? record.size : PAGE }));
}

function donate(from: Cap, to: Cap, step: { readonly page: bigint; readonly size: bigint }): string {
  const child = cap(extents, 3);
  const parent = cap(extents, 1);
  const direction = to === child && from === parent ? "child" : from === child && to === parent ? "parent" : "sibling";
  return resultOf(hyp.donate(direction, from, to, RAM + step.page, step.size));
}

function activate(me: Cap, step: Extract<Verb, { verb: "derive" }>): string {
  const parent = cap(extents, step.extent);
  const attrs = extentAttributes(RW, step.kind);
  hyp.call({ op: "memextent_configure_derive", me, parent, offset: RAM + step.page, size: step.size, attrs });
  return hyp.result({ op: "object_activate", cap: me });
}

test("the invariants hold, and what is refused changes nothing", () => {
  fc.assert(
    fc.property(fc.array(fc.record({ step: verb, shortage }), { minLength: 1, maxLength: 14 }), (steps) => {
      hyp.machine.restore(start);
      const made: Cap[] = [];
      for (const { step, shortage: short } of steps) {
        if (step.verb === "derive") made.push(hyp.create("memextent"));
        hyp.must({ op: "rcu_sync" });
        const before = state();
        if (short !== null) hyp.must({ op: "heap_limit", ...short });
        const result = run(step, made);
        if (short !== null) hyp.must({ op: "heap_limit", heap: short.heap, allocations: 2n ** 64n - 1n });
        expect(hyp.machine.checkInvariants(), `${step.verb}: ${result}`).toBeNull();
        expect(hyp.machine.panicked).toBeNull();
        if (result !== "OK") expect(state(), `${step.verb}: ${result}`).toEqual(before);
      }
    }),
    { numRuns: 300, seed: 20240131 },
  );
});

test("a snapshot brings everything back", () => {
  hyp.machine.restore(start);
  const before = state();
  hyp.takeFromHlos(cap(extents, 1), RAM, PAGE);
  hyp.map(cap(spaces, 1), cap(extents, 1), 0x4000_0000n, { part: { offset: RAM, size: PAGE } });
  expect(state()).not.toEqual(before);
  hyp.machine.restore(start);
  expect(state()).toEqual(before);
});
