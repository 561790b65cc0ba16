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

/** What the codes mean; whatever else a cell shows is the name of a result, and says itself. */
export const CELL_CODES: readonly (readonly [code: string, words: string])[] = [
  ["ok", "the step goes through"],
  ["SEGV", "SIGSEGV, SEGV_ACCERR"],
  ["OBJ", "SIGBUS, BUS_OBJERR"],
  ["ADR", "SIGBUS, BUS_ADRERR"],
  ["KILL", "SIGKILL"],
  ["EFAULT", "the system call fails with this errno"],
  ["OOPS", "the kernel dies in that task"],
  ["TAKE", "the page is seized and zeroed, its guest loses it"],
  ["SPLIT", "guest and VMM go on with different frames"],
  ["LEAK", "plaintext reaches the wrong party"],
  ["corruption", "data of a guest is changed under it"],
  ["zero page", "the guest finds zeros where it had written"],
  ["zeroed", "whoever comes after the guest finds zeros"],
  ["run:", "what the VMM's run call reports"],
  ["SEA", "synchronous external abort in the guest"],
  ["blocked", "the device's transfer is refused: I/O error"],
  ["STOP", "the hypervisor stops the machine"],
  [NOT_APPLICABLE, "the system has no such verb, or nobody is left to act; the note says why"],
];

/** A cell shows one code, or several: `LEAK + corruption`. */
export function showsCode(shows: string, code: string): boolean {
  return shows.split(" + ").some((shown) => shown === code || (code.endsWith(":") && shown.startsWith(code)));
}

/** What a cell's text means, `; ` between several; null: it says itself. */
export function cellTextInWords(shows: string): string | null {
  const words = CELL_CODES.flatMap(([code, meaning]) => (showsCode(shows, code) ? [meaning] : []));
  return words.length === 0 ? null : words.join("; ");
}
