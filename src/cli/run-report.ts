// One run, printed: the steps in aligned lines, under each what its parties saw, and what was expected but not found.

import type { Writable } from "node:stream";
import { actionWords } from "../scenario/action-in-words.js";
import { type Cell, failuresOf, markedText, MARK_WORDS } from "../scenario/matrix.js";
import { NOT_APPLICABLE } from "../scenario/cell-text.js";
import type { StepReport } from "../scenario/run-scenario.js";
import { type EvidenceLine, stepLines } from "../scenario/evidence-lines.js";
import { coloured, type Colour, table, writeLine } from "./terminal.js";

/** A run for people. */
export function printRun(cell: Cell, hasEvidence: boolean, stream: Writable): void {
  const { scenario, system, report } = cell;
  const source = scenario.source === "" ? "" : ` (${scenario.source})`;
  writeLine(stream, coloured("bold", `${scenario.name} on ${system.name}: ${scenario.title}${source}`, stream));
  const steps = stepLines(cell);
  const heads = table(steps.map(({ number, action }) => [`  ${number}`, action]));
  for (const [i, { outcome, note, evidence }] of steps.entries()) {
    const step = report.steps[i];
    if (step === undefined) continue;
    const head = (heads[i] ?? "").padEnd(Math.max(...heads.map((line) => line.length)));
    writeLine(stream, `${head}  ${coloured(colourOf(step), outcomeText(step, outcome), stream)}`);
    if (note !== null) writeLine(stream, coloured("dim", `       ${note}`, stream));
    for (const line of evidence) if (hasEvidence || line.kind === "saw") printEvidence(line, stream);
  }
  writeLine(stream, `  ${verdict(cell)}`);
  for (const failure of failureTexts(cell)) writeLine(stream, `  ${coloured("red", failure, stream)}`);
  writeLine(stream, "");
}

/** A run for programs; docs/scenario-format.md describes the fields. */
export function runJson({ scenario, system, report }: Cell, hasEvidence: boolean): object {
  const { steps, ...end } = report;
  return {
    ...end,
    ...{ scenario: scenario.name, title: scenario.title, system: system.name, file: scenario.file },
    steps: steps.map(({ step, result, evidence, ...rest }) => ({
      ...{ step: actionWords(step.action), verb: step.action.verb, id: step.id, line: step.line, note: step.note },
      ...result,
      ...rest,
      ...(hasEvidence ? { evidence } : {}),
    })),
  };
}

function outcomeText({ skipped, result }: StepReport, outcome: string): string {
  if (skipped) return `left out: ${result.why ?? ""}`;
  return result.result === "no such verb" ? `has no such verb: ${result.why ?? "no reason given"}` : outcome;
}

function colourOf({ skipped, result, failures }: StepReport): Colour {
  if (failures.length > 0) return "red";
  if (skipped || result.result === "no such verb" || result.result === "not run") return "dim";
  return result.result === "ok" ? "green" : "yellow";
}

function printEvidence({ text, below }: EvidenceLine, stream: Writable): void {
  writeLine(stream, `       ${text}`);
  for (const line of below) writeLine(stream, coloured("dim", `         ${line}`, stream));
}

/** `shows SEGV, measured; secret: yes; intact: yes; died: nobody`; a cell without an answer has no mark. */
function verdict(cell: Cell): string {
  const { shows, secret, intact, split, died, mark } = cell.report;
  return [
    shows === NOT_APPLICABLE ? `shows ${shows}` : `shows ${markedText(cell)}, ${MARK_WORDS[mark]}`,
    `secret: ${yesOrNo(secret)}`,
    `intact: ${yesOrNo(intact)}`,
    ...(split ? ["split"] : []),
    `died: ${died.length === 0 ? "nobody" : died.join(", ")}`,
  ].join("; ");
}

function yesOrNo(answer: boolean | null): string {
  return answer === null ? "not applicable" : answer ? "yes" : "no";
}

/** `run.yaml:12: step 2: result: expected ok, found EFAULT`. */
function failureTexts(cell: Cell): string[] {
  return failuresOf(cell).map(({ step, line, field, expected, found }) => {
    const place = line === 0 ? cell.scenario.file : `${cell.scenario.file}:${line}`;
    const where = step === null ? "at the end" : `step ${step}`;
    return `${place}: ${where}: ${field}: expected ${expected}, found ${found}`;
  });
}
