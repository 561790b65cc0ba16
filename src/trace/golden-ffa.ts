// Replays golden recordings of kind `ffa` (format: golden/ffa/README.md). Every line is compared completely: return value,
// fields of the reply, every byte of the response, changed state, digests.

import { OPERATION_SIZE } from "../../assembly/abi/operations.js";
import * as abi from "../../assembly/abi/records.js";
import { decodeEffect, type Effect } from "../machine/effects.js";
import { transmit } from "../machine/ffa-descriptor.js";
import type { FfaManagersConfig } from "../machine/ffa-config.js";
import { FfaState } from "../machine/ffa-state.js";
import { Machine } from "../machine/machine.js";
import { instantiateCore, type Core } from "../machine/module.js";
import { hex } from "../machine/names.js";
import { encodeOperation } from "../machine/operations.js";
import { decodeOutcome, ffaErrorName, type Outcome } from "../machine/outcome.js";
import { FormatError, parseJson } from "./golden-fields.js";
import { callOf, responseOf, verbName, withoutMeaninglessWords, type FfaCall } from "./golden-ffa-calls.js";
import { compareFacts, FfaChangeLog, recordedFacts, type FactDifference } from "./golden-ffa-changes.js";
import { digestFfaState } from "./golden-ffa-digest.js";
import {
  argumentWords,
  parseFfaHeader,
  parseFfaLine,
  type FfaCheck,
  type FfaHeader,
  type FfaOperation,
  type FfaReply,
} from "./golden-ffa-format.js";
import { LineSplitter } from "./lines.js";
import { countsInWords, type Counts, type PartOptions, type PartReplay } from "./parts.js";
import { tellObserver } from "./tape.js";
import { LimitError, TraceError, type Divergence, type ExplainedOperation, type ReplaySummary } from "./replay.js";

/** Starts the replay of a golden recording of FF-A calls. */
export async function createGoldenFfaReplay(options: PartOptions = {}): Promise<PartReplay> {
  return new GoldenFfaReplay(await instantiateCore(), options);
}

class GoldenFfaReplay implements PartReplay {
  readonly #core: Core;
  readonly #options: PartOptions;
  readonly #lines = new LineSplitter();
  #header: FfaHeader | null = null;
  #managers: Managers | null = null;

  /** Number of the next operation: how many there are before it. */
  #operations: number;
  #checks = 0;
  #resets = 0;
  #operationsDiverged = 0;
  #checksDiverged = 0;
  #first: Divergence | null = null;
  #explained: ExplainedOperation | null = null;
  #done = false;
  /** Number of operations at the last check; -1 at the start of an episode. */
  #checkedAt = -1;

  constructor(core: Core, options: PartOptions) {
    this.#core = core;
    this.#options = options;
    this.#operations = options.part?.operationsBefore ?? 0;
    options.observer?.open(core);
  }

  get machine(): Machine | null {
    return this.#managers?.machine ?? null;
  }

  get done(): boolean {
    return this.#done;
  }

  get explained(): ExplainedOperation | null {
    return this.#explained;
  }

  write(bytes: Uint8Array): void {
    if (!this.#done) this.#lines.write(bytes, (text) => this.#take(text));
  }

  end(): ReplaySummary {
    if (!this.#done) {
      const rest = this.#lines.rest();
      if (rest !== null) this.#take(rest);
    }
    if (!this.#done && this.#options.part?.isLast !== false) this.#checkComplete();
    const { counts } = this;
    return {
      format: "golden ffa",
      ops: counts.operations,
      matched: counts.operations - this.#operationsDiverged,
      diverged: this.#operationsDiverged + this.#checksDiverged,
      first: this.#first,
      panic: null,
      description: countsInWords(counts),
    };
  }

  get counts(): Counts {
    const operations = this.#operations - (this.#options.part?.operationsBefore ?? 0);
    return { lines: this.#lines.line, operations, checks: this.#checks, resets: this.#resets };
  }

  /** Whether more lines are wanted. */
  #take(text: string): boolean {
    try {
      this.#takeLine(text);
    } catch (error) {
      if (error instanceof FormatError) throw new TraceError(this.#lines.line, error.message);
      throw error;
    }
    return !this.#done;
  }

  #takeLine(text: string): void {
    const value = parseJson(text);
    if (this.#header === null) {
      this.#header = parseFfaHeader(value);
      this.#managers = new Managers(this.#core, this.#header.config);
      this.#options.observer?.begin(this.#managers.machine, 0);
      return;
    }
    const line = parseFfaLine(value);
    switch (line.type) {
      case "operation":
        this.#takeOperation(line.value, this.#header, this.#running);
        break;
      case "check":
        this.#takeCheck(line.value);
        break;
      case "reset":
        this.#takeReset(line.i);
        break;
      case "note":
        this.#expectNumber(line.i);
        break;
    }
  }

  get #running(): Managers {
    if (this.#managers === null) throw new Error("no header was read");
    return this.#managers;
  }

  // Order of lines. A check stands at the start of each episode, at every multiple of check_every, and at an episode's end.

  #expectNumber(i: number): void {
    if (i !== this.#operations) throw new FormatError(`i: ${i} where ${this.#operations} is expected`);
  }

  #expectChecked(why: string): void {
    if (this.#checkedAt !== this.#operations) throw new FormatError(`no check line ${why}`);
  }

  #checkComplete(): void {
    const last = this.#lines.line;
    if (this.#header === null) throw new TraceError(last, "no header: the file is empty");
    const { ops } = this.#header;
    if (ops !== this.#operations) {
      throw new TraceError(last, `the header announces ${ops} operations, the file has ${this.#operations}`);
    }
    if (this.#checkedAt !== this.#operations) throw new TraceError(last, "no check line at the end");
  }

  #takeOperation(operation: FfaOperation, header: FfaHeader, managers: Managers): void {
    this.#expectNumber(operation.i);
    if (operation.i >= header.ops) throw new FormatError(`more operations than the header's ${header.ops}`);
    if (this.#checkedAt < 0 || operation.i % header.checkEvery === 0) this.#expectChecked("before the operation");
    const { at, explain = false, onEffects } = this.#options;
    const wanted = at === undefined || operation.i < at;
    this.#done = !wanted;
    if (!wanted && !explain) return;
    const outcome = managers.run(operation, this.#lines.line);
    onEffects?.(operation.i, outcome.effects);
    const difference = managers.compare(operation, outcome);
    tellObserver(this.#options.observer, { ...managers.ran, line: this.#lines.line }, difference);
    if (!wanted) {
      this.#explained = explained(this.#lines.line, operation, outcome);
      return;
    }
    this.#operations += 1;
    if (difference === null) return;
    this.#operationsDiverged += 1;
    this.#diverge(operation.i, verbName(operation.op), difference);
  }

  #takeCheck(check: FfaCheck): void {
    this.#expectNumber(check.i);
    const state = digestFfaState(this.#running.state);
    this.#checks += 1;
    this.#checkedAt = check.i;
    for (const [field, found] of Object.entries(state)) {
      const expected = check[field as keyof typeof state];
      if (expected === found) continue;
      this.#checksDiverged += 1;
      this.#diverge(-1, "check", { field, expected: String(expected), found: String(found) });
      return;
    }
  }

  #takeReset(i: number): void {
    this.#expectNumber(i);
    this.#expectChecked("before the reset");
    const { at, explain = false } = this.#options;
    this.#done = at === i && !explain;
    if (this.#done) return;
    this.#running.reset();
    this.#options.observer?.reset();
    this.#resets += 1;
    this.#checkedAt = -1;
  }

  #diverge(operation: number, op: string, difference: FactDifference): void {
    this.#first ??= { line: this.#lines.line, operation, op, ...difference };
    if (this.#options.stopAtFirst === true) this.#done = true;
  }
}

/** The recording's machine: runs its calls and compares what they did. */
class Managers {
  readonly machine: Machine;
  readonly state: FfaState;
  readonly #changes: FfaChangeLog;
  readonly #config: FfaManagersConfig;
  #packed = new Uint8Array(0);
  #results = new Uint8Array(0);
  #count = 0;

  constructor(core: Core, config: FfaManagersConfig) {
    this.machine = Machine.createOn(core, config);
    this.state = new FfaState(this.machine);
    this.#changes = new FfaChangeLog(this.state);
    this.#config = config;
  }

  reset(): void {
    this.machine.reset();
    this.#changes.clear();
  }

  /** Puts the message into TX and makes the call. */
  run(operation: FfaOperation, line: number): Outcome {
    const count = this.#encode(callOf(operation), operation.args.vm);
    this.#count = count;
    this.machine.runPacked(this.#packed, count, { results: this.#results, effects: true });
    const effects: Effect[] = [];
    this.machine.eachEffectRecord((view, at) => {
      const effect = decodeEffect(view, at);
      if (effect !== undefined) effects.push(effect);
    });
    const view = new DataView(this.#results.buffer);
    const at = (count - 1) * abi.RESULT_SIZE;
    const outcome = decodeOutcome(view, at, effects, ffaErrorName);
    if (outcome.status === "limit") throw new LimitError(line, view.getUint16(at + abi.RESULT_REASON, true));
    if (outcome.status !== "ok") throw new Error("core refused a record that was checked");
    return outcome;
  }

  /** The records of the last call, and their results. */
  get ran(): { readonly records: Uint8Array; readonly results: Uint8Array; readonly count: number } {
    return { records: this.#packed, results: this.#results, count: this.#count };
  }

  /** The pieces of the message, as far as TX reaches, then the call. The number of records. */
  #encode({ message, operation }: FfaCall, vm: number): number {
    const endpoint = this.#config.endpoints.find(({ id }) => id === vm);
    if (endpoint === undefined) throw new FormatError(`args.vm: ${hex(vm)} is no endpoint of the machine`);
    const room = endpoint.buffer_pages << 12;
    const pieces = message === null || room === 0 ? [] : transmit(vm, message.subarray(0, room));
    const records = [...pieces, operation];
    if (this.#packed.length < records.length * OPERATION_SIZE) {
      this.#packed = new Uint8Array(records.length * OPERATION_SIZE);
      this.#results = new Uint8Array(records.length * abi.RESULT_SIZE);
    }
    const view = new DataView(this.#packed.buffer);
    records.forEach((record, index) => encodeOperation(record, view, index * OPERATION_SIZE));
    return records.length;
  }

  /** Where the call first differs from its line. */
  compare({ args, ret, reply, changed }: FfaOperation, outcome: Outcome): FactDifference | null {
    const recorded = recordedFacts(changed, reply, this.#config);
    const found = this.#changes.factsOf(outcome.effects);
    if (ret !== outcome.ret) return { field: "ret", expected: String(ret), found: String(outcome.ret) };
    return compareFacts(recorded, found) ?? (reply === null ? null : this.#compareResponse(args.vm, reply));
  }

  /** The whole RX buffer: the response, and zeros behind it. */
  #compareResponse(vm: number, reply: FfaReply): FactDifference | null {
    const response = responseOf(reply);
    if (response === null) return null;
    const room = (this.#config.endpoints.find(({ id }) => id === vm)?.buffer_pages ?? 0) << 12;
    const expected = new Uint8Array(Math.max(room, response.length));
    expected.set(withoutMeaninglessWords(reply, response));
    const found = withoutMeaninglessWords(reply, this.state.readRx(vm, expected.length));
    const at = expected.findIndex((byte, index) => byte !== found[index]);
    if (at < 0) return null;
    const text = (bytes: Uint8Array) => `byte ${at}: ${hex(bytes[at] ?? 0)}`;
    return { field: "reply.raw", expected: text(expected), found: text(found) };
  }
}

function explained(line: number, operation: FfaOperation, outcome: Outcome): ExplainedOperation {
  const { i, op, ret, reply } = operation;
  const recorded: Record<string, string | number> = { ret };
  if (reply !== null) recorded["reply"] = reply.fn;
  const args = argumentWords(operation);
  return { line, operation: i, op: verbName(op), args, outcome, effects: outcome.effects, recorded };
}
