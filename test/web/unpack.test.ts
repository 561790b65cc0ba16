// Files as the page reads them: plain or gzip, in pieces cut anywhere.

import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { readStream, unpack, unpackedSize, type Chunk } from "../../src/web/unpack.js";

const LINES = Array.from({ length: 5000 }, (_, seq) => `[000]\t    1.${seq * 7919}: mem_op seq=${seq}\n`);
const TEXT = new TextEncoder().encode(LINES.join(""));
const PACKED = new Uint8Array(gzipSync(TEXT));

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Chunk> {
  for (let at = 0; at < bytes.length; at += size) yield await Promise.resolve(bytes.slice(at, at + size));
}

async function all(chunks: AsyncIterable<Chunk>): Promise<Uint8Array> {
  const kept: Chunk[] = [];
  for await (const chunk of chunks) kept.push(chunk.slice());
  return Buffer.concat(kept);
}

const unpacked = (bytes: Uint8Array, size = 1000) => all(unpack(pieces(bytes, size)));

describe("bytes are given as they are in the file, unpacked", () => {
  test.each([
    ["plain", TEXT, 1000, TEXT],
    ["plain, a byte at a time", TEXT.subarray(0, 100), 1, TEXT.subarray(0, 100)],
    ["gzip", PACKED, 1000, TEXT],
    ["gzip in one piece", PACKED, PACKED.length, TEXT],
    ["gzip, a byte at a time", PACKED, 1, TEXT],
    ["nothing", new Uint8Array(0), 1, new Uint8Array(0)],
    ["one byte", PACKED.subarray(0, 1), 1, PACKED.subarray(0, 1)],
  ])("%s", async (_, bytes, size, expected) => {
    expect(Buffer.compare(await unpacked(bytes, size), expected)).toBe(0);
  });
});

describe("gzip is refused that is", () => {
  const corrupt = PACKED.slice();
  corrupt[PACKED.length - 5]! ^= 0xff; // in the checksum
  test.each([
    ["cut in its middle", PACKED.subarray(0, PACKED.length >> 1), "the gzip data ends early, the file is truncated"],
    ["cut before its last byte", PACKED.subarray(0, -1), "the gzip data ends early, the file is truncated"],
    ["cut in its header", PACKED.subarray(0, 5), "the gzip data ends early, the file is truncated"],
    ["corrupt", corrupt, /^the gzip data is corrupt \(.+\)$/],
  ])("%s", async (_, bytes, message) => {
    await expect(unpacked(bytes)).rejects.toThrow(message);
  });
});

test("a file that cannot be read is its own reason", async () => {
  async function* broken(): AsyncGenerator<Chunk> {
    yield PACKED.slice(0, 100);
    throw await Promise.resolve(new Error("the file is gone"));
  }
  await expect(all(unpack(broken()))).rejects.toThrow("the file is gone");
});

describe("how long a file is unpacked is told by its end", () => {
  test.each([
    ["plain", TEXT, TEXT.length],
    ["gzip", PACKED, TEXT.length],
    ["gzip of nothing", new Uint8Array(gzipSync("")), 0],
    ["a gzip header alone", PACKED.subarray(0, 10), 10],
    ["gzip that was cut: its end is no length", Buffer.concat([PACKED, Buffer.alloc(4, 0xff)]), PACKED.length + 4],
    ["nothing", new Uint8Array(0), 0],
  ])("%s", async (_, bytes, size) => {
    expect(await unpackedSize(new Blob([bytes]))).toBe(size);
  });
});

test("progress counts the bytes of the stream", async () => {
  const read: number[] = [];
  const stream = new Blob([TEXT]).stream() as ReadableStream<Chunk>;
  for await (const chunk of readStream(stream, (bytes) => read.push(bytes))) expect(chunk.length).toBeGreaterThan(0);
  expect(read.at(-1)).toBe(TEXT.length);
  expect(read).toEqual(read.toSorted((a, b) => a - b));
});

test("who wants no more stops the source", async () => {
  let cancelled = false;
  const stream = new ReadableStream<Chunk>({
    pull: (controller) => controller.enqueue(TEXT.slice(0, 10)),
    cancel: () => {
      cancelled = true;
    },
  });
  for await (const chunk of unpack(readStream(stream))) {
    expect(chunk.length).toBe(10);
    break;
  }
  expect(cancelled).toBe(true);
});
