import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readInput } from "../../src/trace/input.js";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "freehold-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** More than a read's worth of text, no two blocks alike. */
const TEXT = Buffer.from(Array.from({ length: 200_000 }, (_, i) => `line ${i}\n`).join(""));

async function readBack(content: Uint8Array): Promise<Buffer> {
  const path = join(folder, "input");
  writeFileSync(path, content);
  const chunks: Buffer[] = [];
  for await (const chunk of readInput(path)) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

test.each([
  ["plain", TEXT, TEXT],
  ["gzip", gzipSync(TEXT), TEXT],
  [
    "gzip of two members",
    Buffer.concat([gzipSync(TEXT), gzipSync("end\n")]),
    Buffer.concat([TEXT, Buffer.from("end\n")]),
  ],
  ["one byte", Buffer.from("x"), Buffer.from("x")],
  ["nothing", Buffer.alloc(0), Buffer.alloc(0)],
])("%s", async (_name, content, expected) => {
  expect((await readBack(content)).equals(expected)).toBe(true);
});

test("progress counts the bytes of the file", async () => {
  const path = join(folder, "input");
  writeFileSync(path, gzipSync(TEXT));
  const size = gzipSync(TEXT).length;
  const seen: [number, number | null][] = [];
  const reader = readInput(path, (read, of) => seen.push([read, of]));
  while ((await reader.next()).done !== true);
  expect(seen.at(-1)).toEqual([size, size]);
});

test("a reader that stops early leaves nothing open", async () => {
  const path = join(folder, "input");
  for (const content of [TEXT, gzipSync(TEXT)]) {
    writeFileSync(path, content);
    const reader = readInput(path);
    await reader.next();
    await reader.return();
    expect((await reader.next()).done).toBe(true);
  }
});
