// A terminal that remembers what was written to it.

import { Writable } from "node:stream";
import type { Terminal } from "../../src/cli/terminal.js";
import { run } from "../../src/cli/program.js";

export class CapturedStream extends Writable {
  text = "";
  readonly isTTY: boolean;

  constructor(isTTY = false) {
    super({ decodeStrings: false });
    this.isTTY = isTTY;
  }

  override _write(chunk: string | Buffer, _encoding: string, done: () => void): void {
    this.text += String(chunk);
    done();
  }
}

export interface Run {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs one command line inside this process. */
export async function freehold(...args: string[]): Promise<Run> {
  const stdout = new CapturedStream();
  const stderr = new CapturedStream();
  const terminal: Terminal = { stdout, stderr };
  const exitCode = await run(args, terminal);
  return { exitCode, stdout: stdout.text, stderr: stderr.text };
}

/** The objects of JSON Lines. */
export function jsonLines(text: string): Record<string, unknown>[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

export const PROTECTED = "test/vectors/pkvm/02-protected-a.jsonl.gz";
export const CAPTURE = "test/vectors/traces/boot-n1.hyp.txt.gz";
