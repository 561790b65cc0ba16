// `freehold explain FILE --at N`: one operation of a trace, the check that refused it or what it did.

import { Command } from "commander";
import { describeEffects } from "../machine/describe.js";
import { kernelFunction, type KernelFunction } from "../machine/functions.js";
import type { Machine } from "../machine/machine.js";
import { panicSentence, refusalSentence, reportRefusal, type RefusalReport } from "../machine/reasons.js";
import { replayFile } from "../trace/open.js";
import { type ExplainedOperation, TraceError } from "../trace/replay.js";
import { operationNumber } from "./arguments.js";
import { FINE } from "./exit-codes.js";
import { inputFailure, writeFailure } from "./failure.js";
import { progressBar } from "./progress.js";
import { coloured, type Terminal, writeJson, writeLine } from "./terminal.js";

export interface ExplainCommandOptions {
  readonly at: number;
  readonly json?: boolean;
}

export function explainCommand(terminal: Terminal, finish: (exitCode: number) => void): Command {
  return new Command("explain")
    .description("Tell which check refused an operation of a trace, or what the operation did.")
    .argument("<file>", "a trace; - for standard input")
    .requiredOption("--at <n>", "number of the operation, as the trace counts (0 is the first)", operationNumber)
    .option("--json", "one JSON object on standard output")
    .action(async (file: string, options: ExplainCommandOptions) => {
      finish(await explain(file, options, terminal));
    });
}

/**
 * Replays up to one operation and explains it.
 *
 * @returns the exit code
 */
export async function explain(file: string, options: ExplainCommandOptions, terminal: Terminal): Promise<number> {
  const bar = progressBar(file, terminal);
  try {
    const { explained, machine } = await replayFile(file, { at: options.at, explain: true }, bar.update);
    bar.clear();
    if (explained === null || machine === null) throw new TraceError(0, `the trace has no operation ${options.at}`);
    const explanation = explanationOf(explained, machine);
    if (options.json === true) writeJson(terminal.stdout, { file, ...jsonOf(explanation) });
    else printExplanation(explanation, terminal);
    return FINE;
  } catch (error) {
    bar.clear();
    const failure = inputFailure(file, error);
    writeFailure(failure, options.json === true, terminal);
    return failure.exitCode;
  }
}

interface Explanation {
  readonly explained: ExplainedOperation;
  readonly by: KernelFunction | null;
  /** One sentence: refused by which check, panicked where, or done. */
  readonly verdict: string;
  readonly refusal: RefusalReport | null;
  /** What it did, in words. */
  readonly effects: readonly string[];
}

function explanationOf(explained: ExplainedOperation, machine: Machine): Explanation {
  const { op, outcome, effects } = explained;
  return {
    explained,
    by: kernelFunction(op, outcome.reasonCode),
    verdict: verdictOf(explained, machine.pageShift),
    refusal: reportRefusal(outcome, machine.pageShift),
    effects: describeEffects(effects, machine),
  };
}

function verdictOf({ op, outcome }: ExplainedOperation, pageShift: number): string {
  if (outcome.panic !== null) return panicSentence(outcome.panic);
  if (outcome.ret < 0 || outcome.reason !== null) return refusalSentence(op, outcome, pageShift);
  return `done by ${kernelFunction(op)?.name ?? op}, which answered ${outcome.ret}`;
}

function jsonOf({ explained, by, verdict, refusal, effects }: Explanation): object {
  const { line, operation, op, args, outcome, recorded } = explained;
  const { ret, errno, panic } = outcome;
  return {
    ...{ line, operation, op, args, function: by, verdict },
    ...(panic === null ? { ret, errno, refusal } : { panic: { kind: panic.kind, func: panic.func } }),
    ...{ effects: explained.effects, words: effects, recorded },
  };
}

function printExplanation({ explained, by, verdict, refusal, effects }: Explanation, terminal: Terminal): void {
  const { stdout } = terminal;
  const { line, operation, op, args, outcome, recorded } = explained;
  const good = outcome.panic === null && refusal === null && outcome.ret >= 0;
  writeLine(
    stdout,
    coloured("bold", `Operation ${operation}, line ${line}: ${[op, ...fields(args)].join(" ")}`, stdout),
  );
  writeLine(stdout, `  ${coloured(good ? "green" : "red", verdict, stdout)}`);
  if (refusal !== null) printRefusal(refusal, terminal);
  if (by !== null) printFact("function", `${by.file}:${by.name} (${by.reference}, section ${by.section})`, terminal);
  const told = fields(recorded);
  if (told.length > 0) printFact("recorded", told.join(" "), terminal);
  writeLine(stdout, "");
  writeLine(stdout, effects.length === 0 ? "  Nothing changed." : "  What it did:");
  for (const effect of effects) writeLine(stdout, `    ${effect}`);
}

function printRefusal({ component, subject, expected, found }: RefusalReport, terminal: Terminal): void {
  printFact("looked at", subject === null ? component : `${component}, ${subject}`, terminal);
  if (expected !== null) printFact("expected", expected, terminal);
  if (found !== null) printFact("found", found, terminal);
}

function printFact(name: string, text: string, terminal: Terminal): void {
  writeLine(terminal.stdout, `    ${coloured("dim", name.padEnd(10), terminal.stdout)} ${text}`);
}

/** `pfn=0x41000 nr=1`. */
function fields(values: Readonly<Record<string, string | number>>): string[] {
  return Object.entries(values).map(([name, value]) => `${name}=${value}`);
}
