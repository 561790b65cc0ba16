// The façade: one operation, batches, effects, state, contents, snapshots. What the verbs do is tested in test/systems.

import fc from "fast-check";
import { expect, test } from "vitest";
import { OPERATION_SIZE } from "../../assembly/abi/operations.js";
import { RESULT_SIZE } from "../../assembly/abi/records.js";
import type { Effect } from "../../src/machine/effects.js";
import { Machine, type Outcome } from "../../src/machine/machine.js";
import { encodeOperation, type Operation } from "../../src/machine/operations.js";

const CONFIG = { regions: [{ base: "0x40000000", size: "0x4000000" }] };
const PFN = 0x40100n;
const PA = PFN << 12n;

const share = (pfn: bigint): Operation => ({ op: "host_share_hyp", pfn });

test("a refusal is a value that names the check", async () => {
  const machine = await Machine.create(CONFIG);
  machine.apply(share(PFN));

  expect(machine.apply(share(PFN))).toMatchObject({
    ret: -1,
    errno: "EPERM",
    status: "ok",
    reason: "host_state",
    subject: PA,
    expected: 0,
    found: 1,
    panic: null,
    effects: [],
  });
});

test("an operation's effects are its own", async () => {
  const machine = await Machine.create(CONFIG);
  const [first, second] = machine.applyBatch([share(PFN), share(PFN + 1n)]) as [Outcome, Outcome];

  const pages = (effects: readonly Effect[]) =>
    effects.flatMap((effect) => (effect.kind === "page" ? [effect.pa] : []));
  expect(new Set(pages(first.effects))).toEqual(new Set([PA]));
  expect(new Set(pages(second.effects))).toEqual(new Set([PA + 4096n]));
});

test("a batch without effects answers the same", async () => {
  const machine = await Machine.create(CONFIG);
  const outcomes = machine.applyBatch([share(PFN), share(PFN)], { effects: false });

  expect(outcomes.map(({ ret, effects }) => [ret, effects.length])).toEqual([
    [0, 0],
    [-1, 0],
  ]);
});

test("packed records: more than one batch of the core, results in order", async () => {
  const machine = await Machine.create(CONFIG);
  const count = 70_000;
  const records = new Uint8Array(count * OPERATION_SIZE);
  const view = new DataView(records.buffer);
  for (let i = 0; i < count; i++) encodeOperation(share(PFN), view, i * OPERATION_SIZE);
  const results = new Uint8Array(count * RESULT_SIZE);
  machine.runPacked(records, count, { results });

  const ret = (i: number) => new DataView(results.buffer).getInt32(i * RESULT_SIZE, true);
  expect([ret(0), ret(1), ret(count - 1)]).toEqual([0, -1, -1]);
  expect(() => machine.runPacked(records, count + 1)).toThrow(RangeError);
  expect(() => machine.runPacked(records, count, { results: new Uint8Array(24) })).toThrow(RangeError);
});

test("listeners hear every operation by number until they leave", async () => {
  const machine = await Machine.create(CONFIG);
  const heard: [number, number][] = [];
  const leave = machine.onEffects((operation, effects) => heard.push([operation, effects.length]));
  machine.apply(share(PFN));
  machine.applyBatch([share(PFN), share(PFN + 1n)], { effects: false });
  leave();
  machine.apply(share(PFN + 2n));

  expect(heard.map(([operation, effects]) => [operation, effects > 0])).toEqual([
    [0, true],
    [1, false],
    [2, true],
  ]);
});

test("pages: state where there is memory, null elsewhere", async () => {
  const machine = await Machine.create(CONFIG);
  machine.apply(share(PFN));

  expect(machine.pageState(PFN)).toMatchObject({ host: 1, hyp: 2, refcount: 0, shares: 0 });
  expect(machine.pageState(0x1n)).toBeNull();
  const total = machine.pages().reduce((sum, { pages }) => sum + pages, 0n);
  expect(total).toBe(0x4000n);
});

test("leaves and tables of the host", async () => {
  const machine = await Machine.create(CONFIG);
  machine.apply({ op: "host_abort", esr: 0x92000007n, spsr: 0x3c5n, far: PA, hpfar: PA >> 8n, at_fail: 0 });

  const leaf = machine.leaf("host", PA + 4096n);
  expect(leaf).toMatchObject({ ipa: 0x40000000n, level: 2, descriptor: 0x400007fdn });
  expect(machine.leaves("host")).toContainEqual(leaf);
  expect(machine.leaf("host", 0x8000_0000n)).toMatchObject({ descriptor: 0n });
  expect(machine.leaf("host", 1n << 40n)).toBeNull();
  expect(machine.leaf(0x1000, 0n)).toBeNull();
  expect(machine.tables("host").filter(({ isRoot }) => isRoot)).toHaveLength(2);
});

test("contents: zeros until written, copies both ways", async () => {
  const machine = await Machine.create(CONFIG);
  expect(machine.readPage(PA).every((byte) => byte === 0)).toBe(true);
  machine.writePage(PA, Uint8Array.of(1, 2, 3), 4093);
  const page = machine.readPage(PA + 5n);
  page.fill(9);

  expect([...machine.readPage(PA).subarray(4092)]).toEqual([0, 1, 2, 3]);
  expect(() => machine.writePage(PA, Uint8Array.of(1), 4096)).toThrow("bytes do not fit the page");
  expect(() => machine.readPage(0n)).toThrow("0x0 is not memory");
});

test("a VM and its vCPU are listed", async () => {
  const machine = await Machine.create(CONFIG);
  const { ret: vm } = machine.apply({ op: "reserve_vm" });
  expect(machine.vms()).toEqual([{ vm, state: "reserved", protected: false, vcpus: 0 }]);

  const shared = [0n, 1n, 2n, 3n].map((page) => share(PFN + page));
  const created = machine.applyBatch([
    ...shared,
    { op: "init_vm", vm, kvm_pa: PA, vm_pa: PA + 0x10000n, pgd_pa: PA + 0x20000n, vcpus: 1, protected: 1, id_regs: 1 },
    { op: "init_vcpu", vm, vcpu: 0, host_pa: PA + 0x2000n, hyp_pa: PA + 0x30000n },
    { op: "vcpu_load", vm, vcpu: 0 },
  ]);
  expect(created.map(({ ret }) => ret)).toEqual([0, 0, 0, 0, 0, 0, 0]);
  expect(created.at(-1)?.details.loaded).toEqual({ vm, vcpu: 0 });
  expect(machine.vms()).toEqual([{ vm, state: "live", protected: true, vcpus: 1 }]);
  expect(machine.vcpus(vm)).toEqual([{ vm, vcpu: 0, present: true, loaded: true, memcache: 0, hostMemcache: 0 }]);
});

test("a panic is reported until the machine is reset", async () => {
  const machine = await Machine.create(CONFIG);
  const text = (machine.config.kind === "pkvm" && machine.config.hyp_text.base) as bigint;
  const outcome = machine.apply({ op: "host_force_reclaim_page_guest", phys: text });

  expect(outcome).toMatchObject({ status: "panicked", panic: { kind: "warn", func: "host_stage2_decode_gfn_meta" } });
  expect(machine.apply(share(PFN)).status).toBe("panicked");
  expect(machine.panicked?.func).toBe("host_stage2_decode_gfn_meta");
  machine.reset();
  expect(machine.panicked).toBeNull();
  expect(machine.apply(share(PFN)).ret).toBe(0);
});

test("an operation of another kind of machine is invalid and changes nothing", async () => {
  const table = await Machine.createPageTable({});

  expect(table.apply(share(PFN)).status).toBe("invalid");
  expect(table.apply({ op: "pt_map", addr: 0n, size: 4096n, phys: 0n, prot: 15n, mc: 1, flags: 0 }).ret).toBe(0);
  expect(table.leaf("host", 0n)?.level).toBe(3);
});

test("a snapshot is for its own machine", async () => {
  const [one, other] = [await Machine.create(CONFIG), await Machine.create(CONFIG)];

  expect(() => other.restore(one.snapshot())).toThrow("another machine's");
});

test("invariants by name", async () => {
  const machine = await Machine.create(CONFIG);

  expect(machine.checkInvariants()).toBeNull();
  expect(machine.checkInvariants(["I1", "I17"])).toBeNull();
  expect(() => machine.checkInvariants(["I99"])).toThrow('unknown invariant "I99"');
});

const pfn = fc.integer({ min: 0, max: 15 }).map((page) => PFN + BigInt(page));
const nr = fc.integer({ min: -1, max: 3 });
const someOperation: fc.Arbitrary<Operation> = fc.oneof(
  pfn.map((page): Operation => ({ op: "host_share_hyp", pfn: page })),
  pfn.map((page): Operation => ({ op: "host_unshare_hyp", pfn: page })),
  fc.tuple(pfn, nr).map(([page, pages]): Operation => ({ op: "host_donate_hyp", pfn: page, nr: pages })),
  fc.tuple(pfn, nr).map(([page, pages]): Operation => ({ op: "host_share_ffa", pfn: page, nr: pages })),
  pfn.map((page): Operation => ({
    op: "host_abort",
    esr: 0x92000007n,
    spsr: 0n,
    far: page << 12n,
    hpfar: page << 4n,
    at_fail: 0,
  })),
);
const someOperations = fc.array(someOperation, { maxLength: 40 });

test("a batch equals the same operations one by one", async () => {
  const [batch, single] = [await Machine.create(CONFIG), await Machine.create(CONFIG)];
  fc.assert(
    fc.property(someOperations, (operations) => {
      batch.reset();
      single.reset();
      const together = batch.applyBatch(operations);
      expect(together).toEqual(operations.map((operation) => single.apply(operation)));
      expect(batch.pages()).toEqual(single.pages());
      expect(batch.leaves("host")).toEqual(single.leaves("host"));
    }),
    { numRuns: 30 },
  );
});

test("a restored snapshot is the same bytes, and the same future", async () => {
  const machine = await Machine.create(CONFIG);
  fc.assert(
    fc.property(someOperations, someOperations, (before, after) => {
      machine.reset();
      machine.applyBatch(before);
      const snapshot = machine.snapshot();
      const first = machine.applyBatch(after);
      machine.writePage(PA, Uint8Array.of(7));
      machine.restore(snapshot);
      expect(Buffer.compare(machine.snapshot().bytes, snapshot.bytes)).toBe(0);
      expect(machine.applyBatch(after)).toEqual(first);
    }),
    { numRuns: 30 },
  );
});
