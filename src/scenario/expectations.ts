// What was expected of a step or a run, and what was found.

import type { StepResult } from "../consequences/result.js";
import { hex } from "../machine/names.js";
import type { Expectation, FinalExpectation } from "./scenario.js";

/** An expectation that was not met. */
export interface ExpectationFailure {
  /** Of the step, or of `finally`; 0 for scenarios made by a program. */
  readonly line: number;
  readonly field: string;
  readonly expected: string;
  readonly found: string;
}

/** The fields of a step's expectation that its result does not meet. */
export function unmetByStep(expected: Expectation, found: StepResult, line: number): ExpectationFailure[] {
  return unmet(expected, found, line);
}

/** The fields of a final expectation that the run does not meet. */
export function unmetAtEnd(expected: FinalExpectation, found: FinalExpectationOf, line: number): ExpectationFailure[] {
  return unmet(expected, found, line);
}

/** What final expectations speak of; null: not applicable. */
export type FinalExpectationOf = { readonly [Field in keyof FinalExpectation]-?: FinalExpectation[Field] | null };

function unmet(expected: object, found: object, line: number): ExpectationFailure[] {
  const wanted = Object.entries<FieldValue>({ ...expected });
  const values = new Map(Object.entries<FieldValue>({ ...found }));
  return wanted.flatMap(([field, value]) => {
    const [want, have] = [spelledExpectation(value), spelledExpectation(values.get(field))];
    return want === have ? [] : [{ line, field, expected: want, found: have }];
  });
}

/** What a field of an expectation, or of what was found, can hold. */
export type FieldValue = string | number | bigint | boolean | readonly string[] | null | undefined;

/** A field's value as people read it, and as it is compared; who died has no order. */
export function spelledExpectation(value: FieldValue): string {
  if (value === null || value === undefined) return "nothing";
  if (typeof value === "bigint") return hex(value);
  if (typeof value === "object") return value.length === 0 ? "nobody" : [...value].sort().join(", ");
  return String(value);
}
