// The bytes of a file or of an example, unpacked while they come: nothing is ever there as a whole.

import { TraceError } from "../trace/replay.js";

export type Chunk = Uint8Array<ArrayBuffer>;

/** The chunks of a stream. `progress` is told how many bytes have been read. */
export async function* readStream(
  stream: ReadableStream<Chunk>,
  progress: (read: number) => void = () => {},
): AsyncGenerator<Chunk> {
  const reader = stream.getReader();
  let read = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      read += value.length;
      progress(read);
      yield value;
    }
  } finally {
    // Where nobody wants the rest; a stream that has ended or failed does not mind.
    await reader.cancel().catch(() => {});
  }
}

/**
 * Plain bytes as they are, gzip unpacked: its first two bytes tell.
 *
 * @throws TraceError if it is gzip that is truncated, corrupt or followed by something else
 */
export async function* unpack(chunks: AsyncIterable<Chunk>): AsyncGenerator<Chunk> {
  const { head, rest } = await peek(chunks, 2);
  yield* isGzip(head) ? gunzip(rest) : rest;
}

const isGzip = (head: Uint8Array) => head[0] === 0x1f && head[1] === 0x8b;

/** Traces shrink to between a third and this part. A file that says otherwise was cut, or has more than 4 GiB of text. */
const SMALLEST_PART = 1 / 64;
/** Smaller files have no 4 GiB of text in them. */
const LARGE = 2 ** 28;

/** How many bytes a file has unpacked, as far as it tells: gzip ends with that number modulo 2^32. */
export async function unpackedSize(file: Blob): Promise<number> {
  if (!isGzip(new Uint8Array(await file.slice(0, 2).arrayBuffer())) || file.size < 18) return file.size;
  const length = new DataView(await file.slice(-4).arrayBuffer()).getUint32(0, true);
  if (file.size < SMALLEST_PART * length) return file.size;
  return file.size > LARGE && length < 3 * file.size ? length + 2 ** 32 : length;
}

/** At least `size` bytes (fewer if there are no more), and all chunks with these still in front. */
export async function peek(
  chunks: AsyncIterable<Chunk>,
  size: number,
): Promise<{ head: Chunk; rest: AsyncGenerator<Chunk> }> {
  const source = chunks[Symbol.asyncIterator]();
  let head: Chunk = new Uint8Array(0);
  while (head.length < size) {
    const next = await source.next();
    if (next.done === true) break;
    head = join(head, next.value);
  }
  const rest = async function* () {
    try {
      if (head.length > 0) yield head;
      yield* { [Symbol.asyncIterator]: () => source };
    } finally {
      await source.return?.(); // also where the head was enough
    }
  };
  return { head, rest: rest() };
}

function join(first: Chunk, second: Chunk): Chunk {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

async function* gunzip(packed: AsyncIterable<Chunk>): AsyncGenerator<Chunk> {
  const stream = new DecompressionStream("gzip");
  const feeding = feed(packed, stream.writable.getWriter());
  try {
    yield* readStream(stream.readable);
  } catch (error) {
    throw (await feeding) ?? refusalOf(error);
  }
}

/** Answers why the packed bytes could not be read; null: they could. What the other side refuses of them is its own to say. */
async function feed(packed: AsyncIterable<Chunk>, writer: WritableStreamDefaultWriter<Chunk>): Promise<Error | null> {
  try {
    for await (const chunk of packed) {
      const isTaken = await writer.write(chunk).then(
        () => true,
        () => false,
      );
      if (!isTaken) return null;
    }
  } catch (failure) {
    await writer.abort(failure).catch(() => {});
    return failure instanceof Error ? failure : new Error(String(failure));
  }
  await writer.close().catch(() => {});
  return null;
}

/** In the words of Chromium, of Firefox and of node. */
const ENDS_EARLY = /truncated|without reaching|unexpected end/i;
const GOES_ON = /junk|after the end|trailing/i;

function refusalOf(error: unknown): TraceError {
  const message = error instanceof Error ? error.message : String(error);
  if (ENDS_EARLY.test(message)) return new TraceError(0, "the gzip data ends early, the file is truncated");
  if (GOES_ON.test(message)) return new TraceError(0, "something follows the end of the gzip data");
  return new TraceError(0, `the gzip data is corrupt (${message.replace(/\.$/, "")})`);
}
