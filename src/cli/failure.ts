// Inputs that could not be replayed to their end: one line on standard error, an exit code, no stack trace.

import { ScenarioError } from "../scenario/scenario-error.js";
import { LimitError, TraceError } from "../trace/replay.js";
import { LIMIT, REFUSED } from "./exit-codes.js";
import { printable } from "./matrix/wrap.js";
import { coloured, type Terminal, writeJson, writeLine } from "./terminal.js";

export interface Failure {
  readonly file: string;
  /** Line of the file, from 1; 0 if none is to blame. */
  readonly line: number;
  /** From 1; 0 or absent if none is to blame. */
  readonly column?: number;
  readonly sentence: string;
  readonly exitCode: number;
}

/** An input that is no trace is refused: an option's value, an image, a log. */
export class RefusedInput extends Error {
  override readonly name = "RefusedInput";
  /** The file, or the option. */
  readonly file: string;
  /** From 1; 0 if none is to blame. */
  readonly line: number;

  constructor(file: string, line: number, sentence: string) {
    super(sentence);
    this.file = file;
    this.line = line;
  }
}

/**
 * What an error says about an input.
 *
 * @throws the error itself if it is not the input's fault
 */
export function inputFailure(file: string, error: unknown): Failure {
  if (error instanceof RefusedInput) {
    return { file: error.file, line: error.line, sentence: error.message, exitCode: REFUSED };
  }
  if (error instanceof ScenarioError) {
    const { line, column, sentence } = error;
    return { file: error.file, line, column, sentence, exitCode: REFUSED };
  }
  if (error instanceof TraceError) return { file, line: error.line, sentence: error.message, exitCode: REFUSED };
  if (error instanceof LimitError) return { file, line: error.line, sentence: error.message, exitCode: LIMIT };
  throw error;
}

/** `trace.txt:12: the sentence` (or `run.yaml:12:5: ...`) on standard error; with `json` also an object on standard output. */
export function writeFailure(failure: Failure, json: boolean, terminal: Terminal): void {
  const { file, line, column = 0, sentence } = failure;
  const name = file === "-" ? "standard input" : printable(file);
  const place = [name, line, column].filter((part) => part !== 0).join(":");
  writeLine(terminal.stderr, `${coloured("red", `${place}:`, terminal.stderr)} ${sentence}`);
  if (json) {
    const at = column > 0 ? { column } : {};
    writeJson(terminal.stdout, { file, error: sentence, line: line > 0 ? line : null, ...at });
  }
}
