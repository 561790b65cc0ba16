// T1: a text trace of at least 1 GB is read from disk, parsed and replayed, and every recorded result compared.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { replayFile } from "../src/trace/open.js";
import { median } from "./harness.js";
import type { Row } from "./report.js";

const MIB = 2 ** 20;
/** The first replay is of a trace so much shorter: it warms up, and the long ones must not need more memory. */
const SHORTER = 10;

export interface TraceKind {
  readonly id: string;
  readonly title: string;
  /** Writes a trace of at least `bytes` bytes, which a replay confirms. Returns its size. */
  readonly write: (path: string, bytes: number) => { readonly bytes: number };
}

/** Two figures: MB/s end to end, and how many MiB the process grows from a trace to one ten times as long. */
export async function measureReplay(kind: TraceKind, bytes: number, repeats: number): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), "freehold-bench-"));
  try {
    const short = join(folder, "short");
    const long = join(folder, "long");
    kind.write(short, bytes / SHORTER);
    const size = kind.write(long, bytes).bytes;
    await secondsToReplay(short);
    const before = process.memoryUsage.rss();
    const times = [];
    for (let repeat = 0; repeat < repeats; repeat++) times.push(await secondsToReplay(long));
    const growth = Math.max(0, process.memoryUsage.rss() - before) / MIB;
    return rowsOf(kind, size / 1e6 / median(times), growth);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function rowsOf({ id, title }: TraceKind, rate: number, growth: number): Row[] {
  const none = { c: null, js: null } as const;
  const speed = { id, title, bound: "parsing, about 100 ns a line" };
  const memory = { id: `${id}-growth`, title: "process growth, ten times the length", bound: "windows of fixed size" };
  return [
    { ...speed, unit: "MB/s", freehold: rate, ...none },
    { ...memory, unit: "MiB", freehold: growth, ...none },
  ];
}

async function secondsToReplay(path: string): Promise<number> {
  const start = performance.now();
  const { summary } = await replayFile(path);
  const seconds = (performance.now() - start) / 1e3;
  if (summary.diverged === 0 && summary.ops > 0) return seconds;
  const { first } = summary;
  throw new Error(`the replay diverged at line ${first?.line}: ${first?.field} ${first?.expected}, ${first?.found}`);
}
