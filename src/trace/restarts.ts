// Where a trace can be taken apart (parts.ts): its reset lines, found without reading what is between them. For node.

import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { DETECT_BYTES, detectFormat } from "./detect.js";
import { readInput } from "./input.js";
import { hasRestarts, type RestartingFormat, type TracePart } from "./parts.js";

/** A place in a trace behind a reset line. */
export interface Restart {
  /** Offset of the next line, in bytes of the unpacked trace. */
  readonly at: number;
  readonly operationsBefore: number | null;
}

const RESET = '"reset"';
const NEWLINE = 0x0a;

/**
 * Finds reset lines in bytes that are cut anywhere. A reset that is spelled in an unusual way may be missed, which does no harm.
 */
export class RestartFinder {
  readonly #isNumbered: boolean;
  /** Bytes behind the last newline. */
  #rest = Buffer.alloc(0);
  /** Offset of the first of them. */
  #at: number;
  #isInLine: boolean;

  /** @param at offset of the first byte that comes; unless it is 0, the line that it is in is not looked at */
  constructor(format: RestartingFormat, at: number) {
    this.#isNumbered = format !== "freehold-trace";
    this.#at = at;
    this.#isInLine = at > 0;
  }

  /** The resets whose lines end in these bytes. */
  *find(bytes: Uint8Array): Generator<Restart, void, undefined> {
    const last = bytes.lastIndexOf(NEWLINE);
    if (last < 0) {
      this.#rest = Buffer.concat([this.#rest, bytes]);
      return;
    }
    const lines = Buffer.concat([this.#rest, bytes.subarray(0, last + 1)]);
    const at = this.#at;
    this.#rest = Buffer.from(bytes.subarray(last + 1));
    this.#at += lines.length;
    const from = this.#isInLine ? lines.indexOf(NEWLINE) + 1 : 0;
    this.#isInLine = false;
    for (let reset = lines.indexOf(RESET, from); reset >= 0;) {
      const end = lines.indexOf(NEWLINE, reset) + 1;
      const operationsBefore = this.#readReset(lines.toString("utf8", lines.lastIndexOf(NEWLINE, reset) + 1, end));
      if (operationsBefore !== undefined) yield { at: at + end, operationsBefore };
      reset = lines.indexOf(RESET, end);
    }
  }

  /** Operations before it (null: it does not say); undefined if the line is no reset. */
  #readReset(line: string): number | null | undefined {
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      return undefined;
    }
    if (typeof value !== "object" || value === null || "op" in value || !("reset" in value)) return undefined;
    const { reset } = value;
    if (!this.#isNumbered) return reset === true ? null : undefined;
    const { i } = (reset ?? {}) as { i?: unknown };
    return typeof i === "number" ? i : undefined;
  }
}

// A file's parts

/** A part of a file: where its lines are, in bytes of the unpacked trace. */
export interface FilePart extends TracePart {
  readonly from: number;
  /** Null: the end of the file, wherever that is when it is read. */
  readonly to: number | null;
  /** How long it was when the file was taken apart. */
  readonly bytes: number;
  readonly format: RestartingFormat;
  readonly isPacked: boolean;
}

/** Unpacking takes about as long as replaying Freehold traces, and cannot be shared: packed, they are left whole. */
const isWorthUnpacking = (format: RestartingFormat): boolean => format !== "freehold-trace";
/** Bytes that a part should have at least: enough to replay that starting one does not matter. */
const WORTH_STARTING: Readonly<Record<RestartingFormat, number>> = {
  "freehold-trace": 4 << 20,
  golden: 1 << 18,
  "golden-ffa": 1 << 18,
};
/** How far behind the place where a part should begin a reset is looked for. */
const LOOK_BYTES = 32 << 20;
const READ_BYTES = 1 << 20;

/**
 * Takes a file apart at resets, into pieces of about the same size.
 *
 * @param pieces how many parts are wanted; there may be fewer
 * @param minimum bytes that a part should have at least; default: what is worth it
 * @returns null if it is better replayed as a whole: no resets, too short, another format, no regular file; or it cannot be read,
 * which the replay of the whole puts into words
 */
export async function partsOfFile(path: string, pieces: number, minimum?: number): Promise<readonly FilePart[] | null> {
  let fd: number | null = null;
  try {
    fd = openSync(path, "r");
    const stat = fstatSync(fd);
    if (!stat.isFile()) return null;
    const head = Buffer.alloc(Math.min(stat.size, DETECT_BYTES));
    readSync(fd, head, 0, head.length, 0);
    return isGzip(head)
      ? await partsOfPacked(path, pieces, minimum)
      : partsOfPlain(fd, head, stat.size, pieces, minimum);
  } catch {
    return null;
  } finally {
    if (fd !== null) closeSync(fd);
  }
}

const isGzip = (head: Uint8Array): boolean => head[0] === 0x1f && head[1] === 0x8b;

function partsOfPlain(
  fd: number,
  head: Uint8Array,
  size: number,
  pieces: number,
  minimum: number | undefined,
): readonly FilePart[] | null {
  const format = restartingFormat(head);
  if (format === null) return null;
  const wanted = Math.min(pieces, Math.floor(size / (minimum ?? WORTH_STARTING[format])));
  const restarts: Restart[] = [];
  for (let piece = 1; piece < wanted; piece++) {
    const from = Math.floor((size / wanted) * piece);
    const restart = findRestart(fd, format, Math.max(from, restarts.at(-1)?.at ?? 0));
    if (restart !== null) restarts.push(restart);
  }
  return partsBetween(restarts, size, { format, isPacked: false });
}

/** The format that the first bytes tell, if it can be taken apart. */
function restartingFormat(head: Uint8Array): RestartingFormat | null {
  const detection = detectFormat(head);
  return "format" in detection && hasRestarts(detection.format) ? detection.format : null;
}

/** The first reset whose line begins behind `from`. */
function findRestart(fd: number, format: RestartingFormat, from: number): Restart | null {
  const finder = new RestartFinder(format, from);
  const buffer = Buffer.alloc(READ_BYTES);
  for (let at = from; at < from + LOOK_BYTES;) {
    const length = readSync(fd, buffer, 0, READ_BYTES, at);
    if (length === 0) return null;
    at += length;
    const { value } = finder.find(buffer.subarray(0, length)).next();
    if (value !== undefined) return value;
  }
  return null;
}

/** Of a packed trace all bytes are looked at: its size is not known before. */
async function partsOfPacked(
  path: string,
  pieces: number,
  minimum: number | undefined,
): Promise<readonly FilePart[] | null> {
  let format: RestartingFormat | null = null;
  let finder: RestartFinder | null = null;
  let size = 0;
  const restarts: Restart[] = [];
  for await (const chunk of readInput(path)) {
    if (format === null || finder === null) {
      format = restartingFormat(chunk);
      if (format === null || !isWorthUnpacking(format)) return null;
      finder = new RestartFinder(format, 0);
    }
    restarts.push(...finder.find(chunk));
    size += chunk.length;
  }
  if (format === null) return null;
  const wanted = Math.min(pieces, Math.floor(size / (minimum ?? WORTH_STARTING[format])));
  return wanted < 2 ? null : partsBetween(evenly(restarts, size / wanted), size, { format, isPacked: true });
}

/** Of many restarts those between which there are at least so many bytes. */
function evenly(restarts: readonly Restart[], bytes: number): readonly Restart[] {
  let next = bytes;
  return restarts.filter(({ at }) => {
    if (at < next) return false;
    next = at + bytes;
    return true;
  });
}

function partsBetween(
  restarts: readonly Restart[],
  size: number,
  { format, isPacked }: { readonly format: RestartingFormat; readonly isPacked: boolean },
): readonly FilePart[] | null {
  if (restarts.length === 0) return null;
  const first: Restart = { at: 0, operationsBefore: format === "freehold-trace" ? null : 0 };
  return [first, ...restarts].map(({ at, operationsBefore }, index) => {
    const next = restarts[index];
    const bytes = (next?.at ?? size) - at;
    return { from: at, to: next?.at ?? null, bytes, format, isPacked, operationsBefore, isLast: next === undefined };
  });
}

/**
 * The bytes of a part, behind those of the header. A chunk is good until the next one is asked for.
 *
 * @throws TraceError if the file cannot be read
 */
export async function* readPart(path: string, part: FilePart): AsyncGenerator<Uint8Array, void, undefined> {
  if (part.from === 0 || part.isPacked) {
    yield* cut(readInput(path), part);
    return;
  }
  const fd = openSync(path, "r");
  try {
    yield* readAt(fd, 0, await headerEnd(path));
    yield* readAt(fd, part.from, part.to ?? Infinity);
  } finally {
    closeSync(fd);
  }
}

/** Of all bytes of a trace those of the header and of a part. */
async function* cut(chunks: AsyncIterable<Uint8Array>, { from, to }: FilePart): AsyncGenerator<Uint8Array> {
  let isHeader = from > 0;
  let at = 0;
  for await (const chunk of chunks) {
    const newline = isHeader ? chunk.indexOf(NEWLINE) : -1;
    if (isHeader) yield newline < 0 ? chunk : chunk.subarray(0, newline + 1);
    if (newline >= 0) isHeader = false;
    yield chunk.subarray(Math.max(0, from - at), Math.max(0, (to ?? Infinity) - at));
    at += chunk.length;
    if (to !== null && at >= to) return;
  }
}

/** Offset of the line behind the header. */
async function headerEnd(path: string): Promise<number> {
  let at = 0;
  for await (const chunk of readInput(path)) {
    const newline = chunk.indexOf(NEWLINE);
    if (newline >= 0) return at + newline + 1;
    at += chunk.length;
  }
  return at;
}

function* readAt(fd: number, from: number, to: number): Generator<Uint8Array> {
  const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  for (let at = from; at < to;) {
    const length = readSync(fd, buffer, 0, Math.min(READ_BYTES, to - at), at);
    if (length === 0) return;
    at += length;
    yield buffer.subarray(0, length);
  }
}
