// What the page has beside what Vite builds: the examples with their list, and the licenses. It goes to dist/web-public, where the
// page's build and its development server look for it. It needs the built package, which makes the one example that is no recording.

import { copyFileSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath, URL } from "node:url";
import { gzipSync } from "node:zlib";

/** @type {unknown} */
const built = await import(new URL("../dist/bench/web/wide-trace.js", import.meta.url).href);
const { writeWideTrace } = /** @type {typeof import("../bench/web/wide-trace.js")} */ (built);

const VECTORS = new URL("../test/vectors/", import.meta.url);
const PUBLIC = new URL("../dist/web-public/", import.meta.url);
const EXAMPLES = new URL("examples/", PUBLIC);

const EL2 = "pKVM, recorded from EL2's code";
const HOST = "pKVM, captured on a host";
const HAFNIUM = "FF-A, recorded from Hafnium";

/**
 * @typedef {readonly [name: string, system: string, file: string, start: number, title: string]} Recording
 * @typedef {{ name: string, system: string, file: string, start: number, title: string }} Example
 */

/**
 * Name in links; whose it is; file; the operation after which the machine is worth looking at first; what is seen,
 * as test/vectors/README.md has it. The page opens the first one unless it is told another: a small one.
 * @type {readonly Recording[]}
 */
// prettier-ignore
const RECORDINGS = [
  ["pkvm-02-protected", EL2,     "pkvm/02-protected-a.jsonl.gz",   175,   "A protected VM from its making to its teardown: donate, share, unshare, forced reclaim, poison."],
  ["pkvm-03-np",        EL2,     "pkvm/03-np-a.jsonl.gz",          171,   "A non-protected VM: shares of pages and blocks, permissions, ageing."],
  ["pkvm-06-lifecycle", EL2,     "pkvm/06-lifecycle-a.jsonl.gz",   127,   "VMs reserved, made and torn down, with all errors, until the handle table is full."],
  ["pkvm-07-panic",     EL2,     "pkvm/07-panic-a.jsonl.gz",       71,    "Fourteen short episodes; twelve end in a panic of EL2."],
  ["pvm-n1",            HOST,    "traces/pvm-n1.hyp.txt.gz",       21681, "Protected VMs one after the other: they touch pages, share and unshare them."],
  ["np-n1",             HOST,    "traces/np-n1.hyp.txt.gz",        10627, "Non-protected VMs: MADV_DONTNEED, mprotect, dirty logging, fork, swap, KSM, THP."],
  ["multi-n1",          HOST,    "traces/multi-n1.hyp.txt.gz",     40663, "Up to eight VMs at once, vCPUs that race, monitors that are killed."],
  ["abuse-n1",          HOST,    "traces/abuse-n1.hyp.txt.gz",     6587,  "What a host may try on private pages: 28 attempts, each on a protected VM of its own."],
  ["misc-n1",           HOST,    "traces/misc-n1.hyp.txt.gz",      5666,  "Shared pages, kinds of backing memory, limits."],
  ["lin-n1",            HOST,    "traces/lin-n1.hyp.txt.gz",       18301, "Real Linux guests from boot to power-off, protected and then not."],
  ["boot-n1",           HOST,    "traces/boot-n1.hyp.txt.gz",      60,    "The boot of a host with 1 GiB (Neoverse N1, hVHE)."],
  ["boot-a57",          HOST,    "traces/boot-a57.hyp.txt.gz",     60,    "The boot of a host with 2 GiB (Cortex-A57, nVHE)."],
  ["ffa-01-tests",      HAFNIUM, "ffa/01-tests-hyp.jsonl.gz",      513,   "A hypervisor alone: donate, lend and share between VMs, in the orders of its checks."],
  ["ffa-09-worlds",     HAFNIUM, "ffa/09-worlds-both.jsonl.gz",    0,     "A hypervisor that forwards to the secure world's partition manager."],
];

/**
 * Copied as it is.
 * @param {Recording} row
 */
function recording([name, system, path, start, title]) {
  const file = basename(path);
  copyFileSync(new URL(path, VECTORS), new URL(file, EXAMPLES));
  return listed({ name, system, file, start, title });
}

/** As large a machine as the simulator has: 16 million pages. */
function wide() {
  const trace = new URL("wide-64g.jsonl", EXAMPLES);
  const packed = new URL("wide-64g.jsonl.gz", EXAMPLES);
  writeWideTrace(fileURLToPath(trace), 40_000);
  writeFileSync(packed, gzipSync(readFileSync(trace), { level: 9 }));
  rmSync(trace);
  const title =
    "64 GiB: blocks of 2 MiB go to EL2 and come back, all over the memory; single pages are shared with it.";
  return listed({ name: "wide-64g", system: "pKVM, generated", file: basename(packed.href), start: 30_000, title });
}

/**
 * With its size in bytes.
 * @param {Example} example
 */
function listed(example) {
  return { ...example, bytes: statSync(new URL(example.file, EXAMPLES)).size };
}

rmSync(PUBLIC, { recursive: true, force: true });
mkdirSync(EXAMPLES, { recursive: true });
const examples = [...RECORDINGS.map(recording), wide()];
writeFileSync(new URL("index.json", EXAMPLES), `${JSON.stringify(examples)}\n`);

// Their licenses ask that the notice goes wherever the code goes.
const PARTS = ["comlink", "preact", "@preact/signals", "@preact/signals-core", "yaml", "zod", "@noble/hashes"];
const notices = PARTS.map((name) => {
  return `${name}\n\n${readFileSync(new URL(`../node_modules/${name}/LICENSE`, import.meta.url), "utf8")}`;
});
writeFileSync(new URL("LICENSES.txt", PUBLIC), notices.join("\n\n"));
