// A machine in a worker answers as one in this thread does. The worker's side is the built one, in dist/.

import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { OPERATION_SIZE } from "../../assembly/abi/operations.js";
import { RESULT_SIZE } from "../../assembly/abi/records.js";
import { ConfigError } from "../../src/machine/config.js";
import type { Effect } from "../../src/machine/effects.js";
import { Machine } from "../../src/machine/machine.js";
import { encodeOperation, type Operation } from "../../src/machine/operations.js";
import { giveAway } from "../../src/workers/buffers.js";
import { openWorkerPool, type NodeJobs } from "../../src/workers/node.js";
import type { WorkerPool } from "../../src/workers/pool.js";
import { RemoteMachine } from "../../src/workers/remote-machine.js";
import { WorkerDied } from "../../src/workers/thread.js";

const CONFIG = { regions: [{ base: "0x40000000", size: "0x4000000" }] };
const SEED = 20261122;
const SHARE: Operation = { op: "host_share_hyp", pfn: 0x41000n };

let pool: WorkerPool<NodeJobs>;
beforeAll(async () => {
  pool = await openWorkerPool({ size: 2 });
});
afterAll(() => pool.close());

const machines = new Set<RemoteMachine>();
// A test that fails must not keep a worker from the next one.
afterEach(() => {
  for (const machine of machines) machine.close();
  machines.clear();
});

async function remoteMachine(): Promise<RemoteMachine> {
  const machine = await pool.machine("pkvm", CONFIG);
  machines.add(machine);
  return machine;
}

/** The same machine twice: in a worker, and here. */
async function twins(): Promise<{ remote: RemoteMachine; local: Machine }> {
  return { remote: await remoteMachine(), local: await Machine.create(CONFIG) };
}

const pfn = fc.bigInt({ min: 0x40ffen, max: 0x41005n });
const gfn = fc.bigInt({ min: 0x80000n, max: 0x80003n });
const operation: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({ op: fc.constantFrom("host_share_hyp" as const, "host_unshare_hyp" as const), pfn }),
  fc.record({ op: fc.constantFrom("host_donate_hyp" as const, "hyp_donate_host" as const), pfn, nr: fc.constant(1n) }),
  fc.record({ op: fc.constant("reserve_vm" as const) }),
  fc.record({ op: fc.constant("host_donate_guest" as const), pfn, gfn, vm: fc.constant(0x1000), vcpu: fc.constant(0) }),
);

/** Everything that can be asked of a machine, in one value. */
async function answers(machine: Machine | RemoteMachine): Promise<unknown> {
  const pfns = [0x40fffn, 0x41000n, 0x41001n, 0x90000n];
  return Promise.all([
    ...[machine.config, machine.pageShift, machine.pageSize, machine.panicked, machine.tlb.mode, machine.tlb.reported],
    ...[machine.pages(), machine.leaves("host"), machine.tables("host"), machine.leaves(0x1000), machine.vms()],
    ...[machine.vcpus(), machine.owners(), machine.records(), machine.checkInvariants(), machine.walkRegisters("host")],
    ...pfns.flatMap((page) => [machine.pageState(page), machine.isMemory(page), machine.leaf("host", page << 12n)]),
    ...[machine.translate("host", 0x41000008n, { kind: "write" }), machine.translate(0x1234, 0n, { kind: "read" })],
    ...[machine.readPage(0x41000000n), machine.accessBatch([{ stage2: "host", ipa: 0x41000000n, kind: "read" }])],
  ]);
}

describe("the same answers", () => {
  test("to everything, after any operations", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { maxLength: 30 }), async (operations) => {
        const { remote, local } = await twins();
        try {
          for (const one of operations.slice(0, 5)) expect(await remote.apply(one)).toEqual(local.apply(one));
          const others = operations.slice(5);
          expect(await remote.applyBatch(others)).toEqual(local.applyBatch(others));
          expect(await answers(remote)).toEqual(await answers(local));
        } finally {
          remote.close();
        }
      }),
      { seed: SEED, numRuns: 25 },
    );
  });

  test("to packed operations, with their effect records", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { minLength: 1, maxLength: 40 }), async (operations) => {
        const { remote, local } = await twins();
        const records = packed(operations);
        const [there, here] = [new Uint8Array(100 * RESULT_SIZE), new Uint8Array(100 * RESULT_SIZE)];
        try {
          await remote.runPacked(records, operations.length, { results: there, effects: true });
          local.runPacked(records, operations.length, { results: here, effects: true });
          expect(there).toEqual(here);
          expect(await effectWords(remote)).toEqual(await effectWords(local));
        } finally {
          remote.close();
        }
      }),
      { seed: SEED, numRuns: 10 },
    );
  });

  test("to contents, accesses and batches of translations", async () => {
    const { remote, local } = await twins();
    for (const machine of [remote, local]) {
      await machine.writePage(0x41000000n, Uint8Array.of(1, 2, 3), 8);
      await machine.access("host", 0x41000010n, "write", { bytes: 4, value: 0xfeedn });
    }
    expect(await remote.readPage(0x41000000n)).toEqual(local.readPage(0x41000000n));
    const ipas = BigUint64Array.of(0x41000000n, 0x0n, 0xffff_ffff_ffff_f000n);
    const [there, here] = [new BigUint64Array(3), new BigUint64Array(3)];
    const access = { kind: "read" } as const;
    expect(await remote.translateBatch("host", ipas, access, there)).toBe(
      local.translateBatch("host", ipas, access, here),
    );
    expect(there).toEqual(here);
    expect(await remote.translateBatch(0x1234, ipas, access, there)).toBeNull();
  });

  test("with the TLB on", async () => {
    const { remote, local } = await twins();
    for (const machine of [remote, local]) {
      await machine.tlb.enable("worst_case");
      await machine.tlb.suppress("break_leaf");
      await machine.apply({ op: "host_donate_hyp", pfn: 0x41000n, nr: 1n });
    }
    expect(await remote.tlb.mode).toBe("worst_case");
    expect(await remote.tlb.takeReports()).toEqual(local.tlb.takeReports());
  });

  test.each([
    ["kvm", () => Machine.createKvm(CONFIG)],
    ["gunyah", () => Machine.createGunyah(CONFIG)],
    ["page_table", () => Machine.createPageTable({})],
  ] as const)("of a machine of kind %s", async (kind, create) => {
    const remote = await (kind === "page_table" ? pool.machine(kind, {}) : pool.machine(kind, CONFIG));
    machines.add(remote);
    const local = await create();
    expect(remote.config).toEqual(local.config);
    expect(await remote.leaves("host")).toEqual(local.leaves("host"));
    expect(await remote.owners()).toEqual(local.owners());
  });
});

function packed(operations: readonly Operation[]): Uint8Array {
  const records = new Uint8Array(operations.length * OPERATION_SIZE);
  const view = new DataView(records.buffer);
  operations.forEach((one, index) => encodeOperation(one, view, index * OPERATION_SIZE));
  return records;
}

async function effectWords(machine: Machine | RemoteMachine): Promise<bigint[]> {
  const words: bigint[] = [];
  await machine.eachEffectRecord((view, at) => {
    for (let word = 0; word < 40; word += 8) words.push(view.getBigUint64(at + word, true));
  });
  return words;
}

describe("snapshots", () => {
  test("stay in the worker; their machine goes back to them until they are discarded", async () => {
    const remote = await remoteMachine();
    const snapshot = await remote.snapshot();
    await remote.apply(SHARE);
    expect(await remote.pageState(0x41000n)).toMatchObject({ host: 1 });
    await remote.restore(snapshot);
    expect(await remote.pageState(0x41000n)).toMatchObject({ host: 0 });
    await remote.discard(snapshot);
    await expect(remote.restore(snapshot)).rejects.toThrow(new RangeError("the snapshot was discarded"));
  });

  test("are of one machine", async () => {
    const [one, other] = await Promise.all([remoteMachine(), remoteMachine()]);
    const snapshot = await one.snapshot();
    await expect(other.restore(snapshot)).rejects.toThrow(new RangeError("the snapshot is another machine's"));
  });

  test("reset goes back to the beginning", async () => {
    const remote = await remoteMachine();
    await remote.apply(SHARE);
    await remote.reset();
    expect(await remote.pageState(0x41000n)).toMatchObject({ host: 0 });
  });
});

test("listeners have heard of an operation when it is answered, until they leave", async () => {
  const { remote, local } = await twins();
  type Heard = [number, Effect["kind"][]][];
  const there: Heard = [];
  const here: Heard = [];
  const note = (heard: Heard) => (number: number, effects: readonly Effect[]) => {
    heard.push([number, effects.map(({ kind }) => kind)]);
  };
  local.onEffects(note(here));
  const leave = await remote.onEffects(note(there));
  for (const machine of [remote, local]) {
    await machine.apply(SHARE);
    await machine.applyBatch([SHARE, { op: "host_unshare_hyp", pfn: 0x41000n }], { effects: false });
    await machine.runPacked(packed([SHARE]), 1);
  }
  expect(there).toEqual(here);
  expect(there.map(([number]) => number)).toEqual([0, 1, 2, 3]);
  await leave();
  await remote.apply(SHARE);
  expect(there).toHaveLength(4);
});

describe("memory", () => {
  test("what is given away moves, what is not stays", async () => {
    const remote = await remoteMachine();
    const kept = packed([SHARE]);
    await remote.runPacked(kept, 1);
    expect(kept).toHaveLength(OPERATION_SIZE);
    const given = packed([SHARE]);
    await remote.runPacked(giveAway(given), 1);
    expect(given).toHaveLength(0);
  });

  test("moved records come back with their results", async () => {
    const { remote, local } = await twins();
    const records = packed([SHARE, SHARE]);
    const [there, results] = [new Uint8Array(2 * RESULT_SIZE), new Uint8Array(2 * RESULT_SIZE)];
    const { records: back, answers } = await remote.movePacked(records, 2, there);
    local.runPacked(packed([SHARE, SHARE]), 2, { results });
    expect([records.length, there.length]).toEqual([0, 0]);
    expect(back).toEqual(packed([SHARE, SHARE]));
    expect(answers).toEqual(results);
  });

  test("of a part of a larger buffer only that part goes", async () => {
    const remote = await remoteMachine();
    const larger = new Uint8Array(1000 * OPERATION_SIZE);
    larger.set(packed([SHARE]), OPERATION_SIZE);
    await remote.runPacked(larger.subarray(OPERATION_SIZE), 1);
    expect(await remote.pageState(0x41000n)).toMatchObject({ host: 1 });
  });
});

describe("errors are those of the machine in this thread", () => {
  const cases: readonly [string, (machine: Machine | RemoteMachine) => unknown][] = [
    ["an unknown operation", (machine) => machine.apply({ op: "host_shear_hyp" } as never)],
    ["an argument that does not fit", (machine) => machine.apply({ op: "host_share_hyp", pfn: 1n << 64n })],
    ["too few records", (machine) => machine.runPacked(new Uint8Array(8), 1)],
    ["no room for results", (machine) => machine.runPacked(packed([SHARE]), 1, { results: new Uint8Array(1) })],
    ["no room for answers", (machine) => machine.accessPacked(new Uint8Array(24), 1, new Uint8Array(1))],
    ["a page that is no memory", (machine) => machine.readPage(0n)],
    ["bytes that do not fit", (machine) => machine.writePage(0x41000000n, new Uint8Array(2), 4095)],
    ["an unknown invariant", (machine) => machine.checkInvariants(["I99"])],
    ["an access across pages", (machine) => machine.access("host", 0x41000ffcn, "read")],
  ];

  test.each(cases)("%s", async (_, act) => {
    const { remote, local } = await twins();
    const [there, here] = await Promise.all([thrownBy(() => act(remote)), thrownBy(() => act(local))]);
    expect(there).toBeInstanceOf(RangeError);
    expect(there).toEqual(here);
  });

  test("a configuration that cannot be", async () => {
    const wrong = { regions: [{ base: "0x40000001", size: 4096 }] };
    const there = await thrownBy(() => pool.machine("pkvm", wrong));
    expect(there).toBeInstanceOf(ConfigError);
    expect(there).toEqual(await thrownBy(() => Machine.create(wrong)));
  });

  test("a closed machine says so", async () => {
    const remote = await remoteMachine();
    remote.close();
    await expect(remote.pages()).rejects.toThrow("the machine is closed");
  });

  test("who waits for a machine that is closed is told", async () => {
    const remote = await remoteMachine();
    const waiting = remote.pages();
    remote.close();
    await expect(waiting).rejects.toThrow("the machine is closed");
  });

  test("a machine whose worker has died says so, to who waits and to who asks later", async () => {
    const lonely = await openWorkerPool({ size: 1 });
    const remote = await lonely.machine("pkvm", CONFIG);
    const waiting = remote.pages();
    await Promise.all([lonely.threads[0]?.terminate(), expect(waiting).rejects.toThrow(WorkerDied)]);
    await expect(remote.apply(SHARE)).rejects.toThrow(WorkerDied);
    await lonely.close();
  });
});

async function thrownBy(act: () => unknown): Promise<unknown> {
  try {
    await act();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}
