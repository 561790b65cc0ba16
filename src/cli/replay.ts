// `freehold replay FILE...`: runs traces and compares every recorded result.

import { Command } from "commander";
import type { Divergence, ReplayOptions, ReplaySummary } from "../trace/replay.js";
import { replayFile } from "../trace/open.js";
import { operationNumber, pageRanges, vmHandle, workerCount } from "./arguments.js";
import { DIVERGED, FINE, PANICKED, worstOf } from "./exit-codes.js";
import { inputFailure, writeFailure } from "./failure.js";
import type { PageRange } from "./page-ranges.js";
import { progressBar, type ProgressBar } from "./progress.js";
import type { Scaling } from "./replay-workers.js";
import { printState } from "./state-report.js";
import { coloured, type Terminal, writeJson, writeLine } from "./terminal.js";

export interface ReplayCommandOptions {
  readonly json?: boolean;
  readonly stopAtFirst?: boolean;
  readonly at?: number;
  readonly pages?: readonly PageRange[];
  readonly vm?: number;
  readonly workers?: number;
}

const SCALING_HELP = `
With --workers the total of --json has "workers", "seconds" (from the moment when the first worker begins with a file to that when
the last one is done) and "scaling": the seconds that each file took its worker, added up, over "seconds". More workers than there
are processors wait for each other, which counts too.`;

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
    .option("--workers <n>", "replay with so many threads: files beside each other, long ones in parts", workerCount)
    .addHelpText("after", SCALING_HELP)
    .action(async (files: string[], options: ReplayCommandOptions) => {
      if (showsState(options) && options.workers !== undefined) {
        command.error("error: --workers does not go with --at, --pages and --vm");
      }
      if (showsState(options) && files.length > 1) command.error("error: --at, --pages and --vm take one file");
      finish(await replay(files, options, terminal));
    });
}

/**
 * Replays files, one after the other, or with workers beside each other. What is printed of them is the same.
 *
 * @returns the exit code
 */
export async function replay(
  files: readonly string[],
  options: ReplayCommandOptions,
  terminal: Terminal,
): Promise<number> {
  const report = options.json === true ? new JsonReport(terminal) : new TextReport(terminal, files);
  const { workers, ...others } = options;
  if (workers !== undefined) return replayWithWorkers(files, workers, others, report, terminal);
  const codes: number[] = [];
  for (const file of files) {
    const bar = progressBar(file, terminal);
    const replayed = replayFile(file, limitsOf(options), bar.update);
    const summary = replayed.then((trace) => trace.summary);
    codes.push(await reportOne(file, summary, bar, options, report, terminal));
    // Of a file that was refused there is no state.
    if (showsState(options))
      await replayed.then(
        (trace) => printState(file, trace, options, terminal),
        () => undefined,
      );
  }
  report.total(files.length);
  return worstOf(codes);
}

async function replayWithWorkers(
  files: readonly string[],
  workers: number,
  options: ReplayCommandOptions,
  report: Report,
  terminal: Terminal,
): Promise<number> {
  const { WorkersReplay } = await import("./replay-workers.js");
  const bar = progressBar(files.length === 1 ? (files[0] ?? "") : `${files.length} files`, terminal);
  const replays = await WorkersReplay.start(files, workers, options.stopAtFirst === true, bar.update);
  try {
    const codes: number[] = [];
    for (const [index, file] of files.entries()) {
      codes.push(await reportOne(file, replays.summary(index), bar, options, report, terminal));
    }
    report.total(files.length, replays.scaling);
    return worstOf(codes);
  } finally {
    await replays.close();
  }
}

function limitsOf({ at, stopAtFirst }: ReplayCommandOptions): ReplayOptions {
  return { ...(at === undefined ? {} : { at }), ...(stopAtFirst === undefined ? {} : { stopAtFirst }) };
}

/** Waits for a file's replay and prints what it found, or why it was refused. Returns the exit code. */
async function reportOne(
  file: string,
  summary: Promise<ReplaySummary>,
  bar: ProgressBar,
  options: ReplayCommandOptions,
  report: Report,
  terminal: Terminal,
): Promise<number> {
  try {
    const found = await summary;
    bar.clear();
    report.file(file, found);
    return exitCodeOf(found);
  } catch (error) {
    bar.clear();
    const failure = inputFailure(file, error);
    report.failed();
    writeFailure(failure, options.json === true, terminal);
    return failure.exitCode;
  }
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
  total(files: number, scaling?: Scaling): void;
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

  total(files: number, scaling?: Scaling): void {
    const [ops, matched, diverged] = [this.#ops, this.#matched, this.#diverged];
    writeJson(this.#terminal.stdout, { total: true, files, ops, matched, diverged, ...scaling });
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
