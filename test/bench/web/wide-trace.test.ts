// The generated trace on which scrubbing is measured: a replay confirms every line of it.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { WIDE_PAGES, writeWideTrace } from "../../../bench/web/wide-trace.js";
import { replayFile } from "../../../src/trace/open.js";

test("a trace of a wide machine replays without a difference", async () => {
  const folder = mkdtempSync(join(tmpdir(), "freehold-"));
  try {
    const path = join(folder, "wide.jsonl");
    const operations = writeWideTrace(path, 60_000);
    const { summary, machine } = await replayFile(path);
    expect(summary).toMatchObject({ format: "freehold-trace", ops: operations, matched: operations, diverged: 0 });
    expect(machine?.pages().reduce((pages, run) => pages + run.pages, 0n)).toBe(BigInt(WIDE_PAGES));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
