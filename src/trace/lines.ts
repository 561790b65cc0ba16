// Bytes cut anywhere in, whole lines of text out.

import { TraceError } from "./replay.js";

/** Longest line that is read, in bytes: far above any recording, far below what would exhaust memory. */
export const LINE_LIMIT = 64 * 1024 * 1024;

const NEWLINE = 0x0a;

/** Splits a stream of UTF-8 bytes into lines. */
export class LineSplitter {
  readonly #decoder = new TextDecoder("utf-8", { fatal: true });
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #line = 0;

  /** Number of the line that was passed on last, from 1. */
  get line(): number {
    return this.#line;
  }

  /**
   * Calls `take` with every line that `bytes` completes, until it answers false. Does not keep `bytes`.
   *
   * @throws TraceError if a line is too long or is not UTF-8
   */
  write(bytes: Uint8Array, take: (text: string) => boolean): void {
    let from = 0;
    for (;;) {
      const newline = bytes.indexOf(NEWLINE, from);
      if (newline < 0) break;
      const text = this.#complete(bytes.subarray(from, newline));
      from = newline + 1;
      if (!take(text)) return;
    }
    this.#keep(bytes.subarray(from));
  }

  /** The last line, if the input does not end with a newline. */
  rest(): string | null {
    return this.#pendingBytes === 0 ? null : this.#complete(new Uint8Array(0));
  }

  #keep(bytes: Uint8Array): void {
    this.#checkLength(bytes.length);
    if (bytes.length === 0) return;
    this.#pending.push(bytes.slice());
    this.#pendingBytes += bytes.length;
  }

  #checkLength(more: number): void {
    if (this.#pendingBytes + more > LINE_LIMIT) {
      throw new TraceError(this.#line + 1, `line is longer than ${LINE_LIMIT} bytes`);
    }
  }

  #complete(end: Uint8Array): string {
    this.#checkLength(end.length);
    this.#line += 1;
    let line = end;
    if (this.#pendingBytes > 0) {
      line = new Uint8Array(this.#pendingBytes + end.length);
      let at = 0;
      for (const part of [...this.#pending, end]) {
        line.set(part, at);
        at += part.length;
      }
      this.#pending = [];
      this.#pendingBytes = 0;
    }
    try {
      return this.#decoder.decode(line);
    } catch {
      throw new TraceError(this.#line, "not text: invalid UTF-8");
    }
  }
}
