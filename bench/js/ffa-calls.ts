// The plain-JavaScript twin of bench/c/ffa-calls.h: FFA_MEM_SHARE, RETRIEVE_REQ, RELINQUISH, RECLAIM, FRAG_RX, FRAG_TX and
// RX_RELEASE of a hypervisor alone, for endpoints of version 1.2 that share (reference ffa, sections 2 and 5 to 9).

import { BUFFER_BYTES, IA_BITS, MAX_FRAGMENTS, MAX_RECEIVERS, TRANSACTIONS } from "../ffa-definitions.js";
import {
  PTE_DEVICE,
  PTE_EXCLUSIVE,
  PTE_MEMATTR,
  PTE_NON_SECURE,
  PTE_OWNED,
  PTE_PAGE,
  PTE_S2AP_R,
  PTE_S2AP_W,
  PTE_VALID,
  PTE_XN,
  Tables,
} from "./ffa-tables.js";
import { panic } from "./machine.js";

const INVALID_PARAMETERS = -2;
const NO_MEMORY = -3;
const BUSY = -4;
const DENIED = -6;
const DATA_RO = 1;
const DATA_RW = 2;
const RESERVED = 3;
const TYPE_UNSPECIFIED = 0;
const TYPE_DEVICE = 1;
const TYPE_NORMAL = 2;
const FLAG_CLEAR = 1;
const FLAG_TIME_SLICE = 2;
const FLAG_TYPE = 3 << 3;
const FLAG_BYPASS = 1 << 10;
const TYPE_SHARE = 1 << 3;
const SECURITY = 3 << 6;
/** High word of a handle that the hypervisor allocated. */
const HYPERVISOR = 0x80000000;
const HEADER = 48;
const ACCESS = 32;
const COMPOSITE = 16;
const CONSTITUENT = 16;
const PROLOGUE = HEADER + ACCESS + COMPOSITE;

/** RX or TX, and how much of it may not be zero. */
export class MessageBuffer {
  readonly bytes = new Uint8Array(BUFFER_BYTES);
  #used = 0;

  /** Behind what is written a buffer is zero. */
  fill(message: Uint8Array, length: number): void {
    if (length === message.length) this.bytes.set(message);
    else this.bytes.set(message.subarray(0, length));
    if (this.#used > length) this.bytes.fill(0, length, this.#used);
    this.#used = length;
  }
}

export interface Endpoint {
  readonly id: number;
  readonly root: number;
  readonly tx: MessageBuffer;
  readonly rx: MessageBuffer;
  rxFull: boolean;
}

interface Receiver {
  readonly id: number;
  readonly permissions: number;
  readonly flags: number;
  /** Four words. */
  readonly impdef: readonly number[];
  retrieved: number;
}

export interface Transaction {
  readonly slot: number;
  readonly tagLow: number;
  readonly tagHigh: number;
  readonly sender: number;
  readonly attributes: number;
  readonly flags: number;
  readonly accessSize: number;
  readonly total: number;
  readonly receivers: readonly Receiver[];
  readonly pageCount: number;
  readonly constituentCount: number;
  /** Four words for each constituent: address, page count, reserved. */
  readonly fragments: Uint32Array[];
  constituents: number;
  complete: boolean;
  /** The sender's mode before the send. */
  originalLow: number;
  originalHigh: number;
}

const dataAccess = (permissions: number) => permissions & 3;
const instructionAccess = (permissions: number) => (permissions >> 2) & 3;
const memoryType = (attributes: number) => (attributes >> 4) & 3;

function areAttributesAllowed(attributes: number): boolean {
  const kind = (attributes >> 2) & 3;
  const type = memoryType(attributes);
  if (type === TYPE_NORMAL && kind !== 3) return false;
  if (type === TYPE_DEVICE && kind !== 0) return false;
  return type !== RESERVED && (attributes & 3) === 3;
}

function accessBits(data: number): number {
  if (data === DATA_RO) return PTE_S2AP_R;
  return data === DATA_RW ? PTE_S2AP_R | PTE_S2AP_W : 0;
}

/** The grant rule for data (section 4); RESERVED: denied. */
function grant(sent: number, asked: number): number {
  if (asked === RESERVED) return RESERVED;
  if (sent === DATA_RO) return asked === DATA_RW ? RESERVED : DATA_RO;
  return asked === 0 ? DATA_RW : asked;
}

const framesOf = (list: Uint32Array, at: number) => list[at + 1]! * 0x100000 + (list[at]! >>> 12);

export class Manager {
  readonly tables = new Tables();
  readonly endpoints: Endpoint[] = [];
  readonly transactions: (Transaction | null)[] = Array.from({ length: TRANSACTIONS }, () => null);
  /** What a call answers besides its result. */
  replyHandle = 0;
  replyOffset = 0;
  replyLength = 0;
  /** Copied from TX: read once, so that nobody changes it behind the checks. */
  readonly #message = new Uint8Array(BUFFER_BYTES);
  readonly #words = new Uint32Array(this.#message.buffer);
  readonly #halves = new Uint16Array(this.#message.buffer);
  #granted = 0;

  addEndpoint(id: number): Endpoint {
    const endpoint = { id, root: this.tables.take(), tx: new MessageBuffer(), rx: new MessageBuffer(), rxFull: false };
    this.endpoints.push(endpoint);
    return endpoint;
  }

  #transactionNamed(low: number, high: number): Transaction | null {
    return high === HYPERVISOR && low < TRANSACTIONS ? this.transactions[low]! : null;
  }

  #receiverNamed({ receivers }: Transaction, id: number): Receiver | null {
    for (let i = 0; i < receivers.length; i++) if (receivers[i]!.id === id) return receivers[i]!;
    return null;
  }

  #copyMessage(from: MessageBuffer, length: number): void {
    this.#message.set(length === BUFFER_BYTES ? from.bytes : from.bytes.subarray(0, length));
  }

  // The header and access descriptors of the message (reference 2.1, 2.2).

  get #sender(): number {
    return this.#halves[0]!;
  }

  get #attributes(): number {
    return this.#halves[1]!;
  }

  get #flags(): number {
    return this.#words[1]!;
  }

  get #accessSize(): number {
    return this.#words[6]!;
  }

  get #receiverCount(): number {
    return this.#words[7]!;
  }

  get #receiversOffset(): number {
    return this.#words[8]!;
  }

  /** Byte offset of an access descriptor. */
  #access(index: number): number {
    return this.#receiversOffset + index * this.#accessSize;
  }

  #word(at: number): number {
    const message = this.#message;
    return (message[at]! | (message[at + 1]! << 8) | (message[at + 2]! << 16) | (message[at + 3]! << 24)) >>> 0;
  }

  #receiver(at: number): number {
    return this.#message[at]! | (this.#message[at + 1]! << 8);
  }

  /** 5.2: the descriptors lie inside the message, and what must be zero is. */
  #checkMessage(length: number, isSend: boolean): number {
    const words = this.#words;
    if ((words[9]! | words[10]! | words[11]!) !== 0) return INVALID_PARAMETERS;
    const size = this.#accessSize;
    const count = this.#receiverCount;
    if ((size !== 16 && size !== 32) || this.#receiversOffset < HEADER) return INVALID_PARAMETERS;
    if (count === 0 || count > MAX_RECEIVERS) return INVALID_PARAMETERS;
    const end = this.#receiversOffset + count * size;
    if (end > length) return INVALID_PARAMETERS;
    const composite = this.#word(this.#access(0) + 4);
    for (let i = 0; i < count; i++) {
      const at = this.#access(i);
      if ((this.#word(at + size - 8) | this.#word(at + size - 4)) !== 0) return INVALID_PARAMETERS;
      if (this.#word(at + 4) !== composite) return INVALID_PARAMETERS;
    }
    if (!isSend) return composite === 0 ? 0 : INVALID_PARAMETERS;
    return composite >= end && composite + COMPOSITE <= length ? 0 : INVALID_PARAMETERS;
  }

  /** 5.1, rows 9 to 11. */
  #checkShare(caller: number): number {
    if ((this.#flags & FLAG_CLEAR) !== 0) return INVALID_PARAMETERS;
    if ((this.#flags & ~(FLAG_CLEAR | FLAG_TIME_SLICE)) !== 0) return INVALID_PARAMETERS;
    for (let i = 0; i < this.#receiverCount; i++) {
      const receiver = this.#receiver(this.#access(i));
      if (receiver === caller || !this.endpoints.some(({ id }) => id === receiver)) return INVALID_PARAMETERS;
    }
    return 0;
  }

  /** 5.3. */
  #validateShare(caller: number, total: number, fragment: number): number {
    const end = this.#access(this.#receiverCount);
    const composite = this.#word(this.#access(0) + 4);
    if (fragment < HEADER + this.#accessSize + COMPOSITE) return INVALID_PARAMETERS;
    if ((fragment | total) % 16 !== 0 || fragment > total) return INVALID_PARAMETERS;
    if (this.#sender !== caller) return DENIED;
    if (total < end + COMPOSITE + CONSTITUENT) return INVALID_PARAMETERS;
    if (composite < end || composite % 16 !== 0 || composite + COMPOSITE > fragment) return INVALID_PARAMETERS;
    if (this.#word(composite + 4) !== (total - composite - COMPOSITE) / CONSTITUENT) return INVALID_PARAMETERS;
    if (this.#flags !== 0) return INVALID_PARAMETERS;
    const list = this.#validateAccess();
    if (list !== 0) return list;
    if ((this.#attributes & SECURITY) !== 0) return INVALID_PARAMETERS;
    return areAttributesAllowed(this.#attributes) ? 0 : DENIED;
  }

  #validateAccess(): number {
    for (let i = 0; i < this.#receiverCount; i++) {
      const at = this.#access(i);
      const receiver = this.#receiver(at);
      if (receiver === this.#sender) return INVALID_PARAMETERS;
      for (let later = i + 1; later < this.#receiverCount; later++) {
        if (this.#receiver(this.#access(later)) === receiver) return INVALID_PARAMETERS;
      }
      const permissions = this.#message[at + 2]!;
      const data = dataAccess(permissions);
      if (instructionAccess(permissions) !== 0 || data === RESERVED || data === 0) return INVALID_PARAMETERS;
    }
    return 0;
  }

  // Transactions (reference 2.7).

  #addFragment(transaction: Transaction, at: number, count: number): boolean {
    if (transaction.fragments.length === MAX_FRAGMENTS) return false;
    transaction.fragments.push(this.#words.slice(at / 4, (at + count * CONSTITUENT) / 4));
    transaction.constituents += count;
    return true;
  }

  #openTransaction(total: number, fragment: number): Transaction | null {
    const slot = this.transactions.indexOf(null);
    if (slot < 0) return null;
    const words = this.#words;
    const composite = this.#word(this.#access(0) + 4);
    const transaction: Transaction = {
      slot,
      tagLow: words[4]!,
      tagHigh: words[5]!,
      sender: this.#sender,
      attributes: this.#attributes,
      flags: this.#flags,
      accessSize: this.#accessSize,
      total,
      receivers: Array.from({ length: this.#receiverCount }, (_, i) => this.#keepReceiver(this.#access(i))),
      pageCount: this.#word(composite),
      constituentCount: this.#word(composite + 4),
      fragments: [],
      constituents: 0,
      complete: false,
      originalLow: 0,
      originalHigh: 0,
    };
    this.transactions[slot] = transaction;
    this.#addFragment(transaction, composite + COMPOSITE, (fragment - composite - COMPOSITE) / CONSTITUENT);
    return transaction;
  }

  #keepReceiver(at: number): Receiver {
    const impdef = [8, 12, 16, 20].map((offset) => this.#word(at + offset));
    const permissions = this.#message[at + 2]!;
    return { id: this.#receiver(at), permissions, flags: this.#message[at + 3]!, impdef, retrieved: 0 };
  }

  #overlaps(transaction: Transaction): boolean {
    let last = 0;
    for (const list of transaction.fragments) {
      for (let at = 0; at < list.length; at += 4) {
        const start = framesOf(list, at);
        if (start < last || list[at + 2] === 0) return overlapsPairwise(transaction);
        last = start + list[at + 2]!;
      }
    }
    return false;
  }

  /** 5.4, rows 23 to 25. */
  #checkConstituents(transaction: Transaction): number {
    if (this.#overlaps(transaction)) return INVALID_PARAMETERS;
    let sum = 0;
    for (const list of transaction.fragments) for (let at = 0; at < list.length; at += 4) sum += list[at + 2]!;
    return sum === transaction.pageCount && transaction.fragments[0]!.length > 0 ? 0 : INVALID_PARAMETERS;
  }

  /** Rows 26 and 27: the mode is left in the tables' `modeLow` and `modeHigh`. */
  #commonMode(transaction: Transaction, { root }: Endpoint): number {
    const { tables } = this;
    let isFirst = true;
    for (const list of transaction.fragments) {
      for (let at = 0; at < list.length; at += 4) {
        const start = framesOf(list, at);
        const end = start + list[at + 2]!;
        if ((list[at]! & 0xfff) !== 0) return INVALID_PARAMETERS;
        if (end === start || end > 2 ** (IA_BITS - 12)) return DENIED;
        if (isFirst) tables.readMode(root, start);
        isFirst = false;
        if (!tables.haveMode(root, start, end, tables.modeLow, tables.modeHigh)) return DENIED;
      }
    }
    return 0;
  }

  #commit(transaction: Transaction, { root }: Endpoint, low: number, high: number): void {
    for (const list of transaction.fragments) {
      for (let at = 0; at < list.length; at += 4) {
        const start = framesOf(list, at);
        this.tables.setMode(root, start, start + list[at + 2]!, low, high);
      }
    }
  }

  /** Rows 22 to 36; sharing takes the exclusive bit. */
  #completeShare(transaction: Transaction, owner: Endpoint): number {
    const { tables } = this;
    let ret = this.#checkConstituents(transaction);
    if (ret === 0) ret = this.#commonMode(transaction, owner);
    const { modeLow, modeHigh } = tables;
    if (ret === 0 && (modeLow & PTE_MEMATTR) === PTE_DEVICE) ret = DENIED;
    const isOwner = (modeLow & PTE_VALID) !== 0 && (modeHigh & PTE_OWNED) !== 0 && (modeHigh & PTE_EXCLUSIVE) !== 0;
    if (ret === 0 && !isOwner) ret = DENIED;
    for (const { permissions } of transaction.receivers) {
      if (ret === 0 && (accessBits(dataAccess(permissions)) & ~modeLow) !== 0) ret = DENIED;
    }
    if (ret !== 0) {
      this.transactions[transaction.slot] = null;
      return ret;
    }
    this.#commit(transaction, owner, modeLow, modeHigh & ~PTE_EXCLUSIVE);
    transaction.originalLow = modeLow;
    transaction.originalHigh = modeHigh;
    transaction.complete = true;
    return 0;
  }

  #endFragment(transaction: Transaction, owner: Endpoint): number {
    this.replyHandle = transaction.slot;
    const left = transaction.constituentCount - transaction.constituents;
    if (left === 0) return this.#completeShare(transaction, owner);
    this.replyOffset = transaction.total - left * CONSTITUENT;
    return 0;
  }

  memShare(caller: Endpoint, total: number, fragment: number, address: number, pages: number): number {
    if ((address | pages) !== 0 || fragment > total || fragment > BUFFER_BYTES) return INVALID_PARAMETERS;
    this.#copyMessage(caller.tx, fragment);
    let ret = this.#checkMessage(fragment, true);
    if (ret === 0) ret = this.#checkShare(caller.id);
    if (ret === 0) ret = this.#validateShare(caller.id, total, fragment);
    if (ret !== 0) return ret;
    const transaction = this.#openTransaction(total, fragment);
    return transaction === null ? NO_MEMORY : this.#endFragment(transaction, caller);
  }

  memFragTx(caller: Endpoint, low: number, high: number, fragment: number, sender: number): number {
    if (sender !== 0 || fragment > BUFFER_BYTES) return INVALID_PARAMETERS;
    if (fragment < CONSTITUENT || fragment % CONSTITUENT !== 0) return INVALID_PARAMETERS;
    this.#copyMessage(caller.tx, fragment);
    const transaction = this.#transactionNamed(low, high);
    if (transaction === null || transaction.sender !== caller.id || transaction.complete) return INVALID_PARAMETERS;
    if (transaction.constituents === transaction.constituentCount) return INVALID_PARAMETERS;
    if (!this.#addFragment(transaction, 0, fragment / CONSTITUENT)) {
      this.transactions[transaction.slot] = null;
      return NO_MEMORY;
    }
    return this.#endFragment(transaction, caller);
  }

  /** 7.2. */
  #validateRetrieve(transaction: Transaction, length: number, caller: number): number {
    const words = this.#words;
    if (length !== this.#access(this.#receiverCount)) return INVALID_PARAMETERS;
    if (this.#sender !== transaction.sender) return DENIED;
    const flags = this.#flags;
    const type = flags & FLAG_TYPE;
    if (type !== 0 && type !== TYPE_SHARE) return INVALID_PARAMETERS;
    if (words[4] !== transaction.tagLow || words[5] !== transaction.tagHigh) return INVALID_PARAMETERS;
    if (this.#receiverNamed(transaction, caller) === null) return INVALID_PARAMETERS;
    // A share takes no clear flags.
    if ((flags & ~(FLAG_TIME_SLICE | FLAG_TYPE | FLAG_BYPASS)) !== 0) return INVALID_PARAMETERS;
    const attributes = this.#attributes;
    if ((attributes & SECURITY) !== 0) return INVALID_PARAMETERS;
    return memoryType(attributes) === TYPE_UNSPECIFIED || areAttributesAllowed(attributes) ? 0 : DENIED;
  }

  /** 7.3: leaves what the caller is granted. */
  #validateList(transaction: Transaction, caller: number): number {
    const isBypass = (this.#flags & FLAG_BYPASS) !== 0;
    const count = this.#receiverCount;
    const { length } = transaction.receivers;
    if (isBypass ? count !== 1 || length <= 1 : count !== length) return INVALID_PARAMETERS;
    let isListed = false;
    for (let i = 0; i < count; i++) {
      const at = this.#access(i);
      const id = this.#receiver(at);
      if (isBypass && id !== caller) continue;
      if (this.#word(at + 4) !== 0) return INVALID_PARAMETERS;
      const sent = this.#receiverNamed(transaction, id);
      if (sent === null) return DENIED;
      const permissions = this.#message[at + 2]!;
      const data = grant(dataAccess(sent.permissions), dataAccess(permissions));
      if (data === RESERVED) return DENIED;
      if (instructionAccess(permissions) !== 0) return INVALID_PARAMETERS;
      if (!this.#isImpdefEqual(transaction, sent, at)) return INVALID_PARAMETERS;
      if (id !== caller) continue;
      isListed = true;
      this.#granted = data;
    }
    return isListed ? 0 : INVALID_PARAMETERS;
  }

  #isImpdefEqual({ accessSize }: Transaction, { impdef }: Receiver, at: number): boolean {
    if (accessSize !== ACCESS || this.#accessSize !== ACCESS) return true;
    for (let i = 0; i < 4; i++) if (this.#word(at + 8 + 4 * i) !== impdef[i]) return false;
    return true;
  }

  memRetrieveReq(caller: Endpoint, total: number, fragment: number, address: number, pages: number): number {
    if ((address | pages) !== 0 || fragment !== total || fragment > BUFFER_BYTES) return INVALID_PARAMETERS;
    this.#copyMessage(caller.tx, fragment);
    if (caller.rxFull) return BUSY;
    let ret = this.#checkMessage(fragment, false);
    if (ret !== 0) return ret;
    const transaction = this.#transactionNamed(this.#words[2]!, this.#words[3]!);
    if (transaction === null || !transaction.complete) return INVALID_PARAMETERS;
    ret = this.#validateRetrieve(transaction, fragment, caller.id);
    if (ret === 0) ret = this.#validateList(transaction, caller.id);
    const { originalLow, originalHigh } = transaction;
    const wasDevice = (originalLow & PTE_MEMATTR) === PTE_DEVICE || memoryType(transaction.attributes) === TYPE_DEVICE;
    if (ret === 0 && memoryType(this.#attributes) === TYPE_NORMAL && wasDevice) ret = DENIED;
    if (ret === 0) ret = this.#commonMode(transaction, caller);
    if (ret === 0 && (this.tables.modeLow | this.tables.modeHigh) !== 0) ret = DENIED;
    if (ret !== 0) return ret;
    const low = PTE_PAGE | PTE_VALID | (originalLow & PTE_MEMATTR) | accessBits(this.#granted);
    this.#commit(transaction, caller, low, PTE_XN | (originalHigh & PTE_NON_SECURE));
    this.#writeResponse(transaction, caller);
    return 0;
  }

  /** 7.5. */
  #writeResponse(transaction: Transaction, caller: Endpoint): void {
    const receiver = this.#receiverNamed(transaction, caller.id)!;
    const words = this.#words;
    words.fill(0, 0, PROLOGUE / 4);
    const security = (transaction.originalHigh & PTE_NON_SECURE) !== 0 ? 1 << 6 : 0;
    words[0] = transaction.sender | ((transaction.attributes | security) << 16);
    words[1] = (transaction.flags & FLAG_CLEAR) | TYPE_SHARE;
    words[2] = transaction.slot;
    words[3] = HYPERVISOR;
    words[6] = ACCESS;
    words[7] = 1;
    words[8] = HEADER;
    const permissions = this.#granted | (1 << 2); // not executable
    words[12] = caller.id | (permissions << 16) | (receiver.flags << 24);
    words[13] = HEADER + ACCESS;
    for (let i = 0; i < 4; i++) words[14 + i] = receiver.impdef[i]!;
    words[20] = transaction.pageCount;
    words[21] = transaction.constituentCount;
    let length = PROLOGUE;
    receiver.retrieved = 0;
    for (const list of transaction.fragments) {
      if (length + list.length * 4 > BUFFER_BYTES) break;
      words.set(list, length / 4);
      length += list.length * 4;
      receiver.retrieved++;
    }
    this.#answerInRx(caller, length);
  }

  #answerInRx(caller: Endpoint, length: number): void {
    caller.rx.fill(this.#message, length);
    caller.rxFull = true;
    this.replyLength = length;
  }

  memFragRx(caller: Endpoint, low: number, high: number, offset: number, sender: number): number {
    if (sender !== 0) return INVALID_PARAMETERS;
    if (caller.rxFull) return BUSY;
    const transaction = this.#transactionNamed(low, high);
    if (transaction === null || !transaction.complete) return INVALID_PARAMETERS;
    const receiver = this.#receiverNamed(transaction, caller.id);
    if (receiver === null || receiver.retrieved === 0) return INVALID_PARAMETERS;
    const { fragments } = transaction;
    if (receiver.retrieved === fragments.length) return INVALID_PARAMETERS;
    let expected = PROLOGUE;
    for (let i = 0; i < receiver.retrieved; i++) expected += fragments[i]!.length * 4;
    if (offset !== expected) return INVALID_PARAMETERS;
    const list = fragments[receiver.retrieved++]!;
    this.#words.set(list);
    this.#answerInRx(caller, list.length * 4);
    this.replyHandle = low;
    return 0;
  }

  rxRelease(caller: Endpoint): number {
    caller.rxFull = false;
    return 0;
  }

  /** Section 8. */
  memRelinquish(caller: Endpoint): number {
    this.#copyMessage(caller.tx, 24);
    const words = this.#words;
    if (words[3] !== 1 || this.#halves[8] !== caller.id) return INVALID_PARAMETERS;
    const transaction = this.#transactionNamed(words[0]!, words[1]!);
    if (transaction === null || !transaction.complete) return INVALID_PARAMETERS;
    const receiver = this.#receiverNamed(transaction, caller.id);
    if (receiver === null || receiver.retrieved !== transaction.fragments.length) return INVALID_PARAMETERS;
    const isHeld = transaction.receivers.some((other) => other !== receiver && other.retrieved !== 0);
    if ((words[2]! & FLAG_CLEAR) !== 0 && !isHeld) return INVALID_PARAMETERS;
    const ret = this.#commonMode(transaction, caller);
    if (ret !== 0) return ret;
    const { modeLow, modeHigh } = this.tables;
    if ((modeLow & PTE_VALID) === 0 || (modeHigh & PTE_OWNED) !== 0) return DENIED;
    this.#commit(transaction, caller, 0, 0);
    receiver.retrieved = 0;
    return 0;
  }

  /** Section 9. */
  memReclaim(caller: Endpoint, low: number, high: number, flags: number): number {
    const transaction = this.#transactionNamed(low, high);
    if (transaction === null || !transaction.complete || transaction.sender !== caller.id) return INVALID_PARAMETERS;
    for (const { retrieved } of transaction.receivers) if (retrieved !== 0) return DENIED;
    const clears = (flags & FLAG_CLEAR) !== 0;
    if (clears && (transaction.originalLow & PTE_S2AP_W) === 0) return DENIED;
    if (clears) panic("the twin has no contents to wipe");
    const ret = this.#commonMode(transaction, caller);
    if (ret !== 0) return ret;
    this.#commit(transaction, caller, transaction.originalLow, transaction.originalHigh);
    this.transactions[low] = null;
    return 0;
  }
}

/** Each constituent against all later ones; those of one fragment end at an entry without pages. */
function overlapsPairwise({ fragments }: Transaction): boolean {
  for (let i = 0; i < fragments.length; i++) {
    for (let at = 0; at < fragments[i]!.length; at += 4) {
      if (fragments[i]![at + 2] !== 0 && overlapsLater(fragments, i, at)) return true;
    }
  }
  return false;
}

function overlapsLater(fragments: readonly Uint32Array[], fragment: number, at: number): boolean {
  const start = framesOf(fragments[fragment]!, at);
  const end = start + fragments[fragment]![at + 2]!;
  for (let i = fragment; i < fragments.length; i++) {
    const list = fragments[i]!;
    for (let other = i === fragment ? at + 4 : 0; other < list.length && list[other + 2] !== 0; other += 4) {
      const otherStart = framesOf(list, other);
      if (otherStart < end && start < otherStart + list[other + 2]!) return true;
    }
  }
  return false;
}
