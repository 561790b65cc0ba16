// Everything that changes the machine of a trace, in order and packed: to run it again is to have the machine again.

import { REASON_HOST_MAPPED } from "../../assembly/abi/codes.js";
import { OPERATION_SIZE } from "../../assembly/abi/operations.js";
import { STATUS_PANICKED } from "../../assembly/abi/records.js";
import {
  TAPE_ENTRY_SIZE,
  TAPE_FIELD,
  TAPE_KIND,
  TAPE_LINE,
  TAPE_OPERATION,
  TAPE_REASON,
  TAPE_RECORDED,
  TAPE_RET,
  TAPE_STATUS,
} from "../../assembly/abi/tape.js";
import type { Machine } from "../machine/machine.js";
import type { Core } from "../machine/module.js";
import type { RecordedField, ReplayObserver } from "../trace/replay.js";
import { growingI32, growingU32, growingU8 } from "./growing.js";
import { OPERATION_AFTER_RESET, OPERATION_DIFFERS, OPERATION_PANICKED, OPERATION_REFUSED } from "./timeline.js";

/** Something besides records: a reset, or a page filled with one byte. It happens before the record of number `at`. */
type Event = { readonly at: number } & (
  { readonly kind: "reset" } | { readonly kind: "fill"; readonly pa: bigint; readonly byte: number }
);

/** Records of one chunk of memory. */
const CHUNK = 65536;
/** Differences kept in words; of more, nobody reads the last ones. */
const DIFFERENCES = 10_000;
/** Effects of one operation that fit without reaching into the machine's state: 25,600. */
const EFFECT_CHUNKS = 16;

export class Journal implements ReplayObserver {
  /** What each operation answered and where it stands, by number. */
  readonly line = growingU32();
  readonly ret = growingI32();
  readonly flags = growingU8();
  /** What the recording says of operations that differ, by number. */
  readonly differences = new Map<number, RecordedField>();
  /** The number by which the trace itself calls its first operation. */
  first = 0;
  readonly #onBegin: (machine: Machine) => void;
  readonly #chunks: Uint8Array<ArrayBuffer>[] = [];
  /** One behind the last record of each operation. */
  readonly #ends = growingU32();
  readonly #events: Event[] = [];
  #machine: Machine | null = null;
  #records = 0;
  #wasReset = false;

  /** `onBegin` gets the machine in the state in which the trace begins. */
  constructor(onBegin: (machine: Machine) => void) {
    this.#onBegin = onBegin;
  }

  /** Null: the trace has no machine to step through. */
  get machine(): Machine | null {
    return this.#machine;
  }

  get operations(): number {
    return this.#ends.length;
  }

  /** Number of the first record behind operation `operation`; of -1 the first of all. */
  end(operation: number): number {
    return operation < 0 ? 0 : this.#ends.at(operation);
  }

  /** One packed record; valid until the next one is added. */
  record(index: number): Uint8Array<ArrayBuffer> {
    const at = (index % CHUNK) * OPERATION_SIZE;
    return this.#chunk(index).subarray(at, at + OPERATION_SIZE);
  }

  // What the reader tells.

  open(core: Core): void {
    const { exports } = core;
    if (exports.reserveEffects(EFFECT_CHUNKS) === 0 || exports.reserveCards() === 0) {
      throw new Error("no memory for effects");
    }
  }

  begin(machine: Machine, first: number): void {
    this.#machine = machine;
    this.first = first;
    this.#onBegin(machine);
  }

  reset(): void {
    this.#events.push({ kind: "reset", at: this.#records });
    this.#wasReset = true;
  }

  filled(pa: bigint, byte: number): void {
    this.#events.push({ kind: "fill", at: this.#records, pa, byte });
  }

  ran(entries: DataView, recorded: (field: number, value: bigint) => RecordedField): void {
    for (let at = 0; at < entries.byteLength; at += TAPE_ENTRY_SIZE) {
      this.#addRecord(new Uint8Array(entries.buffer, entries.byteOffset + at, OPERATION_SIZE));
      if (entries.getUint8(at + TAPE_KIND) === TAPE_OPERATION) this.#endOperation(entries, at, recorded);
    }
  }

  #addRecord(record: Uint8Array): void {
    if (this.#records % CHUNK === 0) this.#chunks.push(new Uint8Array(CHUNK * OPERATION_SIZE));
    this.#chunk(this.#records).set(record, (this.#records % CHUNK) * OPERATION_SIZE);
    this.#records += 1;
  }

  #chunk(record: number): Uint8Array<ArrayBuffer> {
    const chunk = this.#chunks[Math.floor(record / CHUNK)];
    if (chunk === undefined) throw new RangeError(`the journal has no record ${record}`);
    return chunk;
  }

  #endOperation(view: DataView, at: number, recorded: (field: number, value: bigint) => RecordedField): void {
    const ret = view.getInt32(at + TAPE_RET, true);
    const field = view.getUint32(at + TAPE_FIELD, true);
    if (field !== 0 && this.differences.size < DIFFERENCES) {
      this.differences.set(this.operations, recorded(field, view.getBigUint64(at + TAPE_RECORDED, true)));
    }
    this.line.push(view.getUint32(at + TAPE_LINE, true));
    this.ret.push(ret);
    this.flags.push(
      outcomeFlag(view.getUint8(at + TAPE_STATUS), ret, view.getUint16(at + TAPE_REASON, true)) |
        (field === 0 ? 0 : OPERATION_DIFFERS) |
        (this.#wasReset ? OPERATION_AFTER_RESET : 0),
    );
    this.#wasReset = false;
    this.#ends.push(this.#records);
  }

  // Running it again.

  /** Calls `run` for each stretch of records from number `from` up to `to` (exclusive), and does in between what is no record. */
  replay(machine: Machine, from: number, to: number, run: (records: Uint8Array, count: number) => void): void {
    let at = from;
    for (let next = this.#firstEvent(from); at < to; next++) {
      const event = this.#events[next];
      const stop = Math.min(event?.at ?? to, to);
      at = this.#runRecords(at, stop, run);
      if (event !== undefined && event.at < to) perform(event, machine);
    }
  }

  #runRecords(from: number, to: number, run: (records: Uint8Array, count: number) => void): number {
    for (let at = from; at < to;) {
      const count = Math.min(CHUNK - (at % CHUNK), to - at);
      run(this.#chunk(at).subarray((at % CHUNK) * OPERATION_SIZE), count);
      at += count;
    }
    return Math.max(from, to);
  }

  /** The first event at or behind a record. */
  #firstEvent(record: number): number {
    let low = 0;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#events[middle]?.at ?? 0) < record) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function perform(event: Event, machine: Machine): void {
  if (event.kind === "reset") machine.reset();
  else machine.writePage(event.pa, new Uint8Array(machine.pageSize).fill(event.byte));
}

function outcomeFlag(status: number, ret: number, reason: number): number {
  if (status === STATUS_PANICKED) return OPERATION_PANICKED;
  // That a page is mapped already is how a host fault may end well.
  return ret < 0 && reason !== REASON_HOST_MAPPED ? OPERATION_REFUSED : 0;
}
