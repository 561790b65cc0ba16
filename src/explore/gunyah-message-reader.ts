// Messages to Gunyah's resource manager, read as reference gunyah section 6.1 lays them out: for the specification, which answers
// them without the machine's own reader.

import * as rm from "../../assembly/abi/gunyah-rm.js";
import type { AclEntry, AttributeEntry, SglEntry } from "../machine/gunyah-messages.js";
import type { Step } from "./domain.js";

/** What a VM sent. */
export interface Message {
  readonly caller: number;
  readonly id: number;
  readonly bytes: DataView;
}

/** The message that these calls are the pieces and the sending of; null if they are none. */
export function messageOf(calls: readonly Step[]): Message | null {
  const last = calls.at(-1);
  if (last?.op !== "rm_send") return null;
  const bytes: number[] = [];
  for (const piece of calls.slice(0, -1)) {
    if (piece.op !== "rm_message" || piece.vm !== last.vm) return null;
    const words = new BigUint64Array([piece.word0, piece.word1, piece.word2, piece.word3]);
    bytes.push(...new Uint8Array(words.buffer, 0, piece.bytes));
  }
  return { caller: last.vm, id: Number(last.message), bytes: new DataView(Uint8Array.from(bytes).buffer) };
}

/** Why a message cannot be read. */
class Unreadable extends Error {
  readonly answer: number;

  constructor(answer: number) {
    super(`RM error ${answer}`);
    this.answer = answer;
  }
}

/** What `read` makes of the message, or the resource manager's error if its lists are not what they say (checks 1 and 2). */
export function reading<T>(bytes: DataView, fixed: number, lists: number, read: (lists: Lists) => T): T | number {
  try {
    const reader = new Lists(bytes, fixed, lists);
    const value = read(reader);
    reader.end();
    return value;
  } catch (error) {
    if (error instanceof Unreadable) return error.answer;
    throw error;
  }
}

/** The lists behind the fixed part, one after the other. */
export class Lists {
  readonly #bytes: DataView;
  #at: number;
  #left: number;
  /** The half-word beside the count of the last list. */
  reserved = 0;

  constructor(bytes: DataView, fixed: number, lists: number) {
    if (bytes.byteLength < fixed + lists * rm.LIST_HEADER) throw new Unreadable(rm.RM_MSG_INVALID);
    this.#bytes = bytes;
    this.#at = fixed;
    this.#left = lists;
  }

  acl(): AclEntry[] {
    return this.#list(rm.ACL_ENTRY, (at) => ({
      vmid: this.#bytes.getUint16(at, true),
      rights: this.#bytes.getUint8(at + 2),
    }));
  }

  sgl(): SglEntry[] {
    return this.#list(rm.SGL_ENTRY, (at) => ({
      ipa: this.#bytes.getBigUint64(at, true),
      size: this.#bytes.getBigUint64(at + 8, true),
    }));
  }

  attributes(): AttributeEntry[] {
    return this.#list(rm.ATTRIBUTE_ENTRY, (at) => ({
      attr: this.#bytes.getUint16(at, true),
      vmid: this.#bytes.getUint16(at + 2, true),
    }));
  }

  vmids(): number[] {
    return this.#list(rm.VMID_ENTRY, (at) => this.#bytes.getUint16(at, true));
  }

  end(): void {
    if (this.#at !== this.#bytes.byteLength) throw new Unreadable(rm.RM_MSG_INVALID);
  }

  #list<T>(entryBytes: number, entry: (at: number) => T): T[] {
    const count = this.#bytes.getUint16(this.#at, true);
    if (count > rm.LIST_ENTRIES) throw new Unreadable(rm.RM_NORESOURCE);
    this.reserved = this.#bytes.getUint16(this.#at + 2, true);
    const first = this.#at + rm.LIST_HEADER;
    this.#at = first + count * entryBytes;
    this.#left--;
    if (this.#at + this.#left * rm.LIST_HEADER > this.#bytes.byteLength) throw new Unreadable(rm.RM_MSG_INVALID);
    return Array.from({ length: count }, (_, index) => entry(first + index * entryBytes));
  }
}
