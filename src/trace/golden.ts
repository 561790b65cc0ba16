// Replays golden recordings: JSON Lines of the kinds `pkvm` and `pgtable` (format: golden/pkvm/README.md).
// Every line is compared completely: return value or panic, outcome fields, changed state, maintenance, digests.

import { OPERATION_SIZE } from "../../assembly/abi/operations.js";
import * as abi from "../../assembly/abi/records.js";
import { isValid, outputAddress } from "../machine/describe.js";
import { decodeEffect, type Effect } from "../machine/effects.js";
import { Machine, type Outcome } from "../machine/machine.js";
import { instantiateCore, type Core } from "../machine/module.js";
import { encodeOperation } from "../machine/operations.js";
import { decodeOutcome, panicOf, type Panic } from "../machine/outcome.js";
import { ChangeLog, compareChanged, compareCmo, compareTlbi, type Difference } from "./golden-changes.js";
import { digestState } from "./golden-digest.js";
import { FormatError, parseJson } from "./golden-fields.js";
import {
  CHANGED_LISTS,
  outcomeText,
  parseHeader,
  parseLine,
  type GoldenCheck,
  type GoldenHeader,
  type GoldenOperation,
} from "./golden-format.js";
import { LineSplitter } from "./lines.js";
import { countsInWords, type Counts, type PartOptions, type PartReplay } from "./parts.js";
import { tellObserver } from "./tape.js";
import { LimitError, TraceError, type Divergence, type ExplainedOperation, type ReplaySummary } from "./replay.js";

/** Starts the replay of a golden recording. */
export async function createGoldenReplay(options: PartOptions = {}): Promise<PartReplay> {
  return new GoldenReplay(await instantiateCore(), options);
}

/** A line that differs: the first field that does. */
interface FieldDifference extends Difference {
  readonly field: string;
}

/** What the machine answered, beside its effects. */
interface Answer {
  readonly ret: number;
  readonly panic: Panic | null;
  readonly outcome: ReadonlyMap<string, string>;
}

/** Level of pages; a guest's blocks are shared pages, which are not reclaimed. */
const PAGE_LEVEL = 3;
/** What fills a page before it is reclaimed. */
const MARK = 0xa5;

class GoldenReplay implements PartReplay {
  readonly #core: Core;
  readonly #options: PartOptions;
  readonly #lines = new LineSplitter();
  #header: GoldenHeader | null = null;
  #machine: Machine | null = null;
  #changes: ChangeLog | null = null;
  #packed = new Uint8Array(OPERATION_SIZE);
  #results = new Uint8Array(abi.RESULT_SIZE);

  /** Number of the next operation: how many there are before it. */
  #operations: number;
  #checks = 0;
  #resets = 0;
  #operationsDiverged = 0;
  #checksDiverged = 0;
  #first: Divergence | null = null;
  #panic: string | null = null;
  #explained: ExplainedOperation | null = null;
  #done = false;
  /** Number of operations at the last check; -1 at the start of an episode. */
  #checkedAt = -1;
  /** The recording's EL2 has panicked: only a reset may follow. */
  #stopped = false;

  constructor(core: Core, options: PartOptions) {
    this.#core = core;
    this.#options = options;
    this.#operations = options.part?.operationsBefore ?? 0;
    options.observer?.open(core);
  }

  get machine(): Machine | null {
    return this.#machine;
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
      format: `golden ${this.#header?.kind ?? "pkvm"}`,
      ops: counts.operations,
      matched: counts.operations - this.#operationsDiverged,
      diverged: this.#operationsDiverged + this.#checksDiverged,
      first: this.#first,
      panic: this.#panic,
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
      this.#start(parseHeader(value));
      return;
    }
    const line = parseLine(value, this.#header.kind);
    switch (line.type) {
      case "operation":
        this.#takeOperation(line.value, this.#header);
        break;
      case "check":
        this.#takeCheck(line.value);
        break;
      case "reset":
        this.#takeReset(line.value.i);
        break;
    }
  }

  #start(header: GoldenHeader): void {
    this.#header = header;
    this.#machine = Machine.createOn(this.#core, header.config);
    this.#changes = new ChangeLog(header.config.geometry);
    this.#options.observer?.begin(this.#machine, 0);
  }

  // Order of lines. A check stands at the start of each episode, at every multiple of check_every, and at an episode's end.

  #expectNumber(i: number): void {
    if (i !== this.#operations) throw new FormatError(`i: ${i} where ${this.#operations} is expected`);
  }

  #expectChecked(why: string): void {
    if (!this.#stopped && this.#checkedAt !== this.#operations) throw new FormatError(`no check line ${why}`);
  }

  #checkComplete(): void {
    const last = this.#lines.line;
    if (this.#header === null) throw new TraceError(last, "no header: the file is empty");
    const { ops } = this.#header;
    if (ops !== this.#operations) {
      throw new TraceError(last, `the header announces ${ops} operations, the file has ${this.#operations}`);
    }
    if (!this.#stopped && this.#checkedAt !== this.#operations) throw new TraceError(last, "no check line at the end");
  }

  #takeOperation(operation: GoldenOperation, header: GoldenHeader): void {
    this.#expectNumber(operation.i);
    if (this.#stopped) throw new FormatError("an operation behind a panic");
    if (operation.i >= header.ops) throw new FormatError(`more operations than the header's ${header.ops}`);
    if (this.#checkedAt < 0 || operation.i % header.checkEvery === 0) this.#expectChecked("before the operation");
    const { at, explain = false } = this.#options;
    const wanted = at === undefined || operation.i < at;
    this.#done = !wanted;
    if (!wanted && !explain) return;
    const difference = this.#run(operation, !wanted);
    if (!wanted) return;
    this.#operations += 1;
    this.#stopped = operation.panic !== null;
    if (difference === null) return;
    this.#operationsDiverged += 1;
    this.#diverge(operation.i, operation.op, difference);
  }

  #takeCheck(check: GoldenCheck): void {
    this.#expectNumber(check.i);
    if (this.#stopped) throw new FormatError("a check behind a panic");
    const state = digestState(this.#machine as Machine);
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
    (this.#machine as Machine).reset();
    this.#options.observer?.reset();
    this.#resets += 1;
    this.#checkedAt = -1;
    this.#stopped = false;
  }

  #diverge(operation: number, op: string, difference: FieldDifference): void {
    this.#first ??= { line: this.#lines.line, operation, op, ...difference };
    if (this.#options.stopAtFirst === true) this.#done = true;
  }

  // Operations.

  /** Runs one operation and answers where it first differs from the recording. */
  #run(operation: GoldenOperation, explain: boolean): FieldDifference | null {
    const machine = this.#machine as Machine;
    const changes = this.#changes as ChangeLog;
    const count = this.#encode(operation);
    const marked = markReclaimed(machine, operation);
    if (marked !== null) this.#options.observer?.filled(marked, MARK);
    machine.runPacked(this.#packed, count, { results: this.#results, effects: true });
    const outcome = new Map<string, string>();
    changes.clear();
    machine.eachEffectRecord((view, at) => {
      changes.add(view, at);
      addOutcome(outcome, view, at, operation.op);
    });
    if (marked !== null) outcome.set("zeroed", isZero(machine.readPage(marked)) ? "1" : "0");
    this.#pass(operation, count, explain);
    const answer = this.#answer(count, outcome);
    const difference = compare(operation, answer, changes, machine.pageShift, (panic) => this.#note(panic));
    const ran = { records: this.#packed, results: this.#results, count, line: this.#lines.line };
    tellObserver(this.#options.observer, ran, difference);
    return difference;
  }

  /** The pages pushed onto the host's list, then the operation. The number of records. */
  #encode({ operation, pushes, op }: GoldenOperation): number {
    const count = pushes.length + 1;
    if (this.#packed.length < count * OPERATION_SIZE) {
      this.#packed = new Uint8Array(count * OPERATION_SIZE);
      this.#results = new Uint8Array(count * abi.RESULT_SIZE);
    }
    const view = new DataView(this.#packed.buffer);
    pushes.forEach((pfn, index) => {
      const push =
        op === "refill_memcache" && "vm" in operation && "vcpu" in operation
          ? ({ op: "host_memcache_push", vm: operation.vm, vcpu: operation.vcpu, pfn } as const)
          : ({ op: "host_memcache_push_loaded", pfn } as const);
      encodeOperation(push, view, index * OPERATION_SIZE);
    });
    encodeOperation(operation, view, pushes.length * OPERATION_SIZE);
    return count;
  }

  #answer(count: number, outcome: ReadonlyMap<string, string>): Answer {
    const view = new DataView(this.#results.buffer);
    const at = (count - 1) * abi.RESULT_SIZE;
    const status = view.getUint16(at + abi.RESULT_STATUS, true);
    const reason = view.getUint16(at + abi.RESULT_REASON, true);
    if (status === abi.STATUS_LIMIT) throw new LimitError(this.#lines.line, reason);
    if (status === abi.STATUS_INVALID) throw new Error("core refused a record that was checked");
    const panic = status === abi.STATUS_PANICKED ? panicOf(reason) : null;
    return { ret: view.getInt32(at + abi.RESULT_RET, true), panic, outcome };
  }

  #note(panic: Panic): void {
    this.#panic ??= panic.func ?? panic.kind;
  }

  /** Hands the effects to those who asked for them. */
  #pass(operation: GoldenOperation, count: number, explain: boolean): void {
    const { onEffects } = this.#options;
    if (!explain && onEffects === undefined) return;
    const effects: Effect[] = [];
    (this.#machine as Machine).eachEffectRecord((view, at) => {
      const effect = decodeEffect(view, at);
      if (effect !== undefined) effects.push(effect);
    });
    onEffects?.(operation.i, effects);
    if (!explain) return;
    const outcome = decodeOutcome(new DataView(this.#results.buffer), (count - 1) * abi.RESULT_SIZE, effects);
    this.#explained = explained(this.#lines.line, operation, outcome);
  }
}

function explained(line: number, operation: GoldenOperation, outcome: Outcome): ExplainedOperation {
  const args: Record<string, string | number> = {};
  for (const [name, value] of Object.entries(operation.args)) {
    args[name] = typeof value === "object" ? value.join(" ") : value;
  }
  const { panic } = operation;
  const recorded: Record<string, string | number> =
    panic === null ? { ret: operation.ret } : { panic: panicText(panic) };
  for (const [name, value] of operation.outcome) recorded[name] = value;
  return { line, operation: operation.i, op: operation.op, args, outcome, effects: outcome.effects, recorded };
}

// Outcome fields, from the effects that carry answers.

function addOutcome(outcome: Map<string, string>, view: DataView, at: number, op: string): void {
  const kind = view.getUint16(at + abi.EFFECT_KIND, true);
  // All others are changes of state or maintenance.
  if (kind < abi.EFFECT_ABORT || kind > abi.EFFECT_POOL) return;
  const effect = decodeEffect(view, at);
  switch (effect?.kind) {
    case "abort":
      outcome.set("result", effect.result);
      if (effect.result === "injected") outcome.set("inj_esr", outcomeText.hex(effect.injectedEsr));
      break;
    case "hvc":
      outcome.set("elr_delta", outcomeText.number(effect.elrDelta));
      break;
    case "registers":
      addRegisters(outcome, effect.values);
      break;
    case "guest_exit":
      outcome.set("exit_code", outcomeText.number(effect.exitCode));
      outcome.set("esr", outcomeText.hex(effect.esr));
      outcome.set("hpfar", outcomeText.hex(effect.hpfar));
      outcome.set("far", outcomeText.hex(effect.far));
      break;
    case "teardown":
      outcome.set("teardown_mc", outcomeText.number(effect.teardownPages));
      outcome.set("stage2_teardown_mc", outcomeText.number(effect.stage2TeardownPages));
      break;
    case "host_memcache":
      outcome.set("host_mc", outcomeText.number(effect.pages));
      break;
    case "loaded":
      outcome.set("loaded", outcomeText.loaded(effect.vm === 0 ? null : effect));
      break;
    case "leaf":
      outcome.set("pte", outcomeText.hex(effect.descriptor));
      outcome.set("level", outcomeText.number(effect.level));
      break;
    case "pool":
      outcome.set("free", outcomeText.number(effect.free));
      if (op === "pt_split") outcome.set("nobjs", outcomeText.number(effect.splitPages));
      break;
    default:
      break;
  }
}

/** x0 and x1 come first, x2 and x3 behind. */
function addRegisters(outcome: Map<string, string>, values: readonly bigint[]): void {
  const first = outcome.get("x");
  const text = outcomeText.registers(values);
  outcome.set("x", first === undefined ? text : `${first.slice(0, -1)} ${text.slice(1)}`);
}

// Comparison.

function panicText(panic: { readonly kind: string; readonly func: string | null } | null): string {
  if (panic === null) return "none";
  return panic.func === null ? panic.kind : `${panic.kind} ${panic.func}`;
}

/** `unexpected` hears of a panic where the recording has none. */
function compare(
  recorded: GoldenOperation,
  answer: Answer,
  changes: ChangeLog,
  pageShift: number,
  unexpected: (panic: Panic) => void,
): FieldDifference | null {
  const [expected, found] = [panicText(recorded.panic), panicText(answer.panic)];
  if (answer.panic !== null && recorded.panic === null) unexpected(answer.panic);
  if (expected !== found) return { field: "panic", expected, found };
  if (recorded.panic !== null) return null;
  const ret = String(recorded.ret);
  if (recorded.ret !== answer.ret) return { field: "ret", expected: ret, found: String(answer.ret) };
  return compareOutcome(recorded.outcome, answer.outcome) ?? compareEffects(recorded, changes, pageShift);
}

function compareOutcome(
  recorded: ReadonlyMap<string, string>,
  found: ReadonlyMap<string, string>,
): FieldDifference | null {
  for (const field of new Set([...recorded.keys(), ...found.keys()])) {
    const [want, have] = [recorded.get(field) ?? "absent", found.get(field) ?? "absent"];
    if (want !== have) return { field, expected: want, found: have };
  }
  return null;
}

function compareEffects(recorded: GoldenOperation, changes: ChangeLog, pageShift: number): FieldDifference | null {
  for (const name of CHANGED_LISTS) {
    const difference = compareChanged(name, recorded.changed[name], changes.list(name));
    if (difference !== null) return { field: `changed.${name}`, ...difference };
  }
  const tlbi = compareTlbi(recorded.tlbi, changes.tlbi, pageShift);
  if (tlbi !== null) return { field: "tlbi", ...tlbi };
  const cmo = compareCmo(recorded.cmo, changes.cmo);
  return cmo === null ? null : { field: "cmo", ...cmo };
}

// `zeroed`: a mark is written into the page before, and looked for afterwards.

/** The page of a reclaim whose fate is recorded, filled with a mark: in a guest's hands, or shared by it with the host. */
function markReclaimed(machine: Machine, { operation }: GoldenOperation): bigint | null {
  let pa: bigint | null;
  switch (operation.op) {
    case "host_force_reclaim_page_guest":
      pa = operation.phys;
      break;
    case "host_reclaim_page_guest":
    case "reclaim_dying_guest_page":
      pa = guestPage(machine, operation.vm, operation.gfn);
      break;
    default:
      return null;
  }
  const state = pa === null ? null : machine.pageState(pa >> BigInt(machine.pageShift));
  if (pa === null || state === null) return null;
  const inGuestHands = (state.host === 3 && state.hyp === 3) || state.host === 2;
  if (!inGuestHands) return null;
  machine.writePage(pa, new Uint8Array(machine.pageSize).fill(MARK));
  return pa;
}

/** The page that a valid level-3 leaf of an existing VM maps at `gfn`. */
function guestPage(machine: Machine, vm: number, gfn: bigint): bigint | null {
  const ipa = BigInt.asUintN(64, gfn << BigInt(machine.pageShift));
  const leaf = machine.leaf(vm, ipa);
  if (leaf === null || leaf.level !== PAGE_LEVEL || !isValid(leaf.descriptor)) return null;
  return outputAddress(leaf.descriptor, machine.pageShift);
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}
