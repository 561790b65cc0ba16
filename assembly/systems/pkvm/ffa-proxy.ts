// EL2's FF-A proxy: what the host tells the secure world about its memory passes here, so that it can hand over only what is
// its own (nvhe/ffa.c; reference pkvm-el2 sections 8.3 to 8.5, ffa section 19). The secure world is another system's: the
// caller passes messages on and tells what came back.
//
// Of a descriptor EL2 reads, in the layout of the version in use:
//
//   header     0 u16 sender | 28 u32 endpoints | 32 u32 where the access descriptors begin (1.0: at 32, without this word)
//   access     4 u32 composite offset; 16 bytes, 32 from 1.2 on
//   composite  0 u32 pages | 4 u32 ranges | 8 u64 0; then ranges: 0 u64 address | 8 u32 pages of 4 KiB | 12 u32 0

import { PANIC_EL2_FAULT, PANIC_FFA_HOST_UNSHARE_RANGES } from "../../abi/codes";
import {
  FFA_ABORTED,
  FFA_DENIED,
  FFA_INVALID_PARAMETERS,
  FFA_NO_MEMORY,
  FFA_VERSION_1_0,
  FFA_VERSION_1_2,
} from "../../abi/ffa";
import {
  REASON_PROXY_ALIGNMENT,
  REASON_PROXY_COMPOSITE_OFFSET,
  REASON_PROXY_DESCRIPTOR_BUFFER,
  REASON_PROXY_ENDPOINTS,
  REASON_PROXY_LENGTHS,
  REASON_PROXY_MBZ_REGISTER,
  REASON_PROXY_RANGES,
  REASON_PROXY_RESPONSE,
  REASON_PROXY_SENDER,
  REASON_PROXY_TRUNCATED,
  REASON_PROXY_TX_LENGTH,
} from "../../abi/ffa-proxy";
import {
  FFA_ACCESS_DESCRIPTOR_OFFSET,
  FFA_COMPOSITE_OFFSET_WRAP,
  FFA_RECLAIM_RANGE_COUNT,
  FFA_UNALIGNED_RANGE,
} from "../../abi/mutations";
import { pageMask, pageShift, pageSize } from "../../arch/geometry";
import { reserve } from "../../memory/heap";
import { isMutated } from "../../memory/mutation";
import { panic, refuse } from "../../memory/verdict";
import { hostShareFfa, hostUnshareFfa } from "./ffa";
import { checkTx, FFA_PAGE_SHIFT, ffaVersion, HOST_FFA_ID, readHostTx, reserveMailbox } from "./ffa-mailbox";

const HEADER_1_0: u32 = 32;
const HEADER_1_1: u32 = 48;
const ACCESS_1_1: u32 = 16;
const ACCESS_1_2: u32 = 32;
const COMPOSITE: u32 = 16;
const RANGE: u32 = 16;
/** The longest message: EL2's descriptor buffer. */
export const DESCRIPTOR_BYTES: u32 = 9 << 12;

/** Where EL2 puts together the descriptor of a reclaim. */
export let descriptor: usize = 0;
/** Ranges of the message that is being passed on. */
let ranges: usize = 0;
let rangeCount: u32 = 0;

/** False if linear memory is used up. */
export function reserveProxy(): bool {
  descriptor = reserve(DESCRIPTOR_BYTES);
  return descriptor != 0 && reserveMailbox();
}

function invalid(why: i32, what: u64, want: u32, have: u32): i32 {
  return refuse(FFA_INVALID_PARAMETERS, why, what, want, have);
}

/**
 * FFA_MEM_SHARE and FFA_MEM_LEND up to the forwarding (do_ffa_mem_xfer; rows 1 to 10 of section 8.3): the message is copied to
 * `tx`, EL2's own buffer, and every range in it is shared with the secure world. A lend is no different: the host's mapping stays.
 *
 *            before    after
 *   host     OWNED     SHARED_OWNED
 */
export function shareMessage(tx: usize, total: u32, fragment: u32, address: u64, pages: u64): i32 {
  if ((address | pages) != 0) return invalid(REASON_PROXY_MBZ_REGISTER, address, 0, pages as u32);
  if (fragment > total) return invalid(REASON_PROXY_LENGTHS, 0, total, fragment);
  if (fragment > (pageSize as u32)) return invalid(REASON_PROXY_TX_LENGTH, 0, pageSize as u32, fragment);
  const least = headerBytes() + accessBytes();
  if (fragment < least) return invalid(REASON_PROXY_TRUNCATED, least, least, fragment);
  const buffer = checkTx();
  if (buffer != 0) return buffer;
  if (total > DESCRIPTOR_BYTES) {
    return refuse(FFA_NO_MEMORY, REASON_PROXY_DESCRIPTOR_BUFFER, 0, DESCRIPTOR_BYTES, total);
  }
  readHostTx(tx, fragment);
  const checked = findRanges(tx, fragment);
  return checked != 0 ? checked : shareRanges();
}

function headerBytes(): u32 {
  return ffaVersion() == FFA_VERSION_1_0 ? HEADER_1_0 : HEADER_1_1;
}

function accessBytes(): u32 {
  return ffaVersion() >= FFA_VERSION_1_2 ? ACCESS_1_2 : ACCESS_1_1;
}

/** Where the first access descriptor of a message begins. */
function accessOffset(from: usize): u64 {
  return ffaVersion() == FFA_VERSION_1_0 ? HEADER_1_0 : load<u32>(from, 32);
}

// Rows 6 to 9.
function findRanges(from: usize, fragment: u32): i32 {
  const access = accessOffset(from);
  const end = access + accessBytes();
  if (!isMutated(FFA_ACCESS_DESCRIPTOR_OFFSET) && end > fragment) {
    return invalid(REASON_PROXY_TRUNCATED, end, end as u32, fragment);
  }
  const composite = load<u32>(from + (access as usize), 4);
  if (composite == 0) return invalid(REASON_PROXY_COMPOSITE_OFFSET, 0, end as u32, 0);
  const endpoints = load<u32>(from, 28);
  if (endpoints != 1) return invalid(REASON_PROXY_ENDPOINTS, 28, 1, endpoints);
  const sender = load<u16>(from) as u32;
  if (sender != HOST_FFA_ID) return invalid(REASON_PROXY_SENDER, 0, HOST_FFA_ID, sender);
  if (isMutated(FFA_COMPOSITE_OFFSET_WRAP) && composite + COMPOSITE < composite) {
    setRanges(from + composite + COMPOSITE, (fragment - composite - COMPOSITE) / RANGE);
    return 0;
  }
  const first = (composite as u64) + COMPOSITE;
  if (first > fragment) return invalid(REASON_PROXY_COMPOSITE_OFFSET, 0, end as u32, composite);
  const left = fragment - (first as u32);
  if (left % RANGE != 0) return invalid(REASON_PROXY_RANGES, 0, RANGE, left);
  setRanges(from + (first as usize), left / RANGE);
  return 0;
}

function setRanges(at: usize, count: u32): void {
  ranges = at;
  rangeCount = count;
}

// Row 10, ffa_host_share_ranges: the first range that cannot be shared takes those before it along.
function shareRanges(): i32 {
  for (let i: u32 = 0; i < rangeCount; i++) {
    if (shareRange(ranges + (i as usize) * RANGE) == 0) continue;
    const undone = unshareRanges(i);
    return undone != 0 ? undone : -FFA_DENIED;
  }
  return 0;
}

function shareRange(at: usize): i32 {
  const address = load<u64>(at);
  const size = sizeOf(at);
  if (isMutated(FFA_UNALIGNED_RANGE)) return hostShareFfa(address >> pageShift, size >> pageShift);
  if ((address | size) & pageMask) return refuse(FFA_DENIED, REASON_PROXY_ALIGNMENT, address, 0, 0);
  return hostShareFfa(address >> pageShift, size >> pageShift);
}

function sizeOf(at: usize): u64 {
  return (load<u32>(at, 8) as u64) << FFA_PAGE_SHIFT;
}

// ffa_host_unshare_ranges; that it succeeds is asserted wherever it is called.
function unshareRanges(count: u32): i32 {
  for (let i: u32 = 0; i < count; i++) {
    const at = ranges + (i as usize) * RANGE;
    if (isMutated(FFA_RECLAIM_RANGE_COUNT) && isBehindDescriptor(at)) return panic(PANIC_EL2_FAULT);
    if (hostUnshareFfa(load<u64>(at) >> pageShift, sizeOf(at) >> pageShift) != 0) {
      return panic(PANIC_FFA_HOST_UNSHARE_RANGES);
    }
  }
  return 0;
}

// Whatever lies there is none of this: it is treated as memory that EL2 has not mapped.
function isBehindDescriptor(range: usize): bool {
  const end = descriptor + DESCRIPTOR_BYTES;
  return ranges >= descriptor && ranges < end && range >= end;
}

/** Row 11: the SPMC did not take the fragment, so its pages are the host's alone again. Earlier fragments stay as they are. */
export function unshareMessage(): void {
  unshareRanges(rangeCount);
}

/** FFA_MEM_FRAG_TX up to the forwarding (do_ffa_mem_frag_tx; section 8.5). */
export function shareFragment(tx: usize, fragment: u32): i32 {
  if (fragment > (pageSize as u32)) return invalid(REASON_PROXY_TX_LENGTH, 0, pageSize as u32, fragment);
  if (fragment % RANGE != 0) return invalid(REASON_PROXY_RANGES, 0, RANGE, fragment);
  const buffer = checkTx();
  if (buffer != 0) return buffer;
  readHostTx(tx, fragment);
  setRanges(tx, fragment / RANGE);
  return shareRanges();
}

/** FFA_MEM_RECLAIM, what comes first: the request for the whole descriptor of `handle`, written to `tx`. Its bytes. */
export function writeRetrieveRequest(tx: usize, handle: u64): u32 {
  memory.fill(tx, 0, HEADER_1_1);
  store<u64>(tx, handle, 8);
  return HEADER_1_1;
}

/** The first fragment of the descriptor (do_ffa_mem_reclaim; section 8.4). EL2 believes the SPMC no more than it must. */
export function takeResponse(rx: usize, total: u32, fragment: u32): i32 {
  const access = accessOffset(rx);
  const end = access + accessBytes();
  if (end > fragment) return invalid(REASON_PROXY_RESPONSE, end, 0, 0);
  const composite = load<u32>(rx + (access as usize), 4);
  if (composite > total || fragment > (pageSize as u32)) {
    return refuse(FFA_ABORTED, REASON_PROXY_RESPONSE, composite, 0, 0);
  }
  if (total > DESCRIPTOR_BYTES) {
    return refuse(FFA_NO_MEMORY, REASON_PROXY_DESCRIPTOR_BUFFER, 0, DESCRIPTOR_BYTES, total);
  }
  memory.copy(descriptor, rx, fragment);
  return 0;
}

/** A later fragment, which belongs at `offset`. */
export function takeFragment(rx: usize, offset: u32, fragment: u32): i32 {
  if (offset + fragment > DESCRIPTOR_BYTES) return refuse(FFA_ABORTED, REASON_PROXY_RESPONSE, offset, 0, 0);
  memory.copy(descriptor + offset, rx, fragment);
  return 0;
}

/** No further fragment comes although one is missing. */
export function missFragment(offset: u32): i32 {
  return invalid(REASON_PROXY_RESPONSE, offset, 0, 0);
}

/** The descriptor of `total` bytes is complete: its ranges are those that a reclaim gives back. */
export function checkResponse(total: u32): i32 {
  const composite = load<u32>(descriptor + (accessOffset(descriptor) as usize), 4);
  const count = load<u32>(descriptor + composite, 4);
  if (!isMutated(FFA_RECLAIM_RANGE_COUNT) && (composite as u64) + COMPOSITE + (count as u64) * RANGE > total) {
    return refuse(FFA_ABORTED, REASON_PROXY_RESPONSE, composite, 0, 0);
  }
  setRanges(descriptor + composite + COMPOSITE, count);
  return 0;
}
