// Which operations the timeline lists: those that pass the filter, found in slices so that a long trace never holds a frame up.

import { firstAbove } from "../../timeline/ownership.js";
import {
  NO_PAGE,
  OPERATION_PANICKED,
  OPERATION_REFUSED,
  type ChangeColumns,
  type LoadedTrace,
  type OperationColumns,
} from "../../timeline/timeline.js";

/** Operations in ascending order, by row of the list. */
export interface Matches {
  readonly count: number;
  /** Number of the operation in a row from 0 to count - 1. */
  at(row: number): number;
  /** Row of the last operation at or before this one; -1: there is none. */
  rowOf(operation: number): number;
}

/** Every operation of a trace. */
export function allOperations(count: number): Matches {
  return { count, at: (row) => row, rowOf: (operation) => Math.min(operation, count - 1) };
}

/** `numbers` ascend. */
export function theseOperations(numbers: Uint32Array): Matches {
  return {
    count: numbers.length,
    at: (row) => numbers[row] ?? 0,
    rowOf: (operation) => firstAbove(numbers, operation) - 1,
  };
}

/** The nearest of them behind `operation`, or (`step` -1) before it; null: none. */
export function nextMatch(matches: Matches, operation: number, step: 1 | -1): number | null {
  const row = step === 1 ? matches.rowOf(operation) + 1 : matches.rowOf(operation - 1);
  return row < 0 || row >= matches.count ? null : matches.at(row);
}

/** What is looked for, as the columns have it. Null: anything. */
export interface Wanted {
  /** Index in the trace's verbs; -1: a verb that it does not have. */
  readonly verb: number | null;
  readonly vm: number | null;
  /** Number of a page. */
  readonly page: number | null;
  readonly refusedOnly: boolean;
}

export const isAnything = ({ verb, vm, page, refusedOnly }: Wanted) =>
  verb === null && vm === null && page === null && !refusedOnly;

/** Operations looked at between two yields: a few milliseconds of work on a slow phone. */
const SLICE = 1 << 17;

/** Finds all that match. Yields between slices; returns their numbers. */
export function* findMatches(
  { operations, changes }: Pick<LoadedTrace, "operations" | "changes">,
  wanted: Wanted,
  slice = SLICE,
): Generator<undefined, Uint32Array> {
  const touching = wanted.page === null ? null : yield* operationsChanging(changes, wanted.page, slice);
  const found = new Uint32Array(operations.count);
  let count = 0;
  let touch = 0;
  for (let start = 0; start < operations.count; start += slice) {
    const end = Math.min(start + slice, operations.count);
    for (let operation = start; operation < end; operation++) {
      const changesPage = touching !== null && touching[touch] === operation;
      if (changesPage) touch += 1;
      if (matchesAt(operations, operation, wanted, changesPage)) found[count++] = operation;
    }
    yield;
  }
  return found.slice(0, count);
}

function matchesAt(columns: OperationColumns, operation: number, wanted: Wanted, changesPage: boolean): boolean {
  const { verb, vm, page, refusedOnly } = wanted;
  if (verb !== null && columns.verb[operation] !== verb) return false;
  if (vm !== null && columns.vm[operation] !== vm) return false;
  if (refusedOnly && !isRefused(columns.flags[operation] ?? 0)) return false;
  return page === null || changesPage || worksOn(columns, operation, page);
}

/** A panic is the hardest refusal: who looks for one wants to see the other. */
export const isRefused = (flags: number) => (flags & (OPERATION_REFUSED | OPERATION_PANICKED)) !== 0;

function worksOn(columns: OperationColumns, operation: number, page: number): boolean {
  const first = columns.page[operation] ?? NO_PAGE;
  return first !== NO_PAGE && page >= first && page < first + (columns.pages[operation] ?? 0);
}

/** The operations that change the class of a page, each once: such as a teardown, which names no page. */
function* operationsChanging(
  changes: ChangeColumns,
  page: number,
  slice: number,
): Generator<undefined, readonly number[]> {
  const operations: number[] = [];
  for (let start = 0; start < changes.count; start += slice) {
    const end = Math.min(start + slice, changes.count);
    for (let at = start; at < end; at++) {
      if (changes.page[at] === page) operations.push(changes.operation[at] ?? 0);
    }
    yield;
  }
  return operations;
}

/** All refused ones and panics. */
export function refusedOperations({ flags, count }: OperationColumns): Uint32Array {
  const refused: number[] = [];
  for (let operation = 0; operation < count; operation++) {
    if (isRefused(flags[operation] ?? 0)) refused.push(operation);
  }
  return Uint32Array.from(refused);
}

/** The VMs and endpoints that take part, ascending. */
export function vmsOf({ vm, count }: OperationColumns): number[] {
  const vms = new Set<number>();
  let last = 0;
  for (let operation = 0; operation < count; operation++) {
    const handle = vm[operation] ?? 0;
    if (handle !== last) vms.add(handle);
    last = handle;
  }
  vms.delete(0);
  return [...vms].sort((a, b) => a - b);
}
