// Replays Freehold's own trace format (docs/trace-format.md). Bytes go into a window of linear memory and are parsed, run and
// compared there; this file feeds the window, makes the machine, and puts what happened into words.

import { OPERATION_CODE } from "../../assembly/abi/operations.js";
import { RESULT_REASON, RESULT_RET, RESULT_SIZE } from "../../assembly/abi/records.js";
import * as abi from "../../assembly/abi/trace.js";
import { Machine, type Outcome } from "../machine/machine.js";
import { instantiateCore, type Core } from "../machine/module.js";
import { pageStateName } from "../machine/names.js";
import { decodeOperation, operationName, type Operation, type OperationName } from "../machine/operations.js";
import { TRACE_FORMAT, groupsOf, keyName, panicName } from "./freehold-trace-format.js";
import { readTraceHeader } from "./freehold-trace-header.js";
import { TraceParser, type RawDifference } from "./freehold-trace-parser.js";
import { refusalSentence } from "./freehold-trace-refusal.js";
import { countsInWords, type Counts, type PartOptions, type PartReplay } from "./parts.js";
import {
  LimitError,
  TraceError,
  type Divergence,
  type ExplainedOperation,
  type RecordedField,
  type ReplayOptions,
  type ReplaySummary,
} from "./replay.js";
import { openTape, type Tape } from "./tape.js";

/** Makes a replay that waits for its first bytes. */
export async function createFreeholdTraceReplay(options: PartOptions = {}): Promise<PartReplay> {
  return new FreeholdTraceReplay(await instantiateCore(), options);
}

const NEWLINE = 0x0a;
const LONG_LINE = `a line is longer than ${abi.LINE_MAX} bytes`;
/** More operations than any trace has: "run them all". */
const ALL = 0xffff_ffff;

class FreeholdTraceReplay implements PartReplay {
  machine: Machine | null = null;
  done = false;
  explained: ExplainedOperation | null = null;
  readonly #core: Core;
  readonly #parser: TraceParser;
  readonly #options: ReplayOptions;
  readonly #tape: Tape | null;
  /** Bytes in the window that are not read yet; they stand at its start. */
  #filled = 0;
  /** Whether the text in the window is the file's last and its newline was put there by us. */
  #cutOff = false;
  #first: Divergence | null = null;

  constructor(core: Core, options: ReplayOptions) {
    this.#core = core;
    this.#parser = new TraceParser(core);
    this.#options = options;
    this.#tape = openTape(core, options.observer);
  }

  write(bytes: Uint8Array): void {
    let rest = bytes;
    while (rest.length > 0 && !this.done) {
      const part = rest.subarray(0, abi.TEXT_WINDOW - this.#filled);
      rest = rest.subarray(part.length);
      this.#parser.bytes.set(part, this.#parser.window + this.#filled);
      this.#filled += part.length;
      this.#readLines(part);
    }
  }

  end(): ReplaySummary {
    if (!this.done && this.#filled > 0) {
      this.#cutOff = true;
      this.write(Uint8Array.of(NEWLINE));
    }
    if (this.machine === null) throw new TraceError(1, "the file is empty");
    return this.#summary();
  }

  // Reads the complete lines of the window, whose last bytes are `added`, and moves the rest to its start.
  #readLines(added: Uint8Array): void {
    const newline = added.lastIndexOf(NEWLINE);
    if (newline >= 0) {
      const { window } = this.#parser;
      const end = window + this.#filled - added.length + newline + 1;
      const start = this.machine === null ? this.#readHeader() : window;
      this.#runLines(start, end);
      this.#parser.bytes.copyWithin(window, end, window + this.#filled);
      this.#filled -= end - window;
    }
    if (this.#filled > abi.LINE_MAX && !this.done) {
      throw new TraceError(this.#linesRead() + 1, LONG_LINE);
    }
  }

  #linesRead(): number {
    return this.machine === null ? 0 : this.#parser.lines;
  }

  // Returns the address of the line behind the header.
  #readHeader(): number {
    const { window, bytes } = this.#parser;
    const end = bytes.indexOf(NEWLINE, window);
    if (end - window > abi.LINE_MAX) throw new TraceError(1, LONG_LINE);
    this.machine = Machine.createOn(this.#core, readTraceHeader(bytes.slice(window, end)));
    this.#options.observer?.begin(this.machine, 0);
    this.#parser.begin(1, groupsOf(this.machine.config));
    return end + 1;
  }

  #runLines(from: number, end: number): void {
    let at = from;
    while (!this.done) {
      const stop = this.#advance(at, end);
      this.#tape?.drain((field, value) => this.#recorded(field - 1, value));
      at = this.#parser.next;
      if (stop === abi.STOP_END) return;
      this.#handle(stop);
    }
  }

  // Runs up to the next thing that this file has to look at. Returns STOP_*.
  #advance(from: number, end: number): number {
    const { at, explain, onEffects } = this.#options;
    const left = (at ?? ALL) - this.#parser.operations;
    if (left > 0 && onEffects === undefined) {
      const stop = this.#parser.run(from, end, left);
      if (stop === abi.STOP_END && this.#parser.operations === at) return this.#advance(this.#parser.next, end);
      return stop;
    }
    if (left > 0 || explain === true) return this.#parser.step(from, end);
    this.done = true;
    return abi.STOP_END;
  }

  #handle(stop: number): void {
    switch (stop) {
      case abi.STOP_REFUSED:
        throw this.#refused();
      case abi.STOP_LIMIT:
        throw new LimitError(this.#parser.lines, resultOf(this.#parser).reason);
      case abi.STOP_RESET:
        this.#machine.reset();
        this.#options.observer?.reset();
        break;
      case abi.STOP_TAPE:
        break; // it was read
      case abi.STOP_DIVERGED:
        this.#first ??= this.#divergence();
        this.done ||= this.#options.stopAtFirst === true;
        break;
      default:
        this.#runStep();
    }
  }

  get #machine(): Machine {
    if (this.machine === null) throw new Error("no header was read");
    return this.machine;
  }

  // Runs the operation that the parser has read, with its effects recorded.
  #runStep(): void {
    const { record, line, lines, operations } = this.#parser;
    const operation = decodeOperation(new DataView(record.buffer)) as Operation;
    const recorded = this.#lineAt(line);
    this.#machine.applyBatch(pushesOf(operation, recorded), { effects: false });
    const outcome = this.#machine.apply(operation);
    const results = this.#core.exports.resultWindow();
    const stop = this.#parser.judge(this.#parser.bytes.slice(results, results + RESULT_SIZE));
    this.#options.onEffects?.(operations - 1, outcome.effects);
    if (operations - 1 === this.#options.at) {
      this.explained = explain(lines, operations - 1, operation.op, recorded, outcome);
      this.done = true;
    }
    if (stop !== abi.STOP_END) this.#handle(stop);
  }

  // The line at this address, which the parser has found to be well-formed.
  #lineAt(at: number): Readonly<Record<string, unknown>> {
    const { bytes } = this.#parser;
    const line = new TextDecoder().decode(bytes.subarray(at, bytes.indexOf(NEWLINE, at)));
    return JSON.parse(line) as Readonly<Record<string, unknown>>;
  }

  #refused(): TraceError {
    const { bytes, refusal, line, lines, record } = this.#parser;
    const text = new TextDecoder("latin1").decode(bytes.subarray(refusal.at, bytes.indexOf(NEWLINE, refusal.at)));
    const op = operationName(new DataView(record.buffer).getUint16(OPERATION_CODE, true)) ?? "";
    const sentence = refusalSentence({ ...refusal, column: refusal.at - line + 1, text, op });
    const last = this.#cutOff && bytes.indexOf(NEWLINE, line) + 1 === this.#parser.window + this.#filled;
    return new TraceError(lines, last ? `${sentence} (the file's last line does not end: is it cut off?)` : sentence);
  }

  #divergence(): Divergence {
    const { record, lines, operations, difference } = this.#parser;
    const op = operationName(new DataView(record.buffer).getUint16(OPERATION_CODE, true)) ?? "";
    const { expected, found } = inWords(difference, resultOf(this.#parser).ret);
    return { line: lines, operation: operations - 1, op, field: keyName(difference.slot), expected, found };
  }

  #recorded(slot: number, expected: bigint): RecordedField {
    return { field: keyName(slot), expected: inWords({ slot, expected, found: 0n }, 0).expected };
  }

  #summary(): ReplaySummary {
    const { checked, diverged, unexpectedPanic } = this.#parser;
    return {
      format: TRACE_FORMAT,
      ops: checked,
      matched: checked - diverged,
      diverged,
      first: this.#first,
      panic: unexpectedPanic === 0 ? null : panicName(unexpectedPanic),
      description: countsInWords(this.counts),
    };
  }

  get counts(): Counts {
    const { lines, operations, checked } = this.#parser;
    return { lines, operations, "with expectations": checked };
  }
}

function resultOf(parser: TraceParser): { readonly ret: number; readonly reason: number } {
  const view = new DataView(parser.result.buffer);
  return { ret: view.getInt32(RESULT_RET, true), reason: view.getUint16(RESULT_REASON, true) };
}

// Both sides of a difference, as people read them.
function inWords({ slot, expected, found }: RawDifference, ret: number): { expected: string; found: string } {
  switch (slot) {
    case abi.SLOT_OP:
      return { expected: "an operation of this machine", found: "none" };
    case abi.SLOT_RET:
      return { expected: String(expected), found: String(found) };
    case abi.SLOT_PANIC: {
      const name = (code: bigint) => (code === 0n ? "no panic" : panicName(Number(code)));
      return { expected: name(expected), found: found === 0n ? `no panic, ret ${ret}` : name(found) };
    }
    default: {
      const absent = slot === abi.SLOT_GUEST ? "no such VM or address" : "no memory";
      return { expected: pageStateName(Number(expected)), found: found < 0n ? absent : pageStateName(Number(found)) };
    }
  }
}

// What the line's mc_pages puts on the host's list, as operations.
function pushesOf(operation: Operation, line: Readonly<Record<string, unknown>>): Operation[] {
  const pages = (line["mc_pages"] ?? []) as (string | number)[];
  return pages.map((page) => {
    const pfn = BigInt(page);
    if (operation.op !== "refill_memcache") return { op: "host_memcache_push_loaded", pfn };
    return { op: "host_memcache_push", vm: operation.vm, vcpu: operation.vcpu, pfn };
  });
}

function explain(
  line: number,
  operation: number,
  op: OperationName,
  recorded: Readonly<Record<string, unknown>>,
  outcome: Outcome,
): ExplainedOperation {
  const keys = Object.keys(recorded).filter((key) => key !== "op" && key !== "note");
  const isExpectation = (key: string) => EXPECTATIONS.includes(key);
  const pick = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, plain(recorded[name])]));
  return {
    line,
    operation,
    op,
    args: pick(keys.filter((key) => !isExpectation(key))),
    outcome,
    effects: outcome.effects,
    recorded: pick(keys.filter(isExpectation)),
  };
}

const EXPECTATIONS: readonly string[] = ["ret", "host", "hyp", "guest", "panic"];

function plain(value: unknown): string | number {
  return typeof value === "number" ? value : Array.isArray(value) ? value.join(" ") : String(value);
}
