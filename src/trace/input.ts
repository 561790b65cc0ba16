// The bytes of a trace: from a file or standard input, plain or gzip (told apart by the first two bytes).

import { closeSync, createReadStream, fstatSync, openSync, readSync } from "node:fs";
import { createGunzip } from "node:zlib";
import { TraceError } from "./replay.js";

/** Called when bytes have been read: how many so far, and of how many (null if the input's size is not known). */
export type ReadProgress = (read: number, size: number | null) => void;

/** Large enough that a read costs nothing beside the parsing, small enough to stay in a second-level cache's reach. */
const READ_SIZE = 1 << 20;

type Chunks = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/**
 * The unpacked bytes of `path` (`-`: standard input). A chunk is good until the next one is asked for.
 *
 * @throws TraceError if the input cannot be read, or is gzip that is truncated, corrupt or followed by something else
 */
export async function* readInput(path: string, progress?: ReadProgress): AsyncGenerator<Uint8Array, void, undefined> {
  const fd = openInput(path);
  try {
    const stat = fstatSync(fd);
    if (stat.isDirectory()) throw new TraceError(0, "is a directory");
    const raw = stat.isFile() ? fileChunks(fd) : pipeChunks(fd);
    const counted = progress === undefined ? raw : countBytes(raw, stat.isFile() ? stat.size : null, progress);
    const { head, rest } = await peek(counted);
    if (head[0] === 0x1f && head[1] === 0x8b) yield* unpack(rest);
    else yield* rest;
  } catch (error) {
    throw systemRefusal(error) ?? error;
  } finally {
    if (path !== "-") closeSync(fd);
  }
}

function openInput(path: string): number {
  if (path === "-") return process.stdin.fd;
  try {
    return openSync(path, "r");
  } catch (error) {
    throw systemRefusal(error) ?? error;
  }
}

/** One buffer for the whole file: it is overwritten by the next read. */
function* fileChunks(fd: number): Generator<Uint8Array, void, undefined> {
  const buffer = Buffer.allocUnsafeSlow(READ_SIZE);
  for (;;) {
    const length = readSync(fd, buffer, 0, READ_SIZE, null);
    if (length === 0) return;
    yield buffer.subarray(0, length);
  }
}

/** Pipes and terminals may have nothing to read yet, so they are read without blocking. */
function pipeChunks(fd: number): AsyncIterable<Uint8Array> {
  if (fd === process.stdin.fd) return process.stdin as AsyncIterable<Uint8Array>;
  return createReadStream("", { fd, autoClose: false, highWaterMark: READ_SIZE }) as AsyncIterable<Uint8Array>;
}

async function* countBytes(chunks: Chunks, size: number | null, progress: ReadProgress): AsyncGenerator<Uint8Array> {
  let read = 0;
  for await (const chunk of chunks) {
    read += chunk.length;
    progress(read, size);
    yield chunk;
  }
}

/** The first two bytes (fewer if there are no more), and all chunks with these still in front. */
async function peek(chunks: Chunks): Promise<{ head: Uint8Array; rest: AsyncIterable<Uint8Array> }> {
  const source = (async function* () {
    yield* chunks;
  })();
  let head: Uint8Array = new Uint8Array(0);
  while (head.length < 2) {
    const { done, value } = await source.next();
    if (done === true) break;
    head = head.length === 0 ? value : Buffer.concat([head, value]);
  }
  const first = head;
  const rest = (async function* () {
    if (first.length > 0) yield first;
    yield* source;
  })();
  return { head, rest };
}

/**
 * Unpacks gzip, of any number of members. Each chunk is unpacked before the next is read, so that its buffer may be reused.
 * zlib ignores zeros behind the last member; here nothing may follow it, or what was not unpacked would pass for read.
 */
async function* unpack(packed: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const gunzip = createGunzip({ chunkSize: READ_SIZE });
  let fed = 0;
  let complete = false;
  const feed = async (): Promise<void> => {
    for await (const chunk of packed) {
      fed += chunk.length;
      await new Promise<void>((resolve, reject) => {
        gunzip.write(chunk, (error) => (error ? reject(error) : resolve()));
      });
    }
    complete = true;
    gunzip.end();
  };
  feed().catch((error: unknown) => gunzip.destroy(error instanceof Error ? error : new Error(String(error))));
  try {
    yield* gunzip as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw gzipRefusal(error) ?? error;
  }
  if (!complete || gunzip.bytesWritten < fed) throw new TraceError(0, "something follows the end of the gzip data");
}

function gzipRefusal(error: unknown): TraceError | null {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "Z_BUF_ERROR") return new TraceError(0, "the gzip data ends early, the file is truncated");
  return code?.startsWith("Z_") === true ? new TraceError(0, `the gzip data is corrupt (${message})`) : null;
}

const SYSTEM_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: "no such file",
  EACCES: "permission denied",
  EPERM: "permission denied",
  EISDIR: "is a directory",
  ENOTDIR: "a part of the path is not a directory",
  EIO: "cannot be read (input/output error)",
};

/** What the operating system's refusal of a file says; null if `error` is no such refusal. */
export function systemRefusal(error: unknown): TraceError | null {
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (error instanceof TraceError || code === undefined || syscall === undefined) return null;
  return new TraceError(0, SYSTEM_ERRORS[code] ?? `cannot be read (${code})`);
}
