// The pool: who gets which work when, what becomes of it when somebody stops or dies, and that nothing is left behind.

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, afterEach, describe, expect, test, vi } from "vitest";
import { ConfigError } from "../../src/machine/config.js";
import { ScenarioError } from "../../src/scenario/scenario-error.js";
import { LimitError, TraceError } from "../../src/trace/replay.js";
import { openWorkerPool, type NodePoolOptions } from "../../src/workers/node.js";
import type { WorkerDeath, WorkerPool } from "../../src/workers/pool.js";
import { WorkerDied } from "../../src/workers/thread.js";
import { trialWorker, type TrialJobs } from "./trial-worker.js";

/** However busy the computer is. */
const PATIENCE = { timeout: 30_000 };

const { folder, script } = trialWorker();
afterAll(() => rmSync(folder, { recursive: true }));

const open = new Set<WorkerPool<TrialJobs>>();
afterEach(async () => {
  await Promise.all([...open].map((pool) => pool.close()));
  open.clear();
});

let files = 0;
const newFile = (): string => join(folder, `file-${files++}`);

async function trialPool(options: NodePoolOptions = {}): Promise<WorkerPool<TrialJobs>> {
  const pool = await openWorkerPool<TrialJobs>({ size: 2, script, ...options });
  open.add(pool);
  return pool;
}

describe("jobs", () => {
  test("are done, by no more threads than there may be", async () => {
    const pool = await trialPool();
    const inputs = Array.from({ length: 20 }, (_, value) => value);
    expect(await Promise.all(inputs.map((value) => pool.run("echo", { value })))).toEqual(inputs);
    expect(pool.threads).toHaveLength(2);
  });

  test("one needs one thread", async () => {
    const pool = await trialPool();
    await pool.run("echo", { value: 1 });
    await pool.run("echo", { value: 2 });
    expect(pool.threads).toHaveLength(1);
  });

  test("answers that are no JSON arrive as they are", async () => {
    const pool = await trialPool();
    const value = { big: 1n << 70n, map: new Map([["a", new Set([1])]]), bytes: Uint8Array.of(1, 2) };
    expect(await pool.run("echo", { value })).toEqual(value);
  });

  test("report how far they are", async () => {
    const pool = await trialPool();
    const enough = new AbortController();
    const seen: unknown[] = [];
    const onProgress = (progress: unknown) => {
      seen.push(progress);
      if (seen.length === 3) enough.abort();
    };
    await pool.run("listens", newFile(), { signal: enough.signal, onProgress }).catch(() => undefined);
    expect(seen).toHaveLength(3);
    expect(seen).toEqual(seen.toSorted((a, b) => Number(a) - Number(b)));
  });

  test("a scenario runs in a worker as it runs here", async () => {
    const { bundledScenarios } = await import("../../src/scenario/bundled-scenarios.js");
    const { runScenario } = await import("../../src/scenario/run-scenario.js");
    const { loadSystem } = await import("../../src/scenario/systems/index.js");
    const [scenario] = await bundledScenarios();
    const system = await loadSystem("pkvm");
    if (scenario === undefined || system === null) throw new Error("nothing to run");
    const pool = await trialPool();
    expect(await pool.run("scenario", { scenario, system: "pkvm" })).toEqual(await runScenario(scenario, system));
  });

  test.each(["bytes", "blob", "path"] as const)("a trace is replayed from %s", async (source) => {
    const path = "test/vectors/pkvm/01-selftest-a.jsonl.gz";
    const bytes = new Uint8Array(readFileSync(path));
    const inputs = { path: { path }, bytes: { bytes }, blob: { blob: new Blob([bytes]) } };
    const pool = await trialPool();
    const { summary, stopped } = await pool.run("replay", inputs[source]);
    expect([summary.ops, summary.matched, stopped]).toEqual([121, 121, false]);
  });

  test("buffers that are given away move, others are copied, large answers move", async () => {
    const pool = await trialPool();
    const [kept, given] = [Uint8Array.of(1, 2), Uint8Array.of(3, 4)];
    expect(await pool.run("echo", { value: kept })).toEqual(Uint8Array.of(1, 2));
    expect(await pool.run("echo", { value: given }, { transfer: [given.buffer] })).toEqual(Uint8Array.of(3, 4));
    expect([kept.length, given.length]).toEqual([2, 0]);
    expect(await pool.run("moves", 1 << 20)).toHaveLength(1 << 20);
  });

  test("of gzip that is cut off nothing is believed", async () => {
    const bytes = new Uint8Array(readFileSync("test/vectors/pkvm/02-protected-a.jsonl.gz")).slice(0, 4000);
    const pool = await trialPool();
    await expect(pool.run("replay", { bytes })).rejects.toThrow(/^the gzip data is truncated or corrupt/);
  });
});

describe("a bounded number of inputs is taken", () => {
  test("a slow consumer has no more than `size` jobs ahead of it", async () => {
    const pool = await trialPool();
    let taken = 0;
    function* inputs(): Generator<{ value: number }> {
      for (let value = 0; value < 12; value++) {
        taken++;
        yield { value };
      }
    }
    const finished: number[] = [];
    for await (const { output, index } of pool.each("echo", inputs())) {
      expect(output).toBe(index);
      finished.push(index);
      await wait(20);
      expect(taken).toBeLessThanOrEqual(finished.length + pool.size);
    }
    expect(finished.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 12 }, (_, index) => index));
  });

  test("a slow source does not hold up what is finished", async () => {
    const pool = await trialPool();
    let release: () => void = () => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    async function* inputs(): AsyncGenerator<{ value: string }> {
      yield { value: "first" };
      await released;
      yield { value: "second" };
    }
    const outputs: unknown[] = [];
    for await (const { output } of pool.each("echo", inputs())) {
      outputs.push(output);
      release();
    }
    expect(outputs).toEqual(["first", "second"]);
  });

  test("a job that fails ends the others and the source", async () => {
    const pool = await trialPool();
    const file = newFile();
    let isLeft = false;
    function* inputs(): Generator<string> {
      try {
        yield file;
        yield newFile();
        yield newFile();
      } finally {
        isLeft = true;
      }
    }
    const enough = new AbortController();
    const failed = expect(pool.each("listens", inputs(), { signal: enough.signal }).next()).rejects.toThrow("enough");
    await vi.waitFor(() => expect(existsSync(file)).toBe(true), PATIENCE);
    enough.abort(new Error("enough"));
    await failed;
    await vi.waitFor(() => expect([isLeft, readFileSync(file, "utf8")]).toEqual([true, "started stopped"]), PATIENCE);
  });

  test("who leaves the loop early leaves nothing running", async () => {
    const pool = await trialPool();
    for await (const { index } of pool.each("echo", [{ value: 1 }, { value: 2, ms: 1e6 }])) {
      expect(index).toBe(0);
      break;
    }
    // Both workers are free again: the one that sleeps was ended.
    expect(await Promise.all([3, 4].map((value) => pool.run("echo", { value })))).toEqual([3, 4]);
  });

  test("a machine waits for a worker that is free", async () => {
    const pool = await trialPool({ size: 1 });
    const config = { regions: [{ base: 0x4000_0000, size: 0x100_0000 }] };
    const first = await pool.machine("pkvm", config);
    let isMade = false;
    const second = pool.machine("pkvm", config).then((machine) => ((isMade = true), machine));
    await first.pages();
    expect(isMade).toBe(false);
    first.close();
    await (await second).pages();
  });
});

describe("cancelled", () => {
  const reason = new Error("not needed any more");

  test("before it began, and while it waits", async () => {
    const pool = await trialPool({ size: 1 });
    await expect(pool.run("echo", { value: 1 }, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const enough = new AbortController();
    const slow = pool.run("echo", { value: "slow", ms: 100 });
    const waiting = pool.run("echo", { value: "never" }, { signal: enough.signal });
    enough.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    expect(await slow).toBe("slow");
  });

  test("a job that listens stops, and its worker goes on", async () => {
    const pool = await trialPool({ size: 1 });
    const file = newFile();
    const enough = new AbortController();
    const job = pool.run("listens", file, { signal: enough.signal, onProgress: () => enough.abort(reason) });
    await expect(job).rejects.toBe(reason);
    const [thread] = pool.threads;
    expect(await pool.run("echo", { value: "next" })).toBe("next");
    expect(readFileSync(file, "utf8")).toBe("started stopped");
    expect(pool.threads).toEqual([thread]);
  });

  test("a job that does not listen: its worker is ended and replaced, which is no death to report", async () => {
    const onDeath = vi.fn();
    const pool = await trialPool({ size: 1, grace: 20, onDeath });
    await pool.run("echo", { value: "started" });
    const [thread] = pool.threads;
    const enough = new AbortController();
    const job = pool.run("deaf", null, { signal: enough.signal });
    setTimeout(() => enough.abort(reason), 20);
    await expect(job).rejects.toBe(reason);
    expect(await pool.run("echo", { value: "next" })).toBe("next");
    expect(pool.threads).not.toContain(thread);
    expect(onDeath).not.toHaveBeenCalled();
  });

  test("a replay stops between two pieces of its file", async () => {
    const pool = await trialPool({ size: 1, grace: 60_000 });
    const path = "test/vectors/pkvm/10-random-a.jsonl.gz";
    const enough = new AbortController();
    const job = pool.run("replay", { path }, { signal: enough.signal, onProgress: () => enough.abort(reason) });
    await expect(job).rejects.toBe(reason);
    // With so much grace the worker is free only because the job has stopped by itself.
    expect(await pool.run("echo", { value: "next" })).toBe("next");
  });
});

describe("a worker that dies", () => {
  test("is reported, and its job is done by another", async () => {
    const deaths: WorkerDeath[] = [];
    const pool = await trialPool({ onDeath: (death) => deaths.push(death) });
    expect(await pool.run("dies", { file: newFile(), always: false })).toBe("done by another");
    expect(deaths).toEqual([{ reason: "it was ended", job: 'job "dies"' }]);
  });

  test("that is killed from outside too", async () => {
    const deaths: WorkerDeath[] = [];
    const pool = await trialPool({ onDeath: (death) => deaths.push(death) });
    const jobs = [1, 2].map((value) => pool.run("echo", { value, ms: 300 }));
    await vi.waitFor(() => expect(pool.threads).toHaveLength(2), PATIENCE);
    await wait(100);
    await Promise.all(pool.threads.map((thread) => thread.terminate()));
    expect(await Promise.all(jobs)).toEqual([1, 2]);
    expect(deaths).toHaveLength(2);
  });

  test("while it is idle is replaced when there is work", async () => {
    const deaths: WorkerDeath[] = [];
    const pool = await trialPool({ size: 1, onDeath: (death) => deaths.push(death) });
    await pool.run("echo", { value: 1 });
    await pool.threads[0]?.terminate();
    expect(await pool.run("echo", { value: 2 })).toBe(2);
    expect(deaths).toEqual([{ reason: "it was ended", job: null }]);
  });

  test("of its job every time: the job fails, and says so", async () => {
    const onDeath = vi.fn();
    const pool = await trialPool({ retries: 1, onDeath });
    const job = pool.run("dies", { file: newFile(), always: true });
    await expect(job).rejects.toThrow(WorkerDied);
    await expect(job).rejects.toThrow(/^dies: 2 workers, one after the other, died of it; last: the worker has ended/);
    expect(onDeath).toHaveBeenCalledTimes(2);
    expect(await pool.run("echo", { value: "goes on" })).toBe("goes on");
  });

  test("with buffers that were given to it: nobody else can do the job", async () => {
    const pool = await trialPool();
    const { buffer } = new Uint8Array(8);
    const job = pool.run("dies", { file: newFile(), always: false }, { transfer: [buffer] });
    await expect(job).rejects.toThrow(/^dies: the worker died of it; last: /);
  });

  test("because its script is not there: the same", async () => {
    const pool = await trialPool({ script: new URL("nowhere.mjs", script), retries: 0 });
    await expect(pool.run("echo", { value: 1 })).rejects.toThrow(/the worker died of it; last: .*nowhere\.mjs/);
  });
});

describe("errors keep class, fields and message", () => {
  test.each([
    ["config", new ConfigError("regions: none")],
    ["limit", new LimitError(7, 1)],
    ["trace", new TraceError(12, "no such verb")],
    ["scenario", new ScenarioError("run.yaml", 3, 5, "no such page")],
    ["range", new RangeError("does not fit")],
    ["type", new TypeError("not a function")],
    ["own", Object.assign(new Error("odd"), { name: "Strange", code: 5n })],
  ])("%s", async (kind, expected) => {
    const pool = await trialPool({ size: 1 });
    const error: unknown = await pool.run("fails", kind).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(expected.constructor);
    expect(error).toEqual(expected);
    expect(Object.entries(error as Error)).toEqual(Object.entries(expected));
    expect((error as Error).stack).toContain("trial-worker.mjs");
  });

  test("a cause comes along, and what is no error arrives as it is", async () => {
    const pool = await trialPool({ size: 1 });
    const error: unknown = await pool.run("fails", "cause").catch((thrown: unknown) => thrown);
    expect((error as Error).cause).toBeInstanceOf(TraceError);
    await expect(pool.run("fails", "text")).rejects.toBe("just text");
  });

  test("an unknown job, a name that is no scenario's, a size that is none", async () => {
    const pool = await trialPool({ size: 1 });
    await expect(pool.run("dance" as "echo", { value: 1 })).rejects.toThrow(
      new RangeError('this worker has no job "dance"'),
    );
    await expect(pool.run("scenario", { scenario: "tuch", system: "pkvm" })).rejects.toThrow(RangeError);
    await expect(trialPool({ size: 0 })).rejects.toThrow(RangeError);
  });
});

describe("closed", () => {
  test("who waits and who runs is rejected, and so is who comes later", async () => {
    const pool = await trialPool({ size: 1 });
    const running = pool.run("echo", { value: 1, ms: 1e6 });
    const waiting = pool.run("echo", { value: 2 });
    await vi.waitFor(() => expect(pool.threads).toHaveLength(1), PATIENCE);
    const rejected = Promise.all([
      expect(running).rejects.toThrow("the pool was closed"),
      expect(waiting).rejects.toThrow("the worker pool is closed"),
    ]);
    await pool.close();
    await rejected;
    expect(pool.threads).toEqual([]);
    await expect(pool.run("echo", { value: 3 })).rejects.toThrow("the worker pool is closed");
    await expect(pool.machine("page_table", {})).rejects.toThrow("the worker pool is closed");
    await pool.close();
  });

  test("the process ends by itself, also behind a worker's death, a machine, listeners", () => {
    const program = `
      import { openWorkerPool } from "freehold";
      const pool = await openWorkerPool({ size: 2 });
      const machine = await pool.machine("pkvm", { regions: [{ base: 0x40000000, size: 0x1000000 }] });
      await machine.onEffects(() => console.log("heard"));
      await machine.apply({ op: "host_share_hyp", pfn: 0x40100n });
      const replay = pool.run("replay", { path: "test/vectors/pkvm/01-selftest-a.jsonl.gz" });
      await pool.threads[1].terminate();
      console.log((await replay).summary.matched);
      await pool.close();
      console.log("closed");
    `;
    const options = { input: program, encoding: "utf8", timeout: 30_000 } as const;
    const { stdout, stderr, status } = spawnSync(process.execPath, ["--input-type=module", "-"], options);
    expect([stdout, stderr, status]).toEqual(["heard\n121\nclosed\n", "", 0]);
  });
});

test("the core is compiled once, for all workers and the machines here", async () => {
  const { WebAssembly } = globalThis as unknown as { WebAssembly: { compile: (bytes: Uint8Array) => Promise<object> } };
  const compile = vi.spyOn(WebAssembly, "compile");
  vi.resetModules();
  const { openWorkerPool: openFresh } = await import("../../src/workers/node.js");
  const pool = await openFresh<TrialJobs>({ size: 2, script });
  open.add(pool);
  const machines = await Promise.all([pool.machine("page_table", {}), pool.machine("page_table", {})]);
  for (const machine of machines) machine.close();
  const { Machine } = await import("../../src/machine/machine.js");
  await Machine.createPageTable({});
  expect(compile).toHaveBeenCalledTimes(1);
  expect(await Promise.all([pool.run("compiled", null), pool.run("compiled", null)])).toEqual([0, 0]);
});
