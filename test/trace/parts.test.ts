// A trace in parts is replayed as the whole is: the same counts, the same first divergence, and a refusal where the whole has one.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { replayFile } from "../../src/trace/open.js";
import { mergeParts, type ReplayedPart } from "../../src/trace/parts.js";
import { createPartReplay } from "../../src/trace/replay-chunks.js";
import { LimitError, TraceError, type ReplaySummary } from "../../src/trace/replay.js";
import { partsOfFile, readPart, type FilePart } from "../../src/trace/restarts.js";
import { traceHeader, traceLine, traceReset } from "../../src/trace/freehold-trace-writer.js";

const SEED = 20261122;

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "freehold-parts-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

interface Stop {
  readonly stopAtFirst: boolean;
}

async function wholeOf(path: string, stop: Stop): Promise<ReplaySummary | "refused"> {
  return refusable(async () => (await replayFile(path, stop)).summary);
}

async function partsOf(path: string, parts: readonly FilePart[], stop: Stop): Promise<ReplaySummary | "refused"> {
  return refusable(async () => {
    const replayed: ReplayedPart[] = [];
    for (const part of parts) {
      if (replayed.at(-1)?.stopped !== true) replayed.push(await partOf(path, part, stop));
    }
    const [first, ...others] = replayed;
    if (first === undefined) throw new Error("no part was replayed");
    return mergeParts(first, others);
  });
}

async function partOf(path: string, part: FilePart, { stopAtFirst }: Stop): Promise<ReplayedPart> {
  const replay = await createPartReplay(part.format, { part, stopAtFirst });
  for await (const chunk of readPart(path, part)) replay.write(chunk);
  const stopped = replay.done;
  return { part, summary: replay.end(), counts: replay.counts, stopped };
}

async function refusable(replay: () => Promise<ReplaySummary>): Promise<ReplaySummary | "refused"> {
  try {
    return await replay();
  } catch (error) {
    if (error instanceof TraceError || error instanceof LimitError) return "refused";
    throw error;
  }
}

/** The lines of a recording. */
function recorded(name: string): string[] {
  const path = new URL(`../vectors/${name}.jsonl.gz`, import.meta.url);
  return gunzipSync(readFileSync(path)).toString().trimEnd().split("\n");
}

describe("recordings", () => {
  test.each(["pkvm/07-panic-a", "pkvm/13-random-a-el2debug", "ffa/04-versions-hyp", "ffa/09-worlds-both"])(
    "%s in parts",
    async (name) => {
      const path = new URL(`../vectors/${name}.jsonl.gz`, import.meta.url).pathname;
      const parts = (await partsOfFile(path, 4, 1)) ?? [];
      expect(parts.length).toBeGreaterThan(1);
      expect(await partsOf(path, parts, { stopAtFirst: false })).toEqual(await wholeOf(path, { stopAtFirst: false }));
    },
  );

  // Each line once left out, doubled, or with another result or number.
  const damages: readonly ((line: string) => readonly string[])[] = [
    () => [],
    (line) => [line, line],
    (line) => [line.replace(/"ret":-?\d+/, '"ret":-99')],
    (line) => [line.replace(/"i":\d+/, '"i":3')],
    (line) => [line.replace(/"sha256":"../, '"sha256":"zz')],
    (line) => [line.slice(0, line.length / 2)],
    (line) => [line.replace('"reset"', '"reset" ')],
  ];

  test.each([
    ["pkvm/07-panic-a", 25],
    ["ffa/08-worlds-spmc", 25],
  ])("%s, damaged: as the whole", async (name, runs) => {
    const lines = recorded(name);
    const damage = fc.record({ at: fc.nat(lines.length - 1), how: fc.constantFrom(...damages) });
    const resets = lines.flatMap((line, at) => (line.includes('"reset"') ? [at] : []));
    const nearReset = fc.record({ at: fc.constantFrom(...resets), how: fc.constantFrom(...damages) });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(damage, nearReset), { minLength: 1, maxLength: 3 }),
        fc.integer({ min: 2, max: 9 }),
        fc.boolean(),
        async (wounds, pieces, stopAtFirst) => {
          const damaged = lines.flatMap((line, at) => wounds.find((wound) => wound.at === at)?.how(line) ?? [line]);
          const path = file("damaged.jsonl", `${damaged.join("\n")}\n`);
          const parts = await partsOfFile(path, pieces, 1);
          if (parts === null) return;
          expect(await partsOf(path, parts, { stopAtFirst })).toEqual(await wholeOf(path, { stopAtFirst }));
        },
      ),
      { seed: SEED, numRuns: runs },
    );
  });
});

describe("Freehold traces", () => {
  const HEADER = traceHeader({ regions: [{ base: "0x40000000", size: "0x1000000" }] });
  const pfn = fc.bigInt({ min: 0x40100n, max: 0x40103n });
  // Some of what is expected is wrong.
  const ret = fc.constantFrom(0, 0, 0, -1);
  const operation = fc.oneof(
    fc.record({ op: fc.constantFrom("host_share_hyp" as const, "host_unshare_hyp" as const), pfn }),
    fc.record({
      op: fc.constantFrom("host_donate_hyp" as const, "hyp_donate_host" as const),
      pfn,
      nr: fc.constant(1n),
    }),
  );
  const operationLine = fc.tuple(operation, ret).map(([operation, ret]) => traceLine(operation, { ret }));
  const line = fc.oneof(
    { weight: 8, arbitrary: operationLine },
    { weight: 2, arbitrary: fc.constant(traceReset()) },
    { weight: 1, arbitrary: fc.constant('  { "note": "again" , "reset" : true }\n') },
    {
      weight: 1,
      arbitrary: fc.constant(String.raw`{"op":"host_share_hyp","pfn":"0x40104","note":"{\"reset\":true}"}` + "\n"),
    },
    { weight: 1, arbitrary: fc.constant('{"note":"no \\"reset\\""}\n') },
    { weight: 1, arbitrary: fc.constant("\n") },
    // EL2 panics: nothing was pinned.
    { weight: 1, arbitrary: fc.constant('{"op":"hyp_unpin_shared_mem","from":"0x40100000","to":"0x40101000"}\n') },
  );
  const broken = fc.constantFrom('{"reset":1}\n', '{"reset":true,"op":"x"}\n', '{"reset":true,"more":1}\n', "{\n");

  test("any trace in parts: as the whole", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof({ weight: 60, arbitrary: line }, { weight: 1, arbitrary: broken }), { maxLength: 60 }),
        fc.integer({ min: 2, max: 8 }),
        fc.boolean(),
        fc.boolean(),
        async (lines, pieces, stopAtFirst, isCutOff) => {
          const text = HEADER + lines.join("");
          const path = file("trace.jsonl", isCutOff ? text.slice(0, -2) : text);
          const parts = await partsOfFile(path, pieces, 1);
          if (parts === null) return;
          expect(await partsOf(path, parts, { stopAtFirst })).toEqual(await wholeOf(path, { stopAtFirst }));
        },
      ),
      { seed: SEED, numRuns: 100 },
    );
  });

  test("the first divergence has the line and the number of the whole trace", async () => {
    const share = { op: "host_share_hyp", pfn: 0x40100n } as const;
    const good = traceLine(share, { ret: 0 });
    const path = file("late.jsonl", [HEADER, good, "\n", traceReset(), good, traceReset(), good, good, good].join(""));
    const parts = (await partsOfFile(path, 3, 1)) ?? [];
    expect(parts.length).toBeGreaterThan(1);
    // Header, operation 0, empty line, reset, operation 1, reset, operation 2; then what was shared already is shared again.
    expect(await partsOf(path, parts, { stopAtFirst: false })).toMatchObject({
      diverged: 2,
      first: { line: 8, operation: 3 },
    });
  });
});

describe("what is left whole", () => {
  const golden = recorded("pkvm/07-panic-a").join("\n");

  test.each<[string, string | Uint8Array]>([
    [
      "a capture: its snapshots do not say all",
      readFileSync(new URL("../vectors/traces/boot-n1.hyp.txt.gz", import.meta.url)),
    ],
    ["a recording of walks", readFileSync(new URL("../vectors/walk/attrs.jsonl.gz", import.meta.url))],
    ["a recording without resets", readFileSync(new URL("../vectors/pkvm/02-protected-a.jsonl.gz", import.meta.url))],
    ["no trace", "hello\n"],
    ["an empty file", ""],
    ["truncated gzip", gzipSync(golden).subarray(0, 3000)],
  ])("%s", async (_, content) => {
    expect(await partsOfFile(file("whole", content), 4, 1)).toBeNull();
  });

  test("a file that is not there, a folder", async () => {
    expect(await partsOfFile(join(folder, "nowhere"), 4, 1)).toBeNull();
    expect(await partsOfFile(folder, 4, 1)).toBeNull();
  });

  test("a short file, unless it is asked for", async () => {
    const path = file("short.jsonl", golden);
    expect(await partsOfFile(path, 4)).toBeNull();
    expect(await partsOfFile(path, 4, 1)).not.toBeNull();
  });
});
