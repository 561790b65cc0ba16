// Searches on a pool's threads: the answer of a search in this thread, and what becomes of one that is stopped or loses a worker.

import { spawnSync } from "node:child_process";
import { afterEach, describe, expect, test } from "vitest";
import { EL2_PANIC } from "../../assembly/abi/specification.js";
import { explore } from "../../src/explore/explore.js";
import { namedDomain } from "../../src/explore/named-domain.js";
import { PKVM_PRESETS, pkvmDomain } from "../../src/explore/pkvm-domain.js";
import { BUGS, hasSearch } from "../../src/explore/bugs/index.js";
import { searchSpecification, type SearchOptions } from "../../src/explore/specification-search.js";
import { Specification } from "../../src/explore/specification.js";
import { exploreInWorkers, exploreSpecificationInWorkers } from "../../src/workers/explore.js";
import { openWorkerPool, type NodeJobs } from "../../src/workers/node.js";
import type { WorkerPool } from "../../src/workers/pool.js";
import { WorkerDied } from "../../src/workers/thread.js";
import { pkvmDomainOf } from "../explore/pkvm-search.js";

const ROOM = { maxStates: 20_000 };
const TWO_VMS = pkvmDomain({ pages: 1, tablePages: 1, vms: [true, false], gfns: 1 });
/** More than anybody waits for here. */
const LARGE = pkvmDomain(PKVM_PRESETS.small);

let open: WorkerPool<NodeJobs> | null = null;
afterEach(() => open?.close());

async function threads(size: number): Promise<WorkerPool<NodeJobs>> {
  return (open = await openWorkerPool({ size }));
}

test.each([1, 2])("%i threads: the answer of a search in this one", async (size) => {
  const shared = await exploreInWorkers(await threads(size), TWO_VMS, ROOM);
  expect(shared).toEqual({ ...(await explore(TWO_VMS, ROOM)), seconds: expect.any(Number) as number });
});

test("a bug is found, and the way to it is as short", async () => {
  const bug = BUGS.find(hasSearch)?.search ?? expect.fail("no bugs");
  const { mutation } = bug;
  const domain = pkvmDomainOf(bug);
  const one = await explore(domain, { ...ROOM, mutation });
  const shared = await exploreInWorkers(await threads(2), domain, { ...ROOM, mutation });
  expect(shared.end).toBe("found");
  expect(shared.findings.map(({ steps }) => steps.length)).toEqual(one.findings.map(({ steps }) => steps.length));
});

test("a domain that holds functions goes to the threads by its name", async () => {
  const name = { system: "cca", preset: "tiny" };
  const { end, counts } = await explore(namedDomain(name));
  const shared = await exploreInWorkers(await threads(2), name);
  expect(shared).toMatchObject({ end, counts: { ...counts, bytesPerState: expect.any(Number) as number } });
});

test("stopped by its caller; the threads are free for the next", async () => {
  const pool = await threads(2);
  const enough = new AbortController();
  const reason = new Error("enough");
  const { signal } = enough;
  const states: number[] = [];
  const onProgress = (counts: { states: number }): void => {
    states.push(counts.states);
    if (states.length === 3) enough.abort(reason);
  };
  await expect(exploreInWorkers(pool, LARGE, { signal, onProgress })).rejects.toBe(reason);
  expect(states).toEqual(states.toSorted((one, other) => one - other));
  expect((await exploreInWorkers(pool, TWO_VMS, ROOM)).end).toBe("exhausted");
});

test("out of time: what was counted up to then", async () => {
  const { end, counts } = await exploreInWorkers(await threads(2), LARGE, { seconds: 0.2 });
  expect(end).toBe("paused");
  expect(counts.states).toBeGreaterThan(1);
  expect(counts.expanded).toBeLessThan(counts.states);
});

test("a worker that dies takes the search with it", async () => {
  const pool = await threads(2);
  const onProgress = (): void => void pool.threads[0]?.terminate();
  const search = exploreInWorkers(pool, LARGE, { onProgress });
  await expect(search).rejects.toThrow(WorkerDied);
  await expect(search).rejects.toThrow(/^a search cannot go on without a worker's share: .*died/);
});

test("a domain that cannot be searched: the error of a search in this thread", async () => {
  const domain = { ...TWO_VMS, tracer: 3 };
  const search = exploreInWorkers(await threads(2), domain, ROOM);
  await expect(search).rejects.toThrow(new RangeError("a domain that cannot be searched"));
});

test("nothing is left behind", () => {
  const program = `
    import { explore } from ${JSON.stringify(new URL("../../dist/src/explore/explore.js", import.meta.url))};
    import { pkvmDomain } from ${JSON.stringify(new URL("../../dist/src/explore/pkvm-domain.js", import.meta.url))};
    import { exploreInWorkers } from ${JSON.stringify(new URL("../../dist/src/workers/explore.js", import.meta.url))};
    import { openWorkerPool } from ${JSON.stringify(new URL("../../dist/src/workers/node.js", import.meta.url))};
    const domain = pkvmDomain({ pages: 1, tablePages: 1, vms: [true], gfns: 1 });
    const pool = await openWorkerPool({ size: 2 });
    const { counts } = await exploreInWorkers(pool, domain, { maxStates: 20_000 });
    await pool.close();
    console.log(counts.states === (await explore(domain)).counts.states);
  `;
  const options = { input: program, encoding: "utf8", timeout: 30_000 } as const;
  const { stdout, stderr, status } = spawnSync(process.execPath, ["--input-type=module", "-"], options);
  expect([stdout, stderr, status]).toEqual(["true\n", "", 0]);
});

describe("the specification machine", () => {
  const TWINS: SearchOptions = { pages: 2, guests: [true, true], gfns: 2, pins: 1, shares: 1, abandons: true };

  test.each([1, 2])("%i threads: the counts of a search in this one, and as short a way", async (size) => {
    const { findings, states, transitions, depth, panics, exhausted } = await searchSpecification(TWINS);
    const shared = await exploreSpecificationInWorkers(await threads(size), TWINS);
    expect(shared).toMatchObject({ states, transitions, depth, panics, exhausted });
    expect(shared.findings.map(({ kind }) => kind)).toEqual(findings.map(({ kind }) => kind));
    expect(shared.findings.map(({ calls }) => calls.length)).toEqual(findings.map(({ calls }) => calls.length));
  });

  test("both threads enter states while the table grows: each is counted once", async () => {
    const options: SearchOptions = { pages: 3, guests: [true, false], gfns: 2, pins: 2, shares: 2 };
    const { states, transitions, depth } = await searchSpecification({ ...options, expectedStates: 200_000 });
    const shared = await exploreSpecificationInWorkers(await threads(2), options);
    expect(shared).toMatchObject({ states, transitions, depth, exhausted: true, findings: [] });
  });

  test("the way leads where it says", async () => {
    const { findings } = await exploreSpecificationInWorkers(await threads(2), TWINS);
    const machine = await Specification.create(TWINS);
    const results = (findings[0]?.calls ?? []).map((made) => machine.step(made));
    expect(results).toEqual([0, 0, 0, 0, 0, EL2_PANIC]);
  });

  test("a bound is said to be reached", async () => {
    const { states } = await searchSpecification(TWINS);
    const bounded = { ...TWINS, maxStates: Math.floor(states / 4) };
    expect((await exploreSpecificationInWorkers(await threads(2), bounded)).exhausted).toBe(false);
  });
});
