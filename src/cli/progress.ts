// How far something is, on standard error: only on a terminal, only once it has taken a second, gone when it is done.

import { performance } from "node:perf_hooks";
import type { ReadProgress } from "../trace/input.js";
import type { Terminal } from "./terminal.js";

const SHOW_AFTER_MS = 1000;
const REDRAW_MS = 100;
const BAR_WIDTH = 30;
const ERASE_LINE = "\r\x1b[K";

export interface ProgressBar {
  readonly update: ReadProgress;
  /** Removes the bar from the terminal. */
  clear(): void;
}

/** A bar for one input. Where standard error is no terminal, it draws nothing. */
export function progressBar(
  label: string,
  terminal: Terminal,
  now: () => number = () => performance.now(),
): ProgressBar {
  const line = statusLine(terminal, now);
  const columns = terminal.stderr.columns ?? 80;
  return {
    update: (read, size) => line.update((seconds) => barText(label, read, size, seconds, columns)),
    clear: () => line.clear(),
  };
}

/** One line that is written anew again and again. */
export interface StatusLine {
  /** `text` is asked only if the line is drawn: what to write so many seconds after the start. */
  update(text: (seconds: number) => string): void;
  /** Removes the line from the terminal. */
  clear(): void;
}

/** Where standard error is no terminal, it draws nothing. */
export function statusLine(terminal: Terminal, now: () => number = () => performance.now()): StatusLine {
  const { stderr } = terminal;
  const started = now();
  let drawnAt = -Infinity;
  const update = (text: (seconds: number) => string): void => {
    const time = now();
    if (stderr.isTTY !== true || time - started < SHOW_AFTER_MS || time - drawnAt < REDRAW_MS) return;
    drawnAt = time;
    stderr.write(ERASE_LINE + text((time - started) / 1000).slice(0, (stderr.columns ?? 80) - 1));
  };
  const clear = (): void => {
    if (drawnAt !== -Infinity) stderr.write(ERASE_LINE);
    drawnAt = -Infinity;
  };
  return { update, clear };
}

/** `trace.txt [#######.......]  47 %  512 MB/s  2 s left`, cut to the width of the terminal. */
export function barText(label: string, read: number, size: number | null, seconds: number, columns: number): string {
  const rate = `${(read / 1e6 / seconds).toFixed(0)} MB/s`;
  if (size === null || size === 0) return `${label}  ${(read / 1e6).toFixed(0)} MB  ${rate}`.slice(0, columns - 1);
  const done = Math.min(1, read / size);
  const filled = Math.round(done * BAR_WIDTH);
  const bar = "#".repeat(filled).padEnd(BAR_WIDTH, ".");
  const left = Math.ceil((seconds * (1 - done)) / done);
  const percent = `${Math.floor(done * 100)}`.padStart(3);
  return `${label} [${bar}] ${percent} %  ${rate}  ${left} s left`.slice(0, columns - 1);
}
