// The state after an operation is the one in which a replay that stops there leaves its machine, whatever was asked before.

import { hash } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { FfaState } from "../../src/machine/ffa-state.js";
import type { Machine } from "../../src/machine/machine.js";
import { Journal } from "../../src/timeline/journal.js";
import { ColumnBuilder } from "../../src/timeline/columns.js";
import { TimeTravel } from "../../src/timeline/time-travel.js";
import { digestState } from "../../src/trace/golden-digest.js";
import { digestFfaState } from "../../src/trace/golden-ffa-digest.js";
import { traceHeader, traceLine, traceReset } from "../../src/trace/freehold-trace-writer.js";
import { replayChunks } from "../../src/trace/replay-chunks.js";
import { inPieces, vector } from "./traces.js";

/** So close that most jumps go past some. */
const CHECKPOINT_EVERY = 32;

/** A Freehold trace that is reset again and again, pages of EL2 written in between. */
function withResets(): Uint8Array {
  const header = traceHeader({ regions: [{ base: 0x40000000n, size: 0x10000000n }] });
  const line = (i: number) => {
    const pfn = BigInt(0x41000 + (i % 7) * 300);
    if (i % 11 === 10) return traceReset();
    return traceLine({
      op: i % 3 === 2 ? "host_unshare_hyp" : i % 2 === 1 ? "host_donate_hyp" : "host_share_hyp",
      pfn,
      nr: 3n,
    });
  };
  return new TextEncoder().encode(header + Array.from({ length: 400 }, (_, i) => line(i)).join(""));
}

const TRACES: Readonly<Record<string, () => Uint8Array>> = {
  "Freehold trace with resets": withResets,
  "tracefs, from boot": () => vector("traces/boot-n1.hyp.txt"),
  "tracefs, VMs that come and go": () => vector("traces/misc-n1.hyp.txt"),
  "golden pkvm, protected": () => vector("pkvm/02-protected-a.jsonl"),
  "golden pkvm, lifecycle": () => vector("pkvm/06-lifecycle-a.jsonl"),
  "golden pkvm, panics and resets": () => vector("pkvm/07-panic-a.jsonl"),
  "golden pkvm, 16 KiB pages": () => vector("pkvm/19-random-k16.jsonl"),
  "golden pgtable": () => vector("pkvm/21-pgtable-a.jsonl"),
  "golden ffa, hypervisor": () => vector("ffa/01-tests-hyp.jsonl"),
  "golden ffa, both": () => vector("ffa/09-worlds-both.jsonl"),
};

test.each(Object.keys(TRACES))("%s", { timeout: 120_000 }, async (name) => {
  const bytes = TRACES[name]?.() ?? new Uint8Array();
  const { travel, operations, first } = await travelOver(bytes);
  const position = fc.integer({ min: -1, max: operations - 1 });
  const positions = [-1, ...fc.sample(position, { numRuns: 4, seed: 6 }), operations - 1];
  const wanted = new Map<number, string>();
  for (const each of positions) wanted.set(each, stateOf(await stoppedAt(bytes, first + each + 1)));
  const jumps = fc.sample(fc.oneof(fc.constantFrom(...positions), position), { numRuns: 30, seed: 7 });
  for (const [number, jump] of jumps.entries()) {
    travel.goTo(jump);
    const state = wanted.get(jump);
    if (state !== undefined) expect(stateOf(travel.machine), `jump ${number}, to operation ${jump}`).toBe(state);
  }
});

test("an operation that is run with its effects leaves the state after it", async () => {
  const bytes = vector("pkvm/02-protected-a.jsonl");
  const { travel } = await travelOver(bytes);
  for (const operation of [40, 41, 63, 200, 12]) {
    travel.step(operation, (record) => travel.machine.runPacked(record, 1, { effects: true }));
    expect(stateOf(travel.machine)).toBe(stateOf(await stoppedAt(bytes, operation + 1)));
  }
});

async function travelOver(bytes: Uint8Array) {
  let begun: TimeTravel | undefined;
  const journal: Journal = new Journal((machine) => (begun = new TimeTravel(machine, journal, CHECKPOINT_EVERY)));
  await replayChunks(inPieces(bytes), { observer: journal });
  const travel = begun as unknown as TimeTravel;
  travel.forget();
  new ColumnBuilder(travel, journal).run(journal.operations);
  return { travel, operations: journal.operations, first: journal.first };
}

async function stoppedAt(bytes: Uint8Array, at: number): Promise<Machine> {
  const { machine } = await replayChunks(inPieces(bytes), { at });
  if (machine === null) throw new Error("no machine");
  return machine;
}

/** All that can be asked of a state, in one string. */
function stateOf(machine: Machine): string {
  const told = machine.config.kind === "ffa" ? digestFfaState(new FfaState(machine)) : digestState(machine);
  return JSON.stringify({ ...told, panicked: machine.panicked, contents: contentsOf(machine) });
}

/** Pages that are not all zeros, each with a hash. */
function contentsOf(machine: Machine): string[] {
  const regions = "regions" in machine.config ? machine.config.regions : [];
  const pageSize = BigInt(machine.pageSize);
  const { exports } = machine.core;
  return regions.flatMap(({ base, size }) => {
    const hashes: string[] = [];
    for (let pa = base; pa < base + size; pa += pageSize) {
      if (exports.framePointer(pa) === 0) continue;
      const page = machine.readPage(pa);
      if (page.some((byte) => byte !== 0)) hashes.push(`${pa.toString(16)}:${hash("md5", page)}`);
    }
    return hashes;
  });
}
