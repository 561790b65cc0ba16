// Seeded fuzzing of every reader with real recordings. Two questions: does damage ever do more than be refused or replayed,
// and is a recorded result that was changed ever taken for a match?

import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { createFreeholdTraceReplay } from "../../src/trace/freehold-trace.js";
import { createGoldenFfaReplay } from "../../src/trace/golden-ffa.js";
import { createGoldenReplay } from "../../src/trace/golden.js";
import { type Replay, type ReplaySummary, TraceError } from "../../src/trace/replay.js";
import { createTracefsReplay } from "../../src/trace/tracefs.js";

const SEED = 20260731;

/** Random integers below `limit`: xorshift32. */
function generator(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % limit;
  };
}

function vector(name: string): Buffer {
  return gunzipSync(readFileSync(new URL(`../vectors/${name}`, import.meta.url)));
}

/** A golden file cut behind its first check line at or behind operation `count`, its header corrected. */
function shortened(name: string, count: number): Buffer {
  const lines = vector(name).toString("latin1").split("\n");
  const end = lines.findIndex((line) => line.startsWith(`{"check":{"i":${count},`));
  const header = (lines[0] ?? "").replace(/"ops":\d+/, `"ops":${count}`);
  return Buffer.from([header, ...lines.slice(1, end + 1), ""].join("\n"), "latin1");
}

/** The documented example of the product's own format. */
function ownTrace(): Buffer {
  const page = readFileSync(new URL("../../docs/trace-format.md", import.meta.url), "utf8");
  const lines = page.split("\n").filter((line) => line.startsWith('{"'));
  const header = lines.findIndex((line) => line.includes('"freehold-trace"'));
  return Buffer.from(`${lines.slice(header).join("\n")}\n`);
}

interface Format {
  readonly name: string;
  readonly bytes: Buffer;
  readonly create: () => Promise<Replay>;
  readonly rounds: number;
}

const formats: Format[] = [
  { name: "golden pkvm", bytes: vector("pkvm/04-memcache-a.jsonl.gz"), create: createGoldenReplay, rounds: 120 },
  { name: "golden panics", bytes: vector("pkvm/07-panic-a.jsonl.gz"), create: createGoldenReplay, rounds: 60 },
  {
    name: "golden pgtable",
    bytes: shortened("pkvm/24-pgtable-smallpool-b48.jsonl.gz", 256),
    create: createGoldenReplay,
    rounds: 60,
  },
  { name: "golden ffa", bytes: vector("ffa/07-perm-spmc.jsonl.gz"), create: createGoldenFfaReplay, rounds: 120 },
  {
    name: "golden ffa, two worlds",
    bytes: vector("ffa/09-worlds-both.jsonl.gz"),
    create: createGoldenFfaReplay,
    rounds: 120,
  },
  { name: "tracefs", bytes: vector("traces/boot-a57.hyp.txt.gz"), create: createTracefsReplay, rounds: 40 },
  { name: "freehold-trace", bytes: ownTrace(), create: createFreeholdTraceReplay, rounds: 300 },
];

/** What a replay answers: its summary, or the refusal. Anything else that is thrown fails the test. */
async function outcome({ create }: Format, bytes: Uint8Array, piece: number): Promise<ReplaySummary | TraceError> {
  try {
    const replay = await create();
    for (let at = 0; at < bytes.length; at += piece) replay.write(bytes.subarray(at, at + piece));
    return replay.end();
  } catch (error) {
    if (error instanceof TraceError) return error;
    throw error;
  }
}

/** One to three injuries: a byte changed, a stretch cut out, a stretch doubled, lines exchanged, the end cut off. */
function injure(bytes: Buffer, random: (limit: number) => number): Buffer {
  let damaged = Buffer.from(bytes);
  for (let left = 1 + random(3); left > 0 && damaged.length > 2; left--) {
    const at = random(damaged.length - 1);
    const to = Math.min(damaged.length, at + 1 + random(200));
    switch (random(5)) {
      case 0:
        damaged[at] = random(256);
        break;
      case 1:
        damaged = Buffer.concat([damaged.subarray(0, at), damaged.subarray(to)]);
        break;
      case 2:
        damaged = Buffer.concat([damaged.subarray(0, to), damaged.subarray(at)]);
        break;
      case 3: {
        const lines = damaged.toString("latin1").split("\n");
        const line = random(lines.length);
        lines.splice(line, 2, ...lines.slice(line, line + 2).reverse());
        damaged = Buffer.from(lines.join("\n"), "latin1");
        break;
      }
      default:
        damaged = damaged.subarray(0, at);
    }
  }
  return damaged;
}

describe.each(formats)("$name", (format) => {
  test("undamaged it matches", async () => {
    const summary = await outcome(format, format.bytes, 1 << 16);
    expect(summary).toMatchObject({ diverged: 0, panic: null });
    expect((summary as ReplaySummary).matched).toBeGreaterThan(0);
  });

  test("damage is refused with its line, or replayed with honest counts", async () => {
    const random = generator(SEED);
    for (let round = 0; round < format.rounds; round++) {
      const damaged = injure(format.bytes, random);
      const result = await outcome(format, damaged, 1 + random(1 << 15));
      const lines = damaged.toString("latin1").split("\n").length;
      if (result instanceof TraceError) {
        expect(result.line).toBeLessThanOrEqual(lines);
        expect(result.message).not.toMatch(/\n|undefined|\[object/);
      } else {
        expect(result.matched).toBeLessThanOrEqual(result.ops);
        expect(result.ops).toBeLessThanOrEqual(lines);
      }
    }
  });
});

// A result is what stands behind `"ret"` or `"panic"` of a vector; what stands before it are arguments.
const RESULT = /"(?:ret|panic)":.*$/;

/** Changes one character of a number or word in the result of a random operation line; null if there was nothing to change. */
function falsify(bytes: Buffer, random: (limit: number) => number): Buffer | null {
  const lines = bytes.toString("latin1").split("\n");
  const number = 1 + random(lines.length - 1);
  const line = lines[number] ?? "";
  const at = line.startsWith('{"check"') ? 9 : line.search(RESULT);
  if (at < 0 || !/^\{"(i|check)":/.test(line)) return null;
  const digits = [...line.slice(at).matchAll(/(?<=[:["x])[0-9a-f]+(?=["\],}])/g)];
  const chosen = digits[random(digits.length)];
  if (chosen === undefined) return null;
  const place = at + chosen.index + random(chosen[0].length);
  const old = line[place] ?? "";
  // Another digit, and no leading zero where there was none.
  const other = old === "9" ? "8" : /[0-8]/.test(old) ? String(Number(old) + 1) : old === "a" ? "b" : "a";
  lines[number] = line.slice(0, place) + other + line.slice(place + 1);
  return Buffer.from(lines.join("\n"), "latin1");
}

const golden = formats.filter(({ name }) => name.startsWith("golden"));

test.each(golden)("$name: a recorded result that was changed never matches", async (format) => {
  const random = generator(SEED + 1);
  for (let round = 0; round < format.rounds;) {
    const false_ = falsify(format.bytes, random);
    if (false_ === null) continue;
    round++;
    const result = await outcome(format, false_, 1 << 16);
    const noticed = result instanceof TraceError || result.diverged > 0;
    expect(noticed, `round ${round}: ${difference(format.bytes, false_)}`).toBe(true);
  }
});

test("tracefs: a recorded result that was changed never matches", async () => {
  const format = formats.find(({ name }) => name === "tracefs") as Format;
  const text = format.bytes.toString("latin1").split("\n");
  const steps = text.flatMap((line, index) => (/ (mem_op|host_mem_abort) /.test(line) ? [index] : []));
  const random = generator(SEED + 2);
  const states = ["owned", "shared_owned", "shared_borrowed", "nopage"];
  for (let round = 0; round < format.rounds; round++) {
    const number = steps[random(steps.length)] ?? 0;
    const line = text[number] ?? "";
    const changed = line.replace(/ret=-?\d+|host=\w+/, (field) =>
      field.startsWith("ret=")
        ? `ret=${Number(field.slice(4)) - 1}`
        : `host=${states.find((state) => state !== field.slice(5)) ?? ""}`,
    );
    const result = await outcome(format, Buffer.from(text.with(number, changed).join("\n"), "latin1"), 1 << 16);
    expect(result instanceof TraceError || result.diverged > 0, changed).toBe(true);
  }
});

function difference(before: Buffer, after: Buffer): string {
  const [old, now] = [before.toString("latin1").split("\n"), after.toString("latin1").split("\n")];
  const line = now.findIndex((text, index) => text !== old[index]);
  return `line ${line + 1}: ${now[line] ?? ""}`;
}
