// `freehold compare`: scenarios against systems, as a matrix whose cells open to their evidence.

import { renameSync, rmSync, writeFileSync } from "node:fs";
import { Command, Option } from "commander";
import { compareScenarios } from "../scenario/compare.js";
import { cellsOf, type Matrix } from "../scenario/matrix.js";
import { selectionOf, type SelectionOptions } from "./compare-selection.js";
import { DIVERGED, FINE } from "./exit-codes.js";
import { inputFailure, RefusedInput, writeFailure } from "./failure.js";
import { failureLines } from "../scenario/evidence-lines.js";
import { htmlPage } from "./matrix/html.js";
import { printJson } from "./matrix/json.js";
import { hasFailed } from "./matrix/legend.js";
import { printMarkdown, printMarkdownCells } from "./matrix/markdown.js";
import { printCell, printMatrix } from "./matrix/terminal.js";
import { printable } from "./matrix/wrap.js";
import { systemOption } from "./system-option.js";
import { coloured, type Terminal, writeLine } from "./terminal.js";

export interface CompareCommandOptions extends SelectionOptions {
  readonly markdown?: boolean;
  readonly json?: boolean;
  /** True: to standard output. */
  readonly html?: string | true;
  /** A row and perhaps a system; true: of every cell; false: of none. */
  readonly evidence?: string | boolean;
}

export function compareCommand(terminal: Terminal, finish: (exitCode: number) => void): Command {
  const command = new Command("compare")
    .description("Run scenarios on every system and show side by side what each party saw.")
    .argument("[scenario...]", "names of bundled scenarios, or files");
  for (const option of compareOptions()) command.addOption(option);
  return command.action(async (scenarios: string[], options: CompareCommandOptions) => {
    const mistake = usageMistake(scenarios, options);
    if (mistake !== null) command.error(`error: ${mistake}`);
    finish(await compare(scenarios, options, terminal));
  });
}

function compareOptions(): Option[] {
  return [
    new Option("--all", "every bundled scenario"),
    systemOption(),
    new Option("--group <name>", "only scenarios of the groups that begin so"),
    new Option("--evidence [row]", "open cells: of a row (ROW), one cell (ROW:SYSTEM), or all"),
    new Option("--no-evidence", "with --markdown or --json: leave the evidence out"),
    new Option("--markdown", "Markdown on standard output: tables, and the evidence of every cell"),
    new Option("--html [file]", "one HTML page, to a file or standard output"),
    new Option("--json", "JSON on standard output: an object for each cell"),
  ];
}

/** Options that do not go together. */
function usageMistake(scenarios: readonly string[], options: CompareCommandOptions): string | null {
  const { all, markdown, json, html, evidence } = options;
  if (scenarios.length > 0 === (all === true)) return "name scenarios, or give --all";
  const forms = [markdown === true, json === true, html !== undefined].filter((given) => given);
  if (forms.length > 1) return "--markdown, --json and --html exclude each other";
  // `--html scenario.yaml` would otherwise write over the scenario.
  if (typeof html === "string" && !/\.html?$/.test(html)) return `"${html}": a name for --html ends in .html`;
  if (evidence === false)
    return markdown === true || json === true ? null : "--no-evidence goes with --markdown or --json";
  const holdsEvidence = json === true || html !== undefined;
  return evidence !== undefined && holdsEvidence ? "--json and --html hold all the evidence already" : null;
}

/**
 * Runs scenarios on systems and prints the matrix.
 *
 * @param names of bundled scenarios, or paths
 * @returns the exit code
 */
export async function compare(
  names: readonly string[],
  options: CompareCommandOptions,
  terminal: Terminal,
): Promise<number> {
  try {
    const { scenarios, systems } = await selectionOf(names, options);
    const matrix = await compareScenarios(scenarios, systems, { evidence: needsEvidence(options) });
    print(matrix, options, terminal);
    return reportFailures(matrix, terminal);
  } catch (error) {
    const failure = inputFailure(names[0] ?? "compare", error);
    writeFailure(failure, options.json === true, terminal);
    return failure.exitCode;
  }
}

/** Words are made for those who read them: JSON tells who saw what even without the evidence. */
function needsEvidence({ markdown, json, html, evidence }: CompareCommandOptions): boolean {
  if (json === true || html !== undefined) return true;
  return evidence === undefined ? markdown === true : evidence !== false;
}

const PIPED_WIDTH = 100;

function print(matrix: Matrix, options: CompareCommandOptions, { stdout }: Terminal): void {
  const { markdown, json, html, evidence } = options;
  if (json === true) printJson(matrix, stdout, { evidence: evidence !== false });
  else if (typeof html === "string") writePage(html, htmlPage(matrix));
  else if (html === true) stdout.write(htmlPage(matrix));
  else if (markdown === true && typeof evidence !== "string") {
    printMarkdown(matrix, stdout, { evidence: evidence !== false });
  } else if (markdown === true) printMarkdownCells(matrix, stdout);
  else if (evidence === undefined) printMatrix(matrix, stdout, stdout.columns ?? PIPED_WIDTH);
  else printCells(matrix, stdout);
}

function printCells(matrix: Matrix, stream: Terminal["stdout"]): void {
  for (const [index, cell] of [...cellsOf(matrix)].entries()) {
    if (index > 0) writeLine(stream, "");
    printCell(cell, stream);
  }
}

/** The whole page or none: a page that was there stays until the new one is written. */
function writePage(file: string, page: string): void {
  const unfinished = `${file}.${process.pid}`;
  try {
    writeFileSync(unfinished, page);
    renameSync(unfinished, file);
  } catch (error) {
    rmSync(unfinished, { force: true });
    throw new RefusedInput(file, 0, `cannot be written (${(error as NodeJS.ErrnoException).code ?? "unknown error"})`);
  }
}

/** Expectations that were not met, on standard error: standard output may be a page. */
function reportFailures(matrix: Matrix, { stderr }: Terminal): number {
  const failed = [...cellsOf(matrix)].filter(hasFailed);
  for (const cell of failed) {
    const place = coloured("red", `${cell.scenario.name} on ${cell.system.name}:`, stderr);
    for (const line of failureLines(cell)) writeLine(stderr, `${place} ${printable(line)}`);
  }
  return failed.length === 0 ? FINE : DIVERGED;
}
