// The tape in Wasm (assembly/text/tape.ts): what a text reader has run, handed to an observer piece by piece.

import { OPERATION_SIZE } from "../../assembly/abi/operations.js";
import { RESULT_REASON, RESULT_RET, RESULT_SIZE, RESULT_STATUS } from "../../assembly/abi/records.js";
import {
  TAPE_ENTRY_SIZE,
  TAPE_FIELD,
  TAPE_KIND,
  TAPE_LINE,
  TAPE_OPERATION,
  TAPE_REASON,
  TAPE_RET,
  TAPE_STATUS,
} from "../../assembly/abi/tape.js";
import type { Core } from "../machine/module.js";
import type { RecordedField, ReplayObserver } from "./replay.js";

/** What assembly/text/tape.ts exports. */
interface TapeExports {
  tapeOpen(): number;
  tapeEntries(): number;
  tapeClear(): void;
}

/** Starts taping for an observer, if there is one. */
export function openTape(core: Core, observer: ReplayObserver | undefined): Tape | null {
  return observer === undefined ? null : new Tape(core, observer);
}

export class Tape {
  readonly #core: Core;
  readonly #exports: TapeExports;
  readonly #observer: ReplayObserver;
  readonly #address: number;

  /**
   * Reserves the tape's memory. No machine may exist yet on this core.
   *
   * @throws Error if the memory cannot be had
   */
  constructor(core: Core, observer: ReplayObserver) {
    this.#core = core;
    this.#exports = core.exports as unknown as TapeExports;
    this.#observer = observer;
    observer.open(core);
    this.#address = this.#exports.tapeOpen() >>> 0;
    if (this.#address === 0) throw new Error("no memory for the tape");
  }

  /** Hands what is on the tape to the observer. */
  drain(recorded: (field: number, value: bigint) => RecordedField): void {
    const count = this.#exports.tapeEntries();
    if (count === 0) return;
    this.#observer.ran(new DataView(this.#core.memory.buffer, this.#address, count * TAPE_ENTRY_SIZE), recorded);
    this.#exports.tapeClear();
  }
}

/** Packed records that a reader has run itself: the last is the operation of the line, those before it prepare it. */
export interface RanRecords {
  readonly records: Uint8Array;
  readonly results: Uint8Array;
  readonly count: number;
  readonly line: number;
}

/** Tells an observer, if there is one, of records that ran outside of the tape. */
export function tellObserver(
  observer: ReplayObserver | undefined,
  { records, results, count, line }: RanRecords,
  difference: RecordedField | null,
): void {
  if (observer === undefined) return;
  const entries = new Uint8Array(count * TAPE_ENTRY_SIZE);
  for (let i = 0; i < count; i++) {
    entries.set(records.subarray(i * OPERATION_SIZE, (i + 1) * OPERATION_SIZE), i * TAPE_ENTRY_SIZE);
  }
  const view = new DataView(entries.buffer);
  const last = (count - 1) * TAPE_ENTRY_SIZE;
  const result = new DataView(results.buffer, results.byteOffset + (count - 1) * RESULT_SIZE, RESULT_SIZE);
  view.setUint32(last + TAPE_LINE, line, true);
  view.setInt32(last + TAPE_RET, result.getInt32(RESULT_RET, true), true);
  view.setUint16(last + TAPE_REASON, result.getUint16(RESULT_REASON, true), true);
  view.setUint8(last + TAPE_STATUS, result.getUint16(RESULT_STATUS, true));
  view.setUint8(last + TAPE_KIND, TAPE_OPERATION);
  view.setUint32(last + TAPE_FIELD, difference === null ? 0 : 1, true);
  observer.ran(view, () => difference ?? { field: "", expected: "" });
}
