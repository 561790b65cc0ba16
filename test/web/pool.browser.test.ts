// The pool in a page: the same API over module workers. The page is made of the built package, as its users make theirs.

import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Page } from "playwright-core";
import { build } from "vite";
import { afterAll, beforeAll, expect } from "vitest";
import { startStaticServer, type StaticServer } from "../../bench/web/static-server.js";
import { eventually } from "./shown.js";
import { test } from "./visitor.js";

const PAGE = `<!doctype html><title>pool</title><link rel="icon" href="data:," /><script type="module" src="main.js"></script>`;

const SCRIPT = `
import { openWorkerPool } from "freehold/browser";
import wasm from "freehold/freehold.wasm?url";

globalThis.REGIONS = [{ base: "0x40000000", size: "0x10000000" }];
globalThis.deaths = [];
const core = await WebAssembly.compile(await (await fetch(wasm)).arrayBuffer());
globalThis.pool = await openWorkerPool({ core, size: 2, onDeath: (death) => deaths.push(death) });
globalThis.trace = async () => (await fetch("trace.gz")).blob();
`;

let folder = "";
let server: StaticServer;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "freehold-page-"));
  writeFileSync(join(folder, "index.html"), PAGE);
  writeFileSync(join(folder, "main.js"), SCRIPT);
  const alias = { "freehold/browser": resolve("dist/src/workers/browser.js"), freehold: resolve("dist") };
  await build({ configFile: false, root: folder, base: "./", logLevel: "error", resolve: { alias } });
  symlinkSync(resolve("test/vectors/traces/pvm-n1.hyp.txt.gz"), join(folder, "dist/trace.gz"));
  server = await startStaticServer(join(folder, "dist"));
});

afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true });
});

/** Runs a script in the page once its pool is open. */
async function inPage<T>(page: Page, script: string): Promise<T> {
  await page.waitForFunction("globalThis.pool !== undefined");
  return page.evaluate<T>(`(async () => { ${script} })()`);
}

test("a machine in a worker: answers, and errors of their class", async ({ visit }) => {
  const page = await visit({ server });
  const found = await inPage(
    page,
    `const machine = await pool.machine("pkvm", { regions: REGIONS });
     const { ret } = await machine.apply({ op: "host_share_hyp", pfn: 0x41000n });
     const error = await machine.readPage(0n).catch((error) => error);
     machine.close();
     return [ret, error instanceof RangeError, error.message];`,
  );
  expect(found).toEqual([0, true, "0x0 is not memory"]);
});

test("jobs: a file that the user has chosen, with progress; a scenario", async ({ visit }) => {
  const page = await visit({ server });
  const found = await inPage(
    page,
    `const seen = [];
     const blob = await trace();
     const { summary } = await pool.run("replay", { blob }, { onProgress: ({ size }) => seen.push(size === blob.size) });
     const { system } = await pool.run("scenario", { scenario: "situation-01-user-load", system: "pkvm" });
     return [summary.matched, seen.length > 0 && seen.every(Boolean), system];`,
  );
  expect(found).toEqual([25944, true, "pkvm"]);
});

test("a job is cancelled", async ({ visit }) => {
  const page = await visit({ server });
  const message = await inPage(
    page,
    `const enough = new AbortController();
     const onProgress = () => enough.abort(new Error("enough"));
     return pool.run("replay", { blob: await trace() }, { signal: enough.signal, onProgress }).catch(({ message }) => message);`,
  );
  expect(message).toBe("enough");
});

test("workers that end by themselves, as in a crash, are missed: their jobs are done by others", async ({ visit }) => {
  const page = await visit({ server });
  await inPage(
    page,
    `await pool.run("replay", { blob: await trace() }); globalThis.machine = await pool.machine("page_table", {});`,
  );
  expect(page.workers()).toHaveLength(1);
  for (const worker of page.workers()) await worker.evaluate("self.close()").catch(() => {}); // it has no time to answer
  await eventually(() => page.evaluate("deaths.length")).toBe(1);
  const found = await inPage(
    page,
    `const name = await machine.pages().catch(({ name }) => name);
     const { summary } = await pool.run("replay", { blob: await trace() });
     await pool.close();
     return [name, summary.matched, deaths];`,
  );
  expect(found).toEqual(["WorkerDied", 25944, [{ reason: "it was ended", job: "a page_table machine" }]]);
  await eventually(() => page.workers().length).toBe(0);
});
