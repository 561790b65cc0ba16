// `freehold replay FILE...`: runs traces and compares every recorded result.

import { Command } from "commander";
import type { Divergence, ReplaySummary } from "../trace/replay.js";
import { replayFile, type ReplayedTrace } from "../trace/open.js";
import { operationNumber, pageRanges, vmHandle } from "./arguments.js";
import { DIVERGED, FINE, PANICKED, worstOf } from "./exit-codes.js";
import { inputFailure, writeFailure } from "./failure.js";
import type { PageRange } from "./page-ranges.js";
import { progressBar } from "./progress.js";
import { printState } from "./state-report.js";
import { coloured, type Terminal, writeJson, writeLine } from "./terminal.js";

export interface ReplayCommandOptions {
  readonly json?: boolean;
  readonly stopAtFirst?: boolean;
  readonly at?: number;
  readonly pages?: readonly PageRange[];
  readonly vm?: number;
}

export function replayCommand(terminal: Terminal, finish: (exitCode: number) => void): Command {
  const command = new Command("replay");
  return command
    .description("Run traces and compare every recorded result. Formats are told from the content; gzip is unpacked.")
    .argument("<file...>", "traces; - for standard input")
    .option("--json", "JSON Lines on standard output: an object for each file, a total at the end")
    .option("--stop-at-first", "stop a file at its first divergence")
    .option("--at <n>", "stop after n operations and show the state", operationNumber)
    .option("--pages <ranges>", "show these pages: 0x48000-0x4800f, 0x48000+16, pa:0x48000000 (addresses)", pageRanges)
    .option("--vm <handle>", "show this VM, or FF-A endpoint, and what it maps", vmHandle)
    .action(async (files: string[], options: ReplayCommandOptions) => {
      if (showsState(options) && files.length > 1) command.error("error: --at, --pages and --vm take one file");
      finish(await replay(files, options, terminal));
    });
}

/**
 * Replays files one after the other.
 *
 * @returns the exit code
 */
export async function replay(
  files: readonly string[],
  options: ReplayCommandOptions,
  terminal: Terminal,
): Promise<number> {
  const report = options.json === true ? new JsonReport(terminal) : new TextReport(terminal, files);
  const codes: number[] = [];
  for (const file of files) codes.push(await replayOne(file, options, report, terminal));
  report.total(files.length);
  return worstOf(codes);
}

async function replayOne(
  file: string,
  options: ReplayCommandOptions,
  report: Report,
  terminal: Terminal,
): Promise<number> {
  const bar = progressBar(file, terminal);
  const { at, stopAtFirst } = options;
  const limits = { ...(at === undefined ? {} : { at }), ...(stopAtFirst === undefined ? {} : { stopAtFirst }) };
  let trace: ReplayedTrace;
  try {
    trace = await replayFile(file, limits, bar.update);
  } catch (error) {
    bar.clear();
    const failure = inputFailure(file, error);
    report.failed();
    writeFailure(failure, options.json === true, terminal);
    return failure.exitCode;
  }
  bar.clear();
  report.file(file, trace.summary);
  if (showsState(options)) printState(file, trace, options, terminal);
  return exitCodeOf(trace.summary);
}

function showsState({ at, pages, vm }: ReplayCommandOptions): boolean {
  return at !== undefined || pages !== undefined || vm !== undefined;
}

function exitCodeOf(summary: ReplaySummary): number {
  if (summary.panic !== null) return PANICKED;
  return summary.diverged > 0 ? DIVERGED : FINE;
}

/** What the command prints of its files. Files that failed were not checked: they count towards nothing but their number. */
interface Report {
  file(file: string, summary: ReplaySummary): void;
  failed(): void;
  total(files: number): void;
}

class JsonReport implements Report {
  readonly #terminal: Terminal;
  #ops = 0;
  #matched = 0;
  #diverged = 0;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  file(file: string, summary: ReplaySummary): void {
    const { format, ops, matched, diverged, first, panic } = summary;
    this.#ops += ops;
    this.#matched += matched;
    this.#diverged += diverged;
    writeJson(this.#terminal.stdout, {
      ...{ file, format, ops, matched, diverged, first },
      ...(panic === null ? {} : { panic }),
    });
  }

  failed(): void {
    // The failure is an object of its own.
  }

  total(files: number): void {
    const [ops, matched, diverged] = [this.#ops, this.#matched, this.#diverged];
    writeJson(this.#terminal.stdout, { total: true, files, ops, matched, diverged });
  }
}

const FORMAT_WIDTH = "golden pgtable".length;

class TextReport implements Report {
  readonly #terminal: Terminal;
  readonly #fileWidth: number;
  #ops = 0;
  #diverged = 0;
  #failed = 0;

  constructor(terminal: Terminal, files: readonly string[]) {
    this.#terminal = terminal;
    this.#fileWidth = Math.max(...files.map((file) => file.length));
  }

  file(file: string, summary: ReplaySummary): void {
    const { stdout } = this.#terminal;
    const { format, ops, matched, diverged, first, panic, description } = summary;
    this.#ops += ops;
    this.#diverged += diverged;
    const verdict = diverged === 0 ? coloured("green", "ok     ", stdout) : coloured("red", "differs", stdout);
    const name = file.padEnd(this.#fileWidth);
    const counts = `${matched} of ${ops} match`.padEnd(24);
    writeLine(
      stdout,
      `${verdict}  ${name}  ${format.padEnd(FORMAT_WIDTH)}  ${counts}  ${coloured("dim", description, stdout)}`,
    );
    if (panic !== null) writeLine(stdout, `         the model panicked where that is not recorded: ${panic}`);
    if (first !== null) this.#divergence(first);
  }

  #divergence(first: Divergence): void {
    const { stdout } = this.#terminal;
    const what = first.operation < 0 ? first.op : `operation ${first.operation}, ${first.op}`;
    writeLine(stdout, `         first at line ${first.line}, ${what}: ${first.field}`);
    writeLine(stdout, `           expected  ${coloured("green", first.expected, stdout)}`);
    writeLine(stdout, `           found     ${coloured("red", first.found, stdout)}`);
  }

  failed(): void {
    this.#failed += 1;
  }

  total(files: number): void {
    if (files === 1) return;
    const { stdout } = this.#terminal;
    const checked = `${this.#ops} results of ${files - this.#failed} files checked`;
    const differ = `${this.#diverged === 0 ? "none differs" : `${this.#diverged} differ`}`;
    const failed = this.#failed === 0 ? "" : `; ${this.#failed} of ${files} files were not checked`;
    const good = this.#diverged === 0 && this.#failed === 0;
    writeLine(stdout, coloured(good ? "green" : "red", `${checked}, ${differ}${failed}`, stdout));
  }
}
