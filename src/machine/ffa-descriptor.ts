// FF-A messages as bytes, from and to plain values (reference ffa, section 2). What the core's managers parse is written here;
// the managers' own checks are the core's: anything that fits the bytes can be written, also what they refuse.

import type { Operation } from "./operations.js";

/** The layout of a header: 1.0 has 32 bytes, 1.1 and later 48. */
export type DescriptorLayout = "1.0" | "1.1";

/** One endpoint memory access descriptor. */
export interface AccessDescriptor {
  readonly id: number;
  /** Data access in bits 1:0, instruction access in bits 3:2. */
  readonly permissions: number;
  readonly flags?: number;
  /** Bytes from the message's start to the composite descriptor; left out: where `encodeDescriptor` puts it, 0 without one. */
  readonly offset?: number;
  /** The two implementation-defined words of a 32-byte entry. */
  readonly impdef?: readonly [bigint, bigint];
  /** The 64-bit word that must be zero. */
  readonly reserved?: bigint;
}

export interface Constituent {
  /** Bytes. */
  readonly address: bigint;
  readonly pages: number;
}

/** A transaction descriptor, or its first fragment. */
export interface TransactionDescriptor {
  readonly layout: DescriptorLayout;
  readonly sender: number;
  readonly attributes: number;
  readonly flags: number;
  readonly handle?: bigint;
  readonly tag: bigint;
  /** Bytes of one access descriptor; layout 1.0 has 16. */
  readonly accessSize?: number;
  /** Layout 1.1; default 48. */
  readonly receiversOffset?: number;
  /** What the header says; default: as many as are listed. */
  readonly receiverCount?: number;
  /** The first reserved 32-bit word of the header. */
  readonly reserved?: number;
  readonly receivers: readonly AccessDescriptor[];
  /** Absent in a retrieve request. `at`: where its bytes are, if not at the receivers' offset. */
  readonly composite?: { readonly pageCount: number; readonly constituentCount: number; readonly at?: number };
  /** Those of this fragment. */
  readonly constituents?: readonly Constituent[];
}

const COMPOSITE_BYTES = 16;
export const CONSTITUENT_BYTES = 16;
const LONG_ENTRY = 32;

const headerBytes = (layout: DescriptorLayout) => (layout === "1.0" ? 32 : 48);
const align16 = (value: number) => Math.ceil(value / 16) * 16;

/**
 * Writes a descriptor.
 *
 * @param length bytes of the fragment: the message is cut, or followed by zeros
 */
export function encodeDescriptor(descriptor: TransactionDescriptor, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  place(bytes, 0, encodeHeader(descriptor));
  const size = accessSize(descriptor);
  const first = receiversOffset(descriptor);
  const behind = align16(first + size * descriptor.receivers.length);
  const composite = descriptor.composite === undefined ? 0 : behind;
  descriptor.receivers.forEach((receiver, index) => {
    place(bytes, first + index * size, encodeAccess(receiver, size, composite, length));
  });
  if (descriptor.composite !== undefined) {
    const at = descriptor.composite.at ?? behind;
    place(bytes, at, encodeComposite(descriptor.composite));
    place(bytes, at + COMPOSITE_BYTES, encodeConstituents(descriptor.constituents ?? []));
  }
  return bytes;
}

/** Bytes of a message whose parts stand one behind the other: what a sender writes into w1. */
export function descriptorBytes(descriptor: TransactionDescriptor, constituents: number): number {
  const end = receiversOffset(descriptor) + accessSize(descriptor) * descriptor.receivers.length;
  if (descriptor.composite === undefined) return end;
  return align16(end) + COMPOSITE_BYTES + constituents * CONSTITUENT_BYTES;
}

// What lies beyond the message is cut.
function place(bytes: Uint8Array, at: number, piece: Uint8Array): void {
  if (at < bytes.length) bytes.set(piece.subarray(0, bytes.length - at), at);
}

function accessSize({ layout, accessSize: size = LONG_ENTRY }: TransactionDescriptor): number {
  return layout === "1.0" ? 16 : size;
}

function receiversOffset({ layout, receiversOffset: offset = 48 }: TransactionDescriptor): number {
  return layout === "1.0" ? 32 : offset;
}

function encodeHeader(descriptor: TransactionDescriptor): Uint8Array {
  const { layout, sender, attributes, flags, handle = 0n, tag, reserved = 0, receivers } = descriptor;
  const bytes = new Uint8Array(headerBytes(layout));
  const view = new DataView(bytes.buffer);
  view.setUint16(0, sender, true);
  if (layout === "1.0") view.setUint8(2, attributes);
  else view.setUint16(2, attributes, true);
  view.setUint32(4, flags, true);
  view.setBigUint64(8, handle, true);
  view.setBigUint64(16, tag, true);
  view.setUint32(28, descriptor.receiverCount ?? receivers.length, true);
  if (layout === "1.0") {
    view.setUint32(24, reserved, true);
    return bytes;
  }
  view.setUint32(24, accessSize(descriptor), true);
  view.setUint32(32, receiversOffset(descriptor), true);
  view.setUint32(36, reserved, true);
  return bytes;
}

// An entry of an odd size is cut, or followed by zeros: no more than the message has room for, whatever size is claimed.
function encodeAccess(receiver: AccessDescriptor, size: number, composite: number, room: number): Uint8Array {
  const bytes = new Uint8Array(Math.max(Math.min(size, room), LONG_ENTRY));
  const view = new DataView(bytes.buffer);
  view.setUint16(0, receiver.id, true);
  view.setUint8(2, receiver.permissions);
  view.setUint8(3, receiver.flags ?? 0);
  view.setUint32(4, receiver.offset ?? composite, true);
  if (size === LONG_ENTRY) receiver.impdef?.forEach((word, index) => view.setBigUint64(8 + 8 * index, word, true));
  if (receiver.reserved !== undefined) view.setBigUint64(reservedWord(size), receiver.reserved, true);
  return bytes.subarray(0, size);
}

/** Where the word of an entry is that must be zero. */
function reservedWord(size: number): number {
  return size <= 16 ? 8 : 24;
}

function encodeComposite({ pageCount, constituentCount }: NonNullable<TransactionDescriptor["composite"]>): Uint8Array {
  const bytes = new Uint8Array(COMPOSITE_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, pageCount, true);
  view.setUint32(4, constituentCount, true);
  return bytes;
}

/** Constituents as a later fragment has them: nothing but the entries. */
export function encodeConstituents(constituents: readonly Constituent[]): Uint8Array {
  const bytes = new Uint8Array(constituents.length * CONSTITUENT_BYTES);
  const view = new DataView(bytes.buffer);
  constituents.forEach(({ address, pages }, index) => {
    view.setBigUint64(index * CONSTITUENT_BYTES, address, true);
    view.setUint32(index * CONSTITUENT_BYTES + 8, pages, true);
  });
  return bytes;
}

export function decodeConstituents(bytes: Uint8Array): Constituent[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = Math.floor(bytes.length / CONSTITUENT_BYTES);
  return Array.from({ length: count }, (_, index) => ({
    address: view.getBigUint64(index * CONSTITUENT_BYTES, true),
    pages: view.getUint32(index * CONSTITUENT_BYTES + 8, true),
  }));
}

/** A relinquish descriptor (reference 2.4). */
export interface RelinquishDescriptor {
  readonly handle: bigint;
  readonly flags: number;
  /** What the descriptor says; default: as many as are listed. */
  readonly count?: number;
  readonly endpoints: readonly number[];
}

export function encodeRelinquish({ handle, flags, count, endpoints }: RelinquishDescriptor): Uint8Array {
  const bytes = new Uint8Array(16 + 2 * endpoints.length);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, handle, true);
  view.setUint32(8, flags, true);
  view.setUint32(12, count ?? endpoints.length, true);
  endpoints.forEach((id, index) => view.setUint16(16 + 2 * index, id, true));
  return bytes;
}

/**
 * Reads a descriptor whose lists lie inside the bytes, as a manager writes it: a response, or a complete send.
 *
 * @returns null if a part lies outside the bytes
 */
export function decodeDescriptor(bytes: Uint8Array, layout: DescriptorLayout): TransactionDescriptor | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < headerBytes(layout)) return null;
  const isOld = layout === "1.0";
  const size = isOld ? 16 : view.getUint32(24, true);
  const first = isOld ? 32 : view.getUint32(32, true);
  const count = view.getUint32(28, true);
  if (size < 16 || first + size * count > bytes.length) return null;
  const receivers = Array.from({ length: count }, (_, index) => decodeAccess(view, first + index * size, size));
  const reserved = view.getUint32(isOld ? 24 : 36, true);
  const header = {
    layout,
    sender: view.getUint16(0, true),
    attributes: isOld ? view.getUint8(2) : view.getUint16(2, true),
    flags: view.getUint32(4, true),
    handle: view.getBigUint64(8, true),
    tag: view.getBigUint64(16, true),
    accessSize: size,
    receiversOffset: first,
    ...(reserved === 0 ? {} : { reserved }),
    receivers,
  };
  const at = receivers[0]?.offset ?? 0;
  if (at === 0) return header;
  if (at + COMPOSITE_BYTES > bytes.length) return null;
  const composite = { pageCount: view.getUint32(at, true), constituentCount: view.getUint32(at + 4, true) };
  return { ...header, composite, constituents: decodeConstituents(bytes.subarray(at + COMPOSITE_BYTES)) };
}

function decodeAccess(view: DataView, at: number, size: number): AccessDescriptor {
  const reserved = size === 16 || size >= LONG_ENTRY ? view.getBigUint64(at + reservedWord(size), true) : 0n;
  const entry = {
    id: view.getUint16(at, true),
    permissions: view.getUint8(at + 2),
    flags: view.getUint8(at + 3),
    offset: view.getUint32(at + 4, true),
    ...(reserved === 0n ? {} : { reserved }),
  };
  if (size !== LONG_ENTRY) return entry;
  return { ...entry, impdef: [view.getBigUint64(at + 8, true), view.getBigUint64(at + 16, true)] };
}

/** Bytes that one `ffa_tx` carries. */
const TX_PIECE = 32;

/** The operations that write a message into the TX buffer of an endpoint; the rest of the buffer becomes zero. */
export function transmit(vm: number, message: Uint8Array): Operation[] {
  const operations: Operation[] = [];
  const piece = new Uint8Array(TX_PIECE);
  const view = new DataView(piece.buffer);
  for (let at = 0; at === 0 || at < message.length; at += TX_PIECE) {
    piece.fill(0);
    piece.set(message.subarray(at, at + TX_PIECE));
    const [w0, w1, w2, w3] = [0, 8, 16, 24].map((word) => view.getBigUint64(word, true)) as [
      bigint,
      bigint,
      bigint,
      bigint,
    ];
    operations.push({ op: "ffa_tx", vm, at, w0, w1, w2, w3 });
  }
  return operations;
}
