// Input that is refused: one line on standard error with the file's name, exit code 3, nothing reported as matched.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freehold, jsonLines, PROTECTED } from "./captured-terminal.js";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "freehold-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function aFile(content: string | Uint8Array): string {
  const path = join(folder, "input");
  writeFileSync(path, content);
  return path;
}

const vector = readFileSync(PROTECTED);
const lines = gunzipSync(vector).toString().split("\n");
const changed = (edit: (lines: string[]) => void): string => {
  const copy = [...lines];
  edit(copy);
  return copy.join("\n");
};

test.each<[string, string | Uint8Array, string]>([
  ["an empty file", "", ": the file is empty"],
  ["gzip of nothing", gzipSync(""), ": the file is empty"],
  ["truncated gzip", vector.subarray(0, vector.length - 20), ": the gzip data ends early, the file is truncated"],
  ["gzip without its trailer", vector.subarray(0, vector.length - 4), ": the gzip data ends early"],
  ["a gzip header alone", vector.subarray(0, 2), ": the gzip data ends early"],
  ["gzip with a bad checksum", withByte(vector, vector.length - 6), ": the gzip data is corrupt"],
  ["something behind the gzip data", Buffer.concat([vector, Buffer.alloc(9)]), ": something follows the end"],
  ["gzip inside gzip", gzipSync(vector), "looks like gzip inside gzip"],
  ["binary garbage", Buffer.from([1, 2, 3, 0, 255, 254, 10, 13, 0]), "looks like binary data"],
  ["some text", "Dear reader,\nthis is no trace\n", 'looks like text ("Dear reader,")'],
  ["other JSON", '{"name":"x"}\n', 'looks like JSON whose first line has no "format"'],
  ["JSON of another format", '{"format":"itf"}\n', 'looks like JSON of format "itf"'],
  ["the host kernel's trace", " vmm-71  [001] .....  2.9: kvm_entry: PC: 0x80000000\n", "a trace of the host kernel"],
  ["a line that is not JSON", changed((all) => (all[4] = "{oops")), ":5: "],
  ["a header cut off", (lines[0] ?? "").slice(0, 200), ":1: "],
])("%s", async (_name, content, message) => {
  const path = aFile(content);
  const { exitCode, stdout, stderr } = await freehold("replay", path);
  expect([exitCode, stdout]).toEqual([3, ""]);
  expect(stderr.startsWith(`${path}:`)).toBe(true);
  expect(stderr).toContain(message);
  expect(stderr.split("\n")).toHaveLength(2);
});

function withByte(bytes: Uint8Array, at: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 0xff;
  return copy;
}

test.each([
  ["a file that is not there", "/nowhere/at/all", "no such file"],
  ["a folder", "test", "is a directory"],
])("%s", async (_name, path, message) => {
  const { exitCode, stderr } = await freehold("explain", path, "--at", "0");
  expect([exitCode, stderr]).toEqual([3, `${path}: ${message}\n`]);
});

test("the other files are replayed all the same, and the refused one counts towards nothing", async () => {
  const refused = aFile("no trace\n");
  const { exitCode, stdout } = await freehold("replay", refused, "test/vectors/pkvm/01-selftest-a.jsonl.gz", "--json");
  const [failure, file, total] = jsonLines(stdout);
  expect(exitCode).toBe(3);
  expect(failure).toEqual({ file: refused, error: expect.stringContaining("not a trace") as string, line: null });
  expect(file).toMatchObject({ ops: 121, matched: 121, diverged: 0, first: null });
  expect(total).toEqual({ total: true, files: 2, ops: 121, matched: 121, diverged: 0 });
});
