// The words of hypervisor traces, and what is said about them: page states, fields that differ, refused lines.

import * as abi from "../../assembly/abi/tracefs.js";
import { hex } from "../machine/names.js";
import { panicOf } from "../machine/outcome.js";
import { operationName } from "../machine/operations.js";
import { excerpt, type Divergence, type RecordedField } from "./replay.js";
import { suggestion } from "./spelling.js";
import type { RawDivergence, RawRefusal } from "./tracefs-parser.js";

const STATES = ["owned", "shared_owned", "shared_borrowed", "nopage", "poison"] as const;

/** A page state as the trace writes it; `-` if it is not known. */
export function stateWord(state: number): string {
  return STATES[state] ?? "-";
}

const EVENTS = [
  "mem_op",
  "host_mem_abort",
  "host_inject_abort",
  "host_hcall",
  "host_hcall_ret",
  "guest_hvc",
  "guest_exit",
  "snapshot",
  "page_run",
  "s2_run",
  "selftest",
  "hyp_enter",
  "hyp_exit",
] as const;

const OPERATIONS = [
  "host_share_hyp",
  "host_unshare_hyp",
  "host_donate_hyp",
  "hyp_donate_host",
  "hyp_pin",
  "hyp_unpin",
  "host_share_ffa",
  "host_unshare_ffa",
  "host_donate_guest",
  "host_share_guest",
  "host_unshare_guest",
  "guest_share_host",
  "guest_unshare_host",
  "host_reclaim_guest",
  "host_force_reclaim",
] as const;

// --- Differences

/** A difference between recording and model, as people read it. */
export function divergenceInWords(raw: RawDivergence): Divergence {
  const isSnapshot = raw.operation === 0;
  return {
    line: raw.line,
    operation: isSnapshot ? -1 : Number(raw.seq),
    op: isSnapshot ? "snapshot" : (operationName(raw.operation) ?? ""),
    field: fieldName(raw),
    expected: valueInWords(raw.field, raw.expected, "no panic"),
    found: valueInWords(raw.field, raw.found, ""),
  };
}

/** What the recording says of a field in which an operation differs. */
export function recordedInWords(field: number, value: bigint): RecordedField {
  return { field: FIELDS.get(field) ?? "", expected: valueInWords(field, value, "no panic") };
}

const FIELDS: ReadonlyMap<number, string> = new Map([
  [abi.FIELD_RET, "ret"],
  [abi.FIELD_HOST, "host"],
  [abi.FIELD_HYP, "hyp"],
  [abi.FIELD_GUEST, "guest"],
  [abi.FIELD_CNT, "cnt"],
  [abi.FIELD_START, "start"],
  [abi.FIELD_SIZE, "size"],
  [abi.FIELD_PANIC, "panic"],
  [abi.FIELD_PFN, "pfn"],
  [abi.FIELD_PAGES, "pages"],
  [abi.FIELD_PAGE_HOST, "host"],
  [abi.FIELD_PAGE_HYP, "hyp"],
  [abi.FIELD_PAGE_CNT, "cnt"],
  [abi.FIELD_PAGE_REF, "ref"],
  [abi.FIELD_LEAF_LEVEL, "level"],
  [abi.FIELD_LEAF_PTE, "pte"],
  [abi.FIELD_TABLE_END, "end"],
]);

const WHOLE_MACHINE = 1n;

/** In snapshots the page or entry is part of the name: `page[0x7f637].host`, `s2[0x40000000].pte`, `s2[0x1000][0x80000000].level`. */
function fieldName({ field, at, seq }: RawDivergence): string {
  const name = FIELDS.get(field) ?? "";
  const table = seq === WHOLE_MACHINE ? "s2" : `s2[${hex(seq)}]`;
  switch (field) {
    case abi.FIELD_PAGE_HOST:
    case abi.FIELD_PAGE_HYP:
    case abi.FIELD_PAGE_CNT:
    case abi.FIELD_PAGE_REF:
      return `page[${hex(at)}].${name}`;
    case abi.FIELD_LEAF_LEVEL:
    case abi.FIELD_LEAF_PTE:
      return `${table}[${hex(at)}].${name}`;
    case abi.FIELD_TABLE_END:
      return `${table}.${name}`;
    default:
      return name;
  }
}

function valueInWords(field: number, value: bigint, noPanic: string): string {
  switch (field) {
    case abi.FIELD_HOST:
    case abi.FIELD_HYP:
    case abi.FIELD_GUEST:
    case abi.FIELD_PAGE_HOST:
    case abi.FIELD_PAGE_HYP:
      return stateWord(Number(value));
    case abi.FIELD_PFN:
    case abi.FIELD_START:
    case abi.FIELD_SIZE:
    case abi.FIELD_LEAF_PTE:
    case abi.FIELD_TABLE_END:
      return hex(value);
    case abi.FIELD_PANIC:
      return value === 0n ? noPanic : panicName(Number(value));
    default:
      return String(BigInt.asIntN(64, value));
  }
}

/** The function that stops EL2, or the kind of stop where there is none. */
export function panicName(code: number): string {
  const { func, kind } = panicOf(code);
  return func ?? kind;
}

// --- Refusals

/** One sentence on why the trace is refused. */
export function refusalSentence(raw: RawRefusal): string {
  return raw.column === 0 ? orderSentence(raw) : `column ${raw.column}: ${textSentence(raw)}`;
}

function textSentence({ code, text, literal }: RawRefusal): string {
  switch (code) {
    case abi.REFUSED_HEADER:
      return `a line must begin with "[CPU]<tab>seconds.microseconds: ", found ${quote(text)}`;
    case abi.REFUSED_LOST:
      return `events were lost, so the operations are not complete: ${quote(text)}`;
    case abi.REFUSED_EVENT:
      return eventSentence(text);
    case abi.REFUSED_FIELD:
      return `expected ${quote(literal)}, found ${quote(text)}`;
    case abi.REFUSED_TRAILING:
      return `nothing may follow the event's last field, found ${quote(text)}`;
    case abi.REFUSED_NUMBER:
      return `expected a number, found ${quote(text)}`;
    case abi.REFUSED_RANGE:
      return `the number is out of range: ${quote(firstWord(text))}`;
    case abi.REFUSED_STATE:
      return unknown("page state", firstWord(text), STATES);
    case abi.REFUSED_OPERATION:
      return unknown("operation", firstWord(text), OPERATIONS);
    case abi.REFUSED_WORD:
      return `expected a word, found ${quote(text)}`;
    case abi.REFUSED_MARK:
      return `expected "begin" or "end", found ${quote(text)}`;
    default:
      return `a control character (${hex(text.charCodeAt(0))}) in a comment`;
  }
}

function eventSentence(text: string): string {
  const name = firstWord(text);
  const known = (EVENTS as readonly string[]).includes(name);
  return known ? `${name} does not begin with its first field: ${quote(text)}` : unknown("event", name, EVENTS);
}

function unknown(kind: string, word: string, known: Iterable<string>): string {
  return `unknown ${kind} ${quote(word)}${suggestion(word, known)}`;
}

function firstWord(text: string): string {
  return /^[^\s=]*/.exec(text)?.[0] ?? "";
}

function quote(text: string): string {
  return text === "" ? "the end of the line" : `"${excerpt(text.replace(/^ +/, ""))}"`;
}

function orderSentence({ code, subject, other }: RawRefusal): string {
  switch (code) {
    case abi.REFUSED_LENGTH:
      return `a line is longer than ${abi.TRACEFS_LINE_MAX} bytes`;
    case abi.REFUSED_SEQ_TWICE:
      return `seq=${subject} was there already, in line ${other}`;
    case abi.REFUSED_SEQ_LATE:
      return `seq=${subject} comes a second time or far too late: the operations below ${other} were replayed already`;
    case abi.REFUSED_SEQ_FAR:
      return `seq=${subject} is too far ahead: seq=${other} is missing so far`;
    case abi.REFUSED_SEQ_MISSING:
      return `seq=${subject} is missing: the trace does not have every operation`;
    case abi.REFUSED_PFN:
      return `seq=${subject}: a page that is not known (pfn=0xfffffffffffff) has no state and no count`;
    case abi.REFUSED_ARGUMENTS:
      return `seq=${subject}: no machine runs this operation with these arguments`;
    case abi.REFUSED_RESERVED:
      return `more than ${subject} VMs were reserved while no operation could be run`;
    case abi.REFUSED_REGIONS:
      return `the snapshot has more than ${subject} regions of memory`;
    case abi.REFUSED_NO_PAGES:
      return "the snapshot has no pages of memory";
    case abi.REFUSED_MEMORY:
      return "the 4 GiB of WebAssembly memory are used up";
    default:
      return snapshotSentence(code, subject, other);
  }
}

function snapshotSentence(code: number, subject: bigint, other: bigint): string {
  switch (code) {
    case abi.REFUSED_RUN_OUTSIDE:
      return "this run belongs to no snapshot, or to another one than the one it stands in";
    case abi.REFUSED_SNAPSHOT_ID:
      return `snapshot id=${subject} is neither 1 (the machine) nor a VM's handle (4096 and above)`;
    case abi.REFUSED_SNAPSHOT_OPEN:
      return `the snapshot of line ${other} is not complete yet`;
    case abi.REFUSED_SNAPSHOT_END:
      return `this ends no snapshot that has begun with the same id and seq`;
    case abi.REFUSED_SNAPSHOT_LATE:
      return `the snapshot comes too late: it is from before seq=${subject}, operations up to ${other - 1n} were printed long before it`;
    case abi.REFUSED_SNAPSHOT_CUT:
      return `the trace ends inside the snapshot that begins in line ${other}`;
    case abi.REFUSED_SNAPSHOT_RUNS:
      return `the snapshot has more than ${subject} runs that have to wait for operations`;
    case abi.REFUSED_SNAPSHOT_NONE:
      return "no snapshot of the whole machine (id=1) up to here, so its configuration is not known";
    case abi.REFUSED_PAGE_RUN:
      return `the pages at pfn ${hex(subject)} are empty or out of order`;
    case abi.REFUSED_PAGE_STATES:
      return `the states of pfn ${hex(subject)} exclude each other`;
    case abi.REFUSED_LEAF_RUN:
      return `the table's entries at ${hex(subject)} do not follow those before them, which end at ${hex(other)}`;
    case abi.REFUSED_LEAF_ALIGN:
      return `the table's entries at ${hex(subject)} are none, or not aligned to their level`;
    case abi.REFUSED_COVERAGE:
      return `the table's entries end at ${hex(subject)}, which is not the end of an address space`;
    case abi.REFUSED_LEAF_OWNER:
      return `the snapshot contradicts itself: the host's table and the page state disagree on who owns ${hex(subject)}`;
    case abi.REFUSED_HAND_OVER:
      return `the operations before the snapshot cannot have led to it: ${hex(subject)} would have begun neither as the host's own nor as EL2's`;
    case abi.REFUSED_LEAF_KIND:
      return `${hex(other)} at ${hex(subject)} is no descriptor that a walk of this level can end at`;
    case abi.REFUSED_LEVEL:
      return `the entries at ${hex(subject)} are of level ${other}, above the table's root`;
    case abi.REFUSED_TABLES:
      return `the host's table has more pages than the host reserves for it (at ${hex(subject)})`;
    default:
      return `guests own pages in the first snapshot (at ${hex(subject)}), and the trace does not have their tables`;
  }
}
