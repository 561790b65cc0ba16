// What FF-A partition managers hold: modes in their endpoints' tables, physical address spaces, buffers, transaction records.

import * as abi from "../../assembly/abi/ffa.js";
import type { FfaManagersConfig } from "./ffa-config.js";
import { CONSTITUENT_BYTES, decodeConstituents, type Constituent } from "./ffa-descriptor.js";
import { sendVerb, type FfaManager, type FfaVerb } from "./ffa-effects.js";
import type { Machine } from "./machine.js";
import { managersOf } from "./secure-world.js";

/** One receiver of a transaction. */
export interface FfaReceiver {
  readonly id: number;
  /** As they were sent: data access in bits 1:0, instruction access in bits 3:2. */
  readonly permissions: number;
  /** Fragments that it has retrieved; 0: it does not hold the pages. */
  readonly retrieved: number;
}

/** What a manager remembers of a send. */
export interface FfaRecord {
  readonly manager: FfaManager;
  readonly slot: number;
  readonly handle: bigint;
  readonly verb: FfaVerb;
  readonly sender: number;
  /** Fully sent: pages have changed hands. */
  readonly complete: boolean;
  readonly protected: boolean;
  /** The owner died; reclaim waits for the borrowers. */
  readonly pending: boolean;
  /** Received so far. */
  readonly fragments: number;
  readonly constituents: number;
  /** Fragments delivered to a hypervisor retrieve that is under way. */
  readonly byHypervisor: number;
  /** The sender's mode before the send; null until complete. */
  readonly originalMode: number | null;
  readonly receivers: readonly FfaReceiver[];
  /** As they were sent. */
  readonly flags: number;
  readonly attributes: number;
}

export const MANAGERS: readonly FfaManager[] = ["hyp", "spmc"];

/** The managers of one machine. Everything is read when it is asked for. */
export class FfaState {
  readonly config: FfaManagersConfig;
  readonly #machine: Machine;

  /** @throws RangeError if the machine has no partition managers */
  constructor(machine: Machine) {
    const managers = managersOf(machine.config);
    if (managers === null) throw new RangeError("the machine has no FF-A partition managers");
    this.#machine = machine;
    this.config = managers;
  }

  /** A page's mode in one table: 0 `main` or `s`, 1 `ns`. MODE_ABSENT where there is none. */
  mode(id: number, table: number, pa: bigint): number {
    return this.#machine.core.exports.ffaMode(id, table, pa);
  }

  /** The mode that a manager finds: a non-secure table is asked only where the page is absent from the first. */
  lookUp(id: number, pa: bigint): number {
    const mode = this.mode(id, 0, pa);
    return mode === abi.MODE_ABSENT ? this.mode(id, 1, pa) : mode;
  }

  /** Whether a page is in the secure physical address space. */
  isSecure(pa: bigint): boolean {
    return this.#machine.core.exports.ffaIsSecure(pa) !== 0;
  }

  /** Whether an endpoint's RX holds a message that it has not released. */
  isRxFull(id: number): boolean {
    return this.#machine.core.exports.ffaIsRxFull(id) !== 0;
  }

  /** The first bytes of an endpoint's RX; none if it has registered no buffer. */
  readRx(id: number, bytes: number): Uint8Array {
    const { exports, memory } = this.#machine.core;
    const start = exports.ffaRxAddress(id);
    const message = new Uint8Array(start === 0n ? 0 : bytes);
    for (let at = 0; at < message.length; at += this.#machine.pageSize) {
      const frame = exports.framePointer(start + BigInt(at)) >>> 0;
      const end = frame + Math.min(this.#machine.pageSize, message.length - at);
      if (frame !== 0) message.set(new Uint8Array(memory.buffer).subarray(frame, end), at);
    }
    return message;
  }

  /** The record in a slot; null if the slot is free. */
  record(manager: FfaManager, slot: number): FfaRecord | null {
    const { exports, memory } = this.#machine.core;
    const at = exports.ffaRecord(MANAGERS.indexOf(manager), slot) >>> 0;
    return at === 0 ? null : decodeRecord(new DataView(memory.buffer, at, abi.FFA_RECORD_SIZE), manager, slot);
  }

  /** All records that there are, by manager and slot. */
  records(): FfaRecord[] {
    const records: FfaRecord[] = [];
    for (const manager of MANAGERS) {
      for (let slot = 0; slot < this.config.limits.transactions; slot++) {
        const record = this.record(manager, slot);
        if (record !== null) records.push(record);
      }
    }
    return records;
  }

  /** The constituents that a manager has received for a transaction, in order. */
  constituents({ manager, slot, fragments }: FfaRecord): Constituent[] {
    const { exports, memory } = this.#machine.core;
    const which = MANAGERS.indexOf(manager);
    return Array.from({ length: fragments }, (_, fragment) => {
      const at = exports.ffaConstituents(which, slot, fragment) >>> 0;
      const bytes = exports.ffaConstituentCount(which, slot, fragment) * CONSTITUENT_BYTES;
      return decodeConstituents(new Uint8Array(memory.buffer, at, bytes));
    }).flat();
  }
}

function decodeRecord(view: DataView, manager: FfaManager, slot: number): FfaRecord {
  const word = (at: number) => view.getUint32(at, true);
  const originalMode = view.getInt32(32, true);
  const receivers = Array.from({ length: word(36) }, (_, index) => ({
    id: view.getUint16(abi.FFA_RECORD_RECEIVERS + 4 * index, true),
    permissions: view.getUint16(abi.FFA_RECORD_RECEIVERS + 4 * index + 2, true),
    retrieved: word(abi.FFA_RECORD_HEADER + 4 * index),
  }));
  return {
    manager,
    slot,
    handle: view.getBigUint64(0, true),
    verb: sendVerb(word(8)) ?? "share",
    sender: word(12),
    complete: view.getUint8(17) !== 0,
    protected: view.getUint8(18) !== 0,
    pending: view.getUint8(19) !== 0,
    fragments: word(20),
    constituents: word(24),
    byHypervisor: word(28),
    originalMode: originalMode === abi.FFA_NO_MODE ? null : originalMode,
    receivers,
    flags: word(abi.FFA_RECORD_FLAGS),
    attributes: word(abi.FFA_RECORD_ATTRIBUTES),
  };
}
