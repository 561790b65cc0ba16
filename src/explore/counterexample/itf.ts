// A finding in the Informal Trace Format of Apalache and Quint (Apalache's ADR 015), which viewers of counterexamples read: a
// state before the first step and one after each, in which every variable has a value.
//
//   host, EL2, VM 0x1000, ...  a variable for each party: frame number -> what it has of the page, of pages that change hands
//   last                       the step that led here: what was done, and what it answered
//   mbt::actionTaken           the name of the step, as Quint's own traces have it

import type { Step } from "../domain.js";
import { stepText } from "../report.js";
import type { PageHolders } from "./page-holders.js";
import { argumentsOf, type Retelling, type RetoldStep } from "./retelling.js";

/** A value of the format: integers are written with as many digits as they have. */
type ItfValue = string | boolean | { readonly "#bigint": string } | ItfMap | { readonly [field: string]: ItfValue };

interface ItfMap {
  readonly "#map": readonly (readonly [ItfValue, ItfValue])[];
}

/** Besides `#meta`, `last` and `mbt::actionTaken`, a variable for each party. */
export interface ItfState {
  readonly "#meta": { readonly index: number };
  readonly [variable: string]: ItfValue | { readonly index: number };
}

export interface ItfTrace {
  readonly "#meta": Readonly<Record<string, unknown>>;
  readonly vars: readonly string[];
  readonly states: readonly ItfState[];
}

const NOTHING = "nothing";

/**
 * The trace as one object, to be written as JSON.
 *
 * @param title what is found
 * @param source what was searched
 */
export function itfOf({ first, steps }: Retelling, title: string, source: string): ItfTrace {
  const touched = new Set(steps.flatMap(({ changes }) => changes.map(({ pfn }) => pfn)));
  const shown = (pages: readonly PageHolders[]) => pages.filter(({ pfn }) => touched.has(pfn));
  const looks = [first, ...steps.map(({ pages }) => pages)].map(shown);
  const parties = [...new Set(looks.flat().flatMap(({ holders }) => Object.keys(holders)))];
  const begin: Done = { action: "init", last: { step: "", args: {}, answer: "", sentence: "" } };
  const done = [begin, ...steps.map(doneBy)];
  return {
    "#meta": {
      format: "ITF",
      "format-description": "https://apalache-mc.org/docs/adr/015adr-trace.html",
      ...{ source, status: "violation", description: title },
    },
    vars: [...parties, "last", "mbt::actionTaken"],
    states: looks.map((pages, index) => stateAt(index, pages, parties, done[index] ?? begin)),
  };
}

/** What led to a state. */
interface Done {
  readonly action: string;
  readonly last: ItfValue;
}

function doneBy({ step, answer, sentence }: RetoldStep): Done {
  return { action: step.op, last: { step: stepText(step), args: argumentsIn(step), answer, sentence: sentence ?? "" } };
}

function stateAt(
  index: number,
  pages: readonly PageHolders[],
  parties: readonly string[],
  { action, last }: Done,
): ItfState {
  const held = parties.map((party): [string, ItfMap] => [
    party,
    { "#map": pages.map(({ pfn, holders }) => [integer(pfn), holders[party] ?? NOTHING]) },
  ]);
  return { "#meta": { index }, ...Object.fromEntries(held), last, "mbt::actionTaken": action };
}

function argumentsIn(step: Step): ItfValue {
  return step.op === "access" ? { ipa: integer(step.access.ipa) } : argumentsOf(step);
}

function integer(value: bigint): ItfValue {
  return { "#bigint": String(value) };
}
