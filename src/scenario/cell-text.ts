// The short text of a matrix's cell, in the codes of host-and-vmm 7.1: made from the result of the step that the cell
// shows and from what happened to the guests' data then and afterwards.

import type { StepResult } from "../consequences/result.js";
import type { Fate } from "./observer.js";

/** Not applicable: the system has no such verb, or nobody is left to act. */
export const NOT_APPLICABLE = "–";

const SHORT: ReadonlyMap<string, string> = new Map([
  ["SIGSEGV/SEGV_ACCERR", "SEGV"],
  ["SIGBUS/BUS_OBJERR", "OBJ"],
  ["SIGBUS/BUS_ADRERR", "ADR"],
  ["oops", "OOPS"],
  ["I/O error", "blocked"],
  ["machine stopped", "STOP"],
  ["no such verb", NOT_APPLICABLE],
  ["not run", NOT_APPLICABLE],
]);

/** Fates that tell more than `ok`, the most telling first. */
const TELLING: readonly (readonly Fate[])[] = [["TAKE"], ["LEAK", "corruption"], ["SPLIT"], ["zero page"], ["zeroed"]];

/**
 * The cell's text.
 *
 * @param result of the step that the cell shows
 * @param fates of that step and all later ones
 */
export function cellText({ result }: StepResult, fates: ReadonlySet<Fate>): string {
  if (result !== "ok") return SHORT.get(result) ?? shortened(result);
  const told = TELLING.map((group) => group.filter((fate) => fates.has(fate))).find((group) => group.length > 0);
  return told?.join(" + ") ?? "ok";
}

function shortened(result: string): string {
  if (result.startsWith("SIGKILL")) return "KILL";
  const signal = /^SIG[A-Z]+\/(?:SEGV|BUS)_(.+)$/.exec(result);
  if (signal !== null) return signal[1] ?? result;
  const run = /^(?:KVM_RUN|VCPU_RUN) (\S+)/.exec(result);
  if (run !== null) return `run:${/^E[A-Z0-9]+$/.test(run[1] ?? "") ? "-" : ""}${run[1]}`;
  return result.replace(/^guest /, "");
}
