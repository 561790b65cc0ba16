// With effects recorded every change goes the long way, range by range, as the reference tells it. Without, ordinary changes
// take short ways: pages of lists (page-lists.ts), leaves of one table (leaves.ts), pieces of messages (batch/gunyah-rm.ts).
// Both ways answer the same and come to the same state, whichever heap runs out and where.

import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { beforeAll, expect, test } from "vitest";
import * as abi from "../../../assembly/abi/gunyah.js";
import * as rm from "../../../assembly/abi/gunyah-rm.js";
import {
  encodeAccept,
  encodeAppend,
  encodeCreate,
  encodeReturn,
  messageOperations,
} from "../../../src/machine/gunyah-messages.js";
import { parcels } from "../../../src/machine/gunyah-parcels.js";
import type { Machine, Snapshot } from "../../../src/machine/machine.js";
import type { Operation } from "../../../src/machine/operations.js";
import type { Outcome } from "../../../src/machine/outcome.js";
import { attributes, BLOCK, Hypervisor, PAGE, R, RAM, RWX, type Cap } from "./hypervisor.js";
import { A, B, Board, FIRST_IPA, HLOS, page } from "./parcels.js";

const SEED = Number(process.env["FREEHOLD_SEED"] ?? 1);
const ALL = (1n << 64n) - 1n;
const HEAPS = [abi.HEAP_PARTITION, abi.HEAP_HYPERVISOR, abi.HEAP_TABLES, rm.HEAP_RM];

/** Everything there is: owners, records, tables, parcels, and what the heaps have handed out. */
function stateOf(machine: Machine): unknown {
  const tables = ["host" as const, A, B].map((vm) => [machine.leaves(vm), machine.tables(vm)]);
  const used = HEAPS.map((heap) => machine.core.exports.heapUsed(heap));
  return { owners: machine.owners(), records: machine.records(), tables, parcels: parcels(machine), used };
}

function answerOf({ ret, status, reason, subject, expected, found }: Outcome): string {
  return [ret, status, reason, subject, expected, found].join(" ");
}

/** Runs operations from a snapshot on, the long way and the short; returns how many succeeded. */
function runBothWays(machine: Machine, from: Snapshot, groups: readonly (readonly Operation[])[]): number {
  machine.restore(from);
  const long = groups.map((group) => [machine.applyBatch(group).map(answerOf), stateOf(machine)]);
  machine.restore(from);
  groups.forEach((group, index) => {
    const outcomes = machine.applyBatch(group, { effects: false }).map(answerOf);
    const short = [outcomes, stateOf(machine)];
    // `toEqual` says where they differ, and takes many times as long to see that they do not.
    if (!isDeepStrictEqual(short, long[index])) expect(short).toEqual(long[index]);
    expect(machine.checkInvariants()).toBeNull();
  });
  return long.filter(([outcomes]) => (outcomes as string[]).every((answer) => answer.startsWith("0 "))).length;
}

/** Allocations that still succeed in one of the heaps, around a group; mostly all. */
const shortage = fc.option(fc.record({ heap: fc.nat(3), allocations: fc.nat(24) }), { freq: 3, nil: null });
type Shortage = typeof shortage extends fc.Arbitrary<infer S> ? S : never;

function starved(operations: readonly Operation[], short: Shortage): Operation[] {
  if (short === null) return [...operations];
  const limit = (allocations: bigint): Operation => ({ op: "heap_limit", heap: BigInt(short.heap), allocations });
  return [limit(BigInt(short.allocations)), ...operations, limit(ALL)];
}

// Lists of pages in the resource manager's messages.

/** Pages of RAM: scattered or adjacent, ascending or not, once or twice the same, once in a while more than one page. */
const list = fc
  .record({
    first: fc.constantFrom(0, 1, 7, 500, 1020),
    stride: fc.constantFrom(1, 2, 2, 3, 16),
    count: fc.constantFrom(1, 2, 3, 16, 17, 40),
    order: fc.constantFrom("up", "up", "up", "down", "mixed"),
    odd: fc.option(fc.record({ at: fc.nat(39), first: fc.nat(80), pages: fc.constantFrom(1, 2, 512) }), { freq: 3 }),
  })
  .map(({ first, stride, count, order, odd }) => {
    const entries = Array.from({ length: count }, (_, index) => ({ ipa: page(first + stride * index), size: PAGE }));
    if (order === "down") entries.reverse();
    if (order === "mixed") entries.sort((one, other) => Number((one.ipa % 7n) - (other.ipa % 7n)));
    if (odd !== null && odd.at < count) entries[odd.at] = { ipa: page(odd.first), size: BigInt(odd.pages) * PAGE };
    return entries;
  });

const handle = fc.nat(5);
const message = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      verb: fc.constantFrom("lend" as const, "lend" as const, "share" as const, "donate" as const),
      sgl: list,
      to: fc.constantFrom(A, B),
      both: fc.boolean(),
      rights: fc.constantFrom(rm.RIGHTS_RWX, rm.RIGHTS_RWX, rm.RIGHT_R),
      flags: fc.constantFrom(0, 0, 0, rm.CREATE_SANITIZE, rm.CREATE_APPEND),
    }),
  },
  { weight: 1, arbitrary: fc.record({ verb: fc.constant("append" as const), handle, sgl: list }) },
  {
    weight: 3,
    arbitrary: fc.record({
      verb: fc.constant("accept" as const),
      by: fc.constantFrom(A, B),
      handle,
      type: fc.constantFrom(rm.TRANS_LEND, rm.TRANS_LEND, rm.TRANS_SHARE, rm.TRANS_DONATE),
      flags: fc.constantFrom(0, rm.ACCEPT_DONE, rm.ACCEPT_DONE, rm.ACCEPT_DONE | rm.ACCEPT_MAP_CONTIGUOUS),
    }),
  },
  { weight: 2, arbitrary: fc.record({ verb: fc.constant("release" as const), by: fc.constantFrom(A, B), handle }) },
  { weight: 2, arbitrary: fc.record({ verb: fc.constant("reclaim" as const), handle }) },
);
type Message = typeof message extends fc.Arbitrary<infer M> ? M : never;

const TYPES = { lend: rm.MEM_LEND, share: rm.MEM_SHARE, donate: rm.MEM_DONATE };

function operationsOf(step: Message): Operation[] {
  switch (step.verb) {
    case "lend":
    case "share":
    case "donate": {
      const { verb, sgl, to, both, rights, flags } = step;
      const others = both && verb !== "donate" ? [A, B] : [to];
      const acl = others.map((vmid) => ({ vmid, rights: verb === "donate" ? rm.RIGHTS_RWX : rights }));
      if (verb === "share") acl.push({ vmid: HLOS, rights });
      const fixed = { memType: rm.MEM_TYPE_NORMAL, flags, label: 0, attributes: [] };
      return messageOperations(HLOS, TYPES[verb], encodeCreate({ ...fixed, acl, sgl }));
    }
    case "append":
      return messageOperations(HLOS, rm.MEM_APPEND, encodeAppend({ handle: step.handle, flags: 1, sgl: step.sgl }));
    case "accept": {
      const lists = { acl: [], sgl: [], mapVmid: 0, attributes: [] };
      const fixed = { memType: rm.MEM_TYPE_NORMAL, transType: step.type, flags: step.flags, label: 0 };
      return messageOperations(step.by, rm.MEM_ACCEPT, encodeAccept({ handle: step.handle, ...fixed, ...lists }));
    }
    case "release":
      return messageOperations(step.by, rm.MEM_RELEASE, encodeReturn({ handle: step.handle, flags: 0 }));
    case "reclaim":
      return messageOperations(HLOS, rm.MEM_RECLAIM, encodeReturn({ handle: step.handle, flags: 0 }));
  }
}

let board: Board;
let boardStart: Snapshot;
let hyp: Hypervisor;
let hypStart: Snapshot;
let spaces: readonly Cap[];
let extents: readonly Cap[];

beforeAll(async () => {
  board = await Board.create();
  boardStart = board.machine.snapshot();
  hyp = await Hypervisor.boot();
  spaces = [abi.CAP_HLOS_ADDRSPACE, hyp.space(A), hyp.space(B)];
  const siblings = [hyp.derived(abi.CAP_PARENT_DDR, 0n, 1n << 44n), hyp.derived(abi.CAP_PARENT_DDR, 0n, 1n << 44n)];
  extents = [abi.CAP_HLOS_OWNED_DDR, ...siblings];
  hypStart = hyp.machine.snapshot();
});

test("messages of the resource manager", { timeout: 120_000 }, () => {
  let succeeded = 0;
  const steps = fc.array(fc.record({ step: message, short: shortage }), { minLength: 6, maxLength: 16 });
  const property = fc.property(steps, (made) => {
    const groups = made.map(({ step, short }) => starved(operationsOf(step), short));
    succeeded += runBothWays(board.machine, boardStart, groups);
  });
  fc.assert(property, { numRuns: 150, seed: SEED });
  expect(succeeded).toBeGreaterThan(300);
});

// Ranges in hypercalls: donations between siblings, and what the records of each say of address spaces.

const range = fc.record({
  offset: fc.constantFrom(0n, 1n, 2n, 15n, 16n, 17n, 510n, 511n, 512n).map((n) => RAM + n * PAGE),
  size: fc.constantFrom(PAGE, PAGE, 2n * PAGE, 16n * PAGE, 33n * PAGE, BLOCK, BLOCK + PAGE),
});
const which = fc.constantFrom(0, 0, 0, 1, 1, 2);
const hypercall = fc.oneof(
  fc.record({ call: fc.constant("donate" as const), from: which, to: which, range }),
  fc.record({
    call: fc.constantFrom("map" as const, "map" as const, "unmap" as const),
    space: which,
    extent: fc.constantFrom(1, 1, 2),
    range,
    /** At the same distance as other mappings, so that an unmap meets one. */
    base: fc.constantFrom(FIRST_IPA, FIRST_IPA, FIRST_IPA + PAGE, (1n << 36n) - BLOCK),
    access: fc.constantFrom(RWX, RWX, R),
  }),
);
type Hypercall = typeof hypercall extends fc.Arbitrary<infer H> ? H : never;

function operationOf(step: Hypercall): Operation {
  const { offset, size } = step.range;
  const vm = abi.VMID_RM;
  if (step.call === "donate") {
    const [from, to] = [extents[step.from] as Cap, extents[step.to] as Cap];
    return { op: "memextent_donate", vm, from, to, options: BigInt(abi.DONATE_TO_SIBLING), offset, size };
  }
  const [as, me] = [spaces[step.space] as Cap, extents[step.extent] as Cap];
  const common = { vm, as, me, vbase: step.base + (offset - RAM), map_flags: abi.MAP_PARTIAL, offset, size };
  if (step.call === "unmap") return { op: "addrspace_unmap", ...common };
  return { op: "addrspace_map", map_attrs: attributes(step.access), ...common };
}

test("hypercalls on ranges", { timeout: 120_000 }, () => {
  let succeeded = 0;
  const steps = fc.array(fc.record({ step: hypercall, short: shortage }), { minLength: 6, maxLength: 24 });
  const property = fc.property(steps, (made) => {
    const groups = made.map(({ step, short }) => starved([operationOf(step)], short));
    succeeded += runBothWays(hyp.machine, hypStart, groups);
  });
  fc.assert(property, { numRuns: 200, seed: SEED });
  expect(succeeded).toBeGreaterThan(500);
});
