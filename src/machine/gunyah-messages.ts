// Messages to Gunyah's resource manager, as bytes and as operations (layouts: assembly/abi/gunyah-rm.ts; reference gunyah
// section 6.1). Nothing is checked here beyond what fits its field: what the resource manager refuses, it must be asked.

import * as abi from "../../assembly/abi/gunyah-rm.js";
import {
  OPERATION_A,
  OPERATION_CODE,
  OPERATION_SIZE,
  OPERATION_VCPU,
  OPERATION_VM,
} from "../../assembly/abi/operations.js";
import type { Operation } from "./operations.js";

/** Who gets what: rights are R 4, W 2, X 1. */
export interface AclEntry {
  readonly vmid: number;
  readonly rights: number;
}

/** A range of one address space, in bytes. */
export interface SglEntry {
  readonly ipa: bigint;
  readonly size: bigint;
}

/** Memory type for one VM: NORMAL 0, DEVICE 1, UNCACHED 2, CACHED 3. */
export interface AttributeEntry {
  readonly attr: number;
  readonly vmid: number;
}

/** DONATE, LEND, SHARE, and the look-up of what they made. */
export interface CreateMessage {
  /** NORMAL 0, IO 1. */
  readonly memType: number;
  /** SANITIZE 1, APPEND 2. */
  readonly flags: number;
  readonly label: number;
  readonly acl: readonly AclEntry[];
  readonly sgl: readonly SglEntry[];
  readonly attributes: readonly AttributeEntry[];
}

export interface AppendMessage {
  readonly handle: number;
  /** DONE 1. */
  readonly flags: number;
  readonly sgl: readonly SglEntry[];
}

export interface AcceptMessage {
  readonly handle: number;
  readonly memType: number;
  /** DONATE 0, LEND 1, SHARE 2. */
  readonly transType: number;
  /** ACCEPT_* of the layouts. */
  readonly flags: number;
  readonly label: number;
  readonly acl: readonly AclEntry[];
  readonly sgl: readonly SglEntry[];
  readonly mapVmid: number;
  readonly attributes: readonly AttributeEntry[];
}

/** RELEASE and RECLAIM. */
export interface ReturnMessage {
  readonly handle: number;
  /** SANITIZE 1. */
  readonly flags: number;
}

export interface NotifyMessage {
  readonly handle: number;
  /** NOTIFY_* of the layouts. */
  readonly flags: number;
  readonly tag: number;
  readonly vmids: readonly number[];
}

/** Bytes written one after the other, little-endian. */
class Writer {
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: number) {
    this.#view = new DataView(new ArrayBuffer(bytes));
  }

  get bytes(): Uint8Array {
    return new Uint8Array(this.#view.buffer);
  }

  u8(...values: readonly number[]): this {
    for (const value of values) this.#view.setUint8(this.#at++, value);
    return this;
  }

  u16(...values: readonly number[]): this {
    for (const value of values) {
      this.#view.setUint16(this.#at, value, true);
      this.#at += 2;
    }
    return this;
  }

  u32(value: number): this {
    this.#view.setUint32(this.#at, value, true);
    this.#at += 4;
    return this;
  }

  u64(...values: readonly bigint[]): this {
    for (const value of values) {
      this.#view.setBigUint64(this.#at, value, true);
      this.#at += 8;
    }
    return this;
  }

  acl(list: readonly AclEntry[]): this {
    this.u16(list.length, 0);
    for (const { vmid, rights } of list) this.u16(vmid).u8(rights, 0);
    return this;
  }

  sgl(list: readonly SglEntry[], reserved = 0): this {
    this.u16(list.length, reserved);
    for (const { ipa, size } of list) this.u64(ipa, size);
    return this;
  }

  attributes(list: readonly AttributeEntry[]): this {
    this.u16(list.length, 0);
    for (const { attr, vmid } of list) this.u16(attr, vmid);
    return this;
  }
}

function listBytes(entries: readonly unknown[], entryBytes: number): number {
  return abi.LIST_HEADER + entries.length * entryBytes;
}

/** ACL, SGL and attributes together. */
function listsBytes({ acl, sgl, attributes }: Pick<CreateMessage, "acl" | "sgl" | "attributes">): number {
  return listBytes(acl, abi.ACL_ENTRY) + listBytes(sgl, abi.SGL_ENTRY) + listBytes(attributes, abi.ATTRIBUTE_ENTRY);
}

export function encodeCreate(message: CreateMessage): Uint8Array {
  const { memType, flags, label, acl, sgl, attributes } = message;
  const writer = new Writer(abi.CREATE_FIXED + listsBytes(message)).u8(memType, 0, flags, 0).u32(label);
  return writer.acl(acl).sgl(sgl).attributes(attributes).bytes;
}

export function encodeAppend({ handle, flags, sgl }: AppendMessage): Uint8Array {
  const writer = new Writer(abi.APPEND_FIXED + listBytes(sgl, abi.SGL_ENTRY));
  return writer.u32(handle).u8(flags, 0, 0, 0).sgl(sgl).bytes;
}

export function encodeAccept(message: AcceptMessage): Uint8Array {
  const { handle, memType, transType, flags, label, acl, sgl, mapVmid, attributes } = message;
  const writer = new Writer(abi.ACCEPT_FIXED + listsBytes(message));
  writer.u32(handle).u8(memType, transType, flags, 0).u32(label);
  return writer.acl(acl).sgl(sgl, mapVmid).attributes(attributes).bytes;
}

export function encodeReturn({ handle, flags }: ReturnMessage): Uint8Array {
  return new Writer(abi.RELEASE_FIXED).u32(handle).u8(flags, 0, 0, 0).bytes;
}

export function encodeNotify({ handle, flags, tag, vmids }: NotifyMessage): Uint8Array {
  const writer = new Writer(abi.NOTIFY_FIXED + listBytes(vmids, abi.VMID_ENTRY));
  writer.u32(handle).u8(flags, 0, 0, 0).u32(tag).u16(vmids.length, 0);
  for (const vmid of vmids) writer.u16(vmid, 0);
  return writer.bytes;
}

/** Bytes that one operation carries. */
const PIECE = 32;

/** The operations by which the VM `vm` sends the message with this id: its bytes piece by piece, then the sending. */
export function messageOperations(vm: number, message: number, bytes: Uint8Array): Operation[] {
  const padded = new Uint8Array(Math.ceil(bytes.length / PIECE) * PIECE);
  padded.set(bytes);
  const view = new DataView(padded.buffer);
  const operations: Operation[] = [];
  for (let at = 0; at < bytes.length; at += PIECE) {
    operations.push({
      op: "rm_message",
      vm,
      bytes: Math.min(PIECE, bytes.length - at),
      word0: view.getBigUint64(at, true),
      word1: view.getBigUint64(at + 8, true),
      word2: view.getBigUint64(at + 16, true),
      word3: view.getBigUint64(at + 24, true),
    });
  }
  operations.push({ op: "rm_send", vm, message: BigInt(message) });
  return operations;
}

/** The same as packed records, for `Machine.runPacked` (layout: assembly/abi/operations.ts). */
export function packMessage(vm: number, message: number, bytes: Uint8Array): Uint8Array {
  const pieces = Math.ceil(bytes.length / PIECE);
  const packed = new Uint8Array((pieces + 1) * OPERATION_SIZE);
  const view = new DataView(packed.buffer);
  for (let piece = 0; piece < pieces; piece++) {
    const part = bytes.subarray(piece * PIECE, (piece + 1) * PIECE);
    const at = piece * OPERATION_SIZE;
    view.setUint16(at + OPERATION_CODE, abi.RM_MESSAGE, true);
    view.setUint16(at + OPERATION_VM, vm, true);
    view.setUint32(at + OPERATION_VCPU, part.length, true);
    packed.set(part, at + OPERATION_A);
  }
  view.setUint16(pieces * OPERATION_SIZE + OPERATION_CODE, abi.RM_SEND, true);
  view.setUint16(pieces * OPERATION_SIZE + OPERATION_VM, vm, true);
  view.setUint32(pieces * OPERATION_SIZE + OPERATION_A, message, true);
  return packed;
}
