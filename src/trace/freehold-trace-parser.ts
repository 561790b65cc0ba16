// The parser in Wasm (assembly/text/freehold-trace.ts): its tables filled, its window and its status read.

import { OPERATION_SIZE } from "../../assembly/abi/operations.js";
import { RESULT_SIZE } from "../../assembly/abi/records.js";
import * as abi from "../../assembly/abi/trace.js";
import type { Core } from "../machine/module.js";
import {
  PANIC_NAMES,
  STATE_NAMES,
  TRACE_KEYS,
  isOptionalArgument,
  verbsOf,
  type VerbGroup,
  type TraceVerb,
} from "./freehold-trace-format.js";

/** What assembly/text/freehold-trace.ts exports. */
interface TraceExports {
  traceWindow(): number;
  traceStatus(): number;
  traceShapes(): number;
  traceDefineName(kind: number, length: number, value: number): number;
  traceDefineKey(slot: number, type: number, maximum: bigint): void;
  traceBegin(lines: number): void;
  traceRun(from: number, end: number, operations: number): number;
  traceStep(from: number, end: number): number;
  traceJudge(): number;
}

/** Where a line first differed: the key in question, and both numbers. */
export interface RawDifference {
  readonly slot: number;
  readonly expected: bigint;
  readonly found: bigint;
}

/** Why a line was refused: REFUSED_*, the address of the text, and the key if one is in question. */
export interface RawRefusal {
  readonly code: number;
  readonly at: number;
  readonly slot: number;
}

/** The text window and the parser that reads it. Addresses are those of linear memory. */
export class TraceParser {
  /** Start of the window of TEXT_WINDOW bytes. */
  readonly window: number;
  readonly #core: Core;
  readonly #exports: TraceExports;
  readonly #status: number;

  /**
   * Reserves the window. No machine may exist yet on this core.
   *
   * @throws Error if the memory cannot be had
   */
  constructor(core: Core) {
    this.#core = core;
    this.#exports = core.exports as unknown as TraceExports;
    this.window = this.#exports.traceWindow();
    if (this.window === 0) throw new Error("no memory for the text window");
    this.#status = this.#exports.traceStatus();
  }

  /** All of linear memory; valid until the core grows it. */
  get bytes(): Uint8Array {
    return new Uint8Array(this.#core.memory.buffer);
  }

  /**
   * Fills the parser's tables with the verbs of the header's machine and starts counting; `lines` lines of the file are behind
   * already. Names are defined from the start of the window, where the header was, which is longer than any of them.
   */
  begin(lines: number, groups: readonly VerbGroup[]): void {
    const verbs = verbsOf(...groups);
    this.#defineNames(verbs);
    for (const verb of verbs) this.#defineShape(verb);
    this.#exports.traceBegin(lines);
  }

  /** Reads, runs and compares lines in [from, end) until `operations` operations have run. Returns STOP_*. */
  run(from: number, end: number, operations: number): number {
    return this.#exports.traceRun(from, end, operations);
  }

  /** Reads lines in [from, end) up to the first operation, without running it. Returns STOP_*. */
  step(from: number, end: number): number {
    return this.#exports.traceStep(from, end);
  }

  /** Compares the operation read by `step` with the `result` record of a run. Returns STOP_*. */
  judge(result: Uint8Array): number {
    this.bytes.set(result.subarray(0, RESULT_SIZE), this.#status + abi.TRACE_RESULT);
    return this.#exports.traceJudge();
  }

  /** The record of the operation read last, as a copy. */
  get record(): Uint8Array {
    const at = this.#status + abi.TRACE_RECORD;
    return this.bytes.slice(at, at + OPERATION_SIZE);
  }

  /** The result of the operation run last, as a copy. */
  get result(): Uint8Array {
    const at = this.#status + abi.TRACE_RESULT;
    return this.bytes.slice(at, at + RESULT_SIZE);
  }

  /** Address of the next line to read. */
  get next(): number {
    return this.#u32(abi.TRACE_NEXT);
  }

  /** Address of the line read last. */
  get line(): number {
    return this.#u32(abi.TRACE_LINE);
  }

  /** Lines of the file read so far: the number, from 1, of the line read last. */
  get lines(): number {
    return this.#u32(abi.TRACE_LINES);
  }

  /** Operations read so far. */
  get operations(): number {
    return this.#u32(abi.TRACE_OPERATIONS);
  }

  /** Operations that had something to compare. */
  get checked(): number {
    return this.#u32(abi.TRACE_CHECKED);
  }

  /** Operations that differed. */
  get diverged(): number {
    return this.#u32(abi.TRACE_DIVERGED);
  }

  /** PANIC_* of the first panic that no line expected, 0 for none. */
  get unexpectedPanic(): number {
    return this.#u32(abi.TRACE_PANIC);
  }

  get refusal(): RawRefusal {
    return {
      code: this.#u32(abi.TRACE_REFUSAL),
      at: this.#u32(abi.TRACE_REFUSED_AT),
      slot: this.#u32(abi.TRACE_SLOT),
    };
  }

  get difference(): RawDifference {
    const view = new DataView(this.#core.memory.buffer, this.#status);
    return {
      slot: this.#u32(abi.TRACE_SLOT),
      expected: view.getBigInt64(abi.TRACE_EXPECTED, true),
      found: view.getBigInt64(abi.TRACE_FOUND, true),
    };
  }

  #u32(field: number): number {
    return new DataView(this.#core.memory.buffer).getUint32(this.#status + field, true);
  }

  #defineNames(verbs: readonly TraceVerb[]): void {
    for (const [name, { slot, type, maximum }] of TRACE_KEYS) {
      this.#defineName(abi.NAME_KEY, name, slot);
      this.#exports.traceDefineKey(slot, type, maximum);
    }
    for (const { name, number } of verbs) this.#defineName(abi.NAME_OPERATION, name, number);
    for (const [state, name] of STATE_NAMES.entries()) this.#defineName(abi.NAME_STATE, name, state);
    for (const [name, code] of PANIC_NAMES) this.#defineName(abi.NAME_PANIC, name, code);
  }

  #defineName(kind: number, name: string, value: number): void {
    const { written } = new TextEncoder().encodeInto(name, this.bytes.subarray(this.window));
    if (this.#exports.traceDefineName(kind, written, value) === 0) throw new Error(`cannot define the name ${name}`);
  }

  #defineShape(verb: TraceVerb): void {
    const size = abi.SHAPE_SIZE;
    const view = new DataView(this.#core.memory.buffer, this.#exports.traceShapes() + verb.number * size, size);
    const { required, allowed } = keysOf(verb);
    view.setBigUint64(abi.SHAPE_REQUIRED, required, true);
    view.setBigUint64(abi.SHAPE_ALLOWED, allowed, true);
    const slots = fieldSlots(verb);
    for (const [field, offset] of Object.entries(SHAPE_FIELDS)) view.setUint8(offset, slots[field] ?? abi.SLOT_ZERO);
    view.setUint8(abi.SHAPE_FIRST_PAGE, argumentSlot(verb.firstPage));
    view.setUint8(abi.SHAPE_FIRST_PAGE_UNIT, verb.firstPage === "pfn" ? abi.FIRST_PAGE_PFN : abi.FIRST_PAGE_PA);
    view.setUint8(abi.SHAPE_GUEST_PAGE, argumentSlot(verb.guestPage ? "gfn" : null));
    view.setUint8(abi.SHAPE_PUSH, verb.push);
    view.setUint16(abi.SHAPE_CODE, verb.code, true);
  }
}

/** Where a shape names the slot of each field of the record; `d.1` is bit 1 of d, and so on. */
const SHAPE_FIELDS: Readonly<Record<string, number>> = {
  vm: abi.SHAPE_VM,
  vcpu: abi.SHAPE_VCPU,
  a: abi.SHAPE_A,
  b: abi.SHAPE_B,
  c: abi.SHAPE_C,
  d: abi.SHAPE_D,
  "d.1": abi.SHAPE_D_BIT1,
  "vcpu.1": abi.SHAPE_VCPU_BIT1,
  "vcpu.2": abi.SHAPE_VCPU_BIT2,
};

function argumentSlot(name: string | null): number {
  return name === null ? abi.SLOT_ZERO : (TRACE_KEYS.get(name)?.slot ?? abi.SLOT_ZERO);
}

function fieldSlots(verb: TraceVerb): Readonly<Record<string, number>> {
  const slots: Record<string, number> = {};
  for (const [name, { at, bit }] of Object.entries(verb.args)) {
    slots[(bit ?? 0) === 0 ? at : `${at}.${bit}`] = argumentSlot(name);
  }
  return slots;
}

const bitOf = (slot: number): bigint => 1n << BigInt(slot);

/** The keys a verb's line must have and may have, as masks of slots. */
function keysOf(verb: TraceVerb): { readonly required: bigint; readonly allowed: bigint } {
  let required = bitOf(abi.SLOT_OP);
  let allowed = required | bitOf(abi.SLOT_RET) | bitOf(abi.SLOT_PANIC) | bitOf(abi.SLOT_NOTE);
  for (const name of Object.keys(verb.args)) {
    allowed |= bitOf(argumentSlot(name));
    if (!isOptionalArgument(name)) required |= bitOf(argumentSlot(name));
  }
  if (verb.firstPage !== null) allowed |= bitOf(abi.SLOT_HOST) | bitOf(abi.SLOT_HYP);
  if (verb.guestPage) allowed |= bitOf(abi.SLOT_GUEST);
  if (verb.push !== 0) allowed |= bitOf(abi.SLOT_MC_PAGES);
  return { required, allowed };
}
