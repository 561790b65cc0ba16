// Family `timeline`: a trace of a million operations is loaded to be looked at, and the machine put into the state after any of
// them.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadTimeline, type Timeline } from "../src/timeline/load.js";
import { readInput } from "../src/trace/input.js";
import { median } from "./harness.js";
import type { Row } from "./report.js";
import { writeTimelineTrace } from "./timeline-traces.js";

const OPERATIONS = 1_000_000;
const TARGETS = 100;

export interface TimelineMachineSize {
  readonly id: string;
  readonly gibibytes: number;
}

export const timelineMachines: readonly TimelineMachineSize[] = [
  { id: "TL1", gibibytes: 1 },
  { id: "TL64", gibibytes: 64 },
];

/** Loading rate, and the median and the worst of random jumps, each with a question about a page there. */
export async function measureTimeline({ id, gibibytes }: TimelineMachineSize): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), "freehold-bench-"));
  try {
    const path = join(folder, "trace");
    writeTimelineTrace(path, { operations: OPERATIONS, gibibytes });
    const start = performance.now();
    const timeline = await loadTimeline(readInput(path));
    const seconds = (performance.now() - start) / 1e3;
    const jumps = jumpTimes(timeline);
    const of = `a million operations on ${gibibytes} GiB`;
    return [
      row(`${id}-load`, `load ${of}`, "two runs, the second with effects", "M ops/s", OPERATIONS / 1e6 / seconds),
      row(`${id}-goto`, `go to any of ${of}, median`, "restoring a checkpoint, running on", "ms", median(jumps)),
      row(`${id}-goto-worst`, "the same, worst", "the farthest from a checkpoint", "ms", Math.max(...jumps)),
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function row(id: string, title: string, bound: string, unit: string, freehold: number): Row {
  return { id, title, bound, unit, freehold, c: null, js: null };
}

function jumpTimes({ trace, machine }: Timeline): number[] {
  let x = 88172645;
  return Array.from({ length: TARGETS }, () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    const operation = (x >>> 0) % trace.operations.count;
    const start = performance.now();
    if (machine.page(operation, trace.regions[0]!.pfn).sides.length === 0) throw new Error("there is no such page");
    return performance.now() - start;
  });
}
