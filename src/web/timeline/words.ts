// Operations and positions in words: what stands in a row, and what a screen reader says.

import { errnoName, ffaErrorName } from "../../machine/error-names.js";
import { hex } from "../../machine/names.js";
import {
  NO_PAGE,
  OPERATION_AFTER_RESET,
  OPERATION_DIFFERS,
  OPERATION_PANICKED,
  OPERATION_REFUSED,
} from "../../timeline/timeline.js";
import type { OpenTrace } from "../store.js";

const NUMBER = new Intl.NumberFormat("en-US");

/** `4,312`. */
export const numberWords = (value: number) => NUMBER.format(value);

/** `1 operation`, `4,312 operations`. */
export const countWords = (count: number, noun: string) => `${numberWords(count)} ${noun}${count === 1 ? "" : "s"}`;

/** What is said instead of a frame number, VM or answer where there is none. */
export const NONE = "–";

/** One line of the list. */
export interface OperationRow {
  readonly number: number;
  readonly verb: string;
  /** `0x1000`. */
  readonly vm: string;
  /** Frame number: `0x41000`, `0x41000 +511` of a range. */
  readonly page: string;
  /** `0`, `-EPERM`, `DENIED`, `panic`. */
  readonly answer: string;
  /** OPERATION_* bits. */
  readonly flags: number;
}

export function operationRow(
  { trace, ownership }: Pick<OpenTrace, "trace" | "ownership">,
  number: number,
): OperationRow {
  const { verb, vm, page, pages, ret, flags } = trace.operations;
  const name = trace.verbs[verb[number] ?? 0] ?? "";
  const first = page[number] ?? NO_PAGE;
  const bits = flags[number] ?? 0;
  return {
    number,
    verb: name,
    vm: vm[number] === 0 ? NONE : hex(vm[number] ?? 0),
    page: first === NO_PAGE ? NONE : rangeWords(ownership.pfnOf(first), pages[number] ?? 1),
    answer: answerWords(name, ret[number] ?? 0, bits),
    flags: bits,
  };
}

/** `0x41000`; `0x41000 +511` for 512 pages from there. */
export const rangeWords = (pfn: bigint, pages: number) => (pages > 1 ? `${hex(pfn)} +${pages - 1}` : hex(pfn));

/** What an operation returned: FF-A calls have their own codes. */
export function answerWords(verb: string, ret: number, flags: number): string {
  if ((flags & OPERATION_PANICKED) !== 0) return "panic";
  if (ret >= 0) return String(ret);
  const ffaName = verb.startsWith("ffa_") ? ffaErrorName(ret) : null;
  if (ffaName !== null) return ffaName;
  const errno = errnoName(ret);
  return errno === null ? String(ret) : `-${errno}`;
}

/** `refused`, `panic, differs from the recording`; empty for an operation that is nothing special. */
export function flagWords(flags: number): string {
  const words = [
    (flags & OPERATION_PANICKED) !== 0 ? "panic" : (flags & OPERATION_REFUSED) !== 0 ? "refused" : "",
    (flags & OPERATION_DIFFERS) !== 0 ? "differs from the recording" : "",
    (flags & OPERATION_AFTER_RESET) !== 0 ? "first on a new machine" : "",
  ];
  return words.filter((word) => word !== "").join(", ");
}

/** A row read aloud. */
export const rowWords = (row: OperationRow) => `operation ${numberWords(row.number)}: ${rowFields(row)}`;

function rowFields({ verb, vm, page, answer, flags }: OperationRow): string {
  const parts = [verb];
  if (vm !== NONE) parts.push(`VM ${vm}`);
  if (page !== NONE) parts.push(`page ${page}`);
  parts.push(`answer ${answer}`);
  const special = flagWords(flags);
  return (special === "" ? parts : [...parts, special]).join(", ");
}

/** The slider's value read aloud: `operation 4,312 of 25,944: host_donate_guest, page 0x41000, answer 0`. */
export function positionWords(open: Pick<OpenTrace, "trace" | "ownership">, position: number): string {
  const { count } = open.trace.operations;
  if (position < 0) return `before the first of ${countWords(count, "operation")}`;
  const fields = rowFields(operationRow(open, position));
  return `operation ${numberWords(position)} of ${numberWords(count)}: ${fields}`;
}
