// The generated hypervisor trace of workload T1: a replay confirms every line of it, so its figure counts checked results.

import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { writeTracefsTrace } from "../../bench/traces.js";
import { replayFile } from "../../src/trace/open.js";

test("a generated trace replays without a difference", async () => {
  const folder = mkdtempSync(join(tmpdir(), "freehold-"));
  try {
    const path = join(folder, "t1.hyp.txt");
    const { bytes, operations } = writeTracefsTrace(path, 3e6);
    expect(bytes).toBeGreaterThanOrEqual(3e6);
    expect(statSync(path).size).toBe(bytes);
    const { summary } = await replayFile(path);
    expect(summary).toMatchObject({ format: "tracefs", ops: operations, matched: operations, diverged: 0 });
    expect(summary.description).toMatch(/1 snapshot equal$/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
