// What EL2's FF-A proxy agrees on with the host before memory moves: the version, and the pages of RX and TX
// (nvhe/ffa.c:do_ffa_version, do_ffa_rxtx_map, do_ffa_rxtx_unmap; reference pkvm-el2 sections 8.1 and 8.2).

import { PANIC_FFA_MAILBOX } from "../../abi/codes";
import { FFA_DENIED, FFA_INVALID_PARAMETERS, FFA_NOT_SUPPORTED, FFA_VERSION_1_2 } from "../../abi/ffa";
import {
  REASON_PROXY_ALIGNMENT,
  REASON_PROXY_MAILBOX_PAGES,
  REASON_PROXY_MAPPED,
  REASON_PROXY_NOT_MAPPED,
  REASON_PROXY_NOT_NEGOTIATED,
  REASON_PROXY_NO_TX,
  REASON_PROXY_VERSION,
} from "../../abi/ffa-proxy";
import { FFA_VERSION_NOT_NEGOTIATED } from "../../abi/mutations";
import { pageMask, pageShift, pageSize } from "../../arch/geometry";
import { ensureFrame, frameOf } from "../../memory/dram";
import { reserve } from "../../memory/heap";
import { isMutated } from "../../memory/mutation";
import { pageOf } from "../../memory/regions";
import { panic, refuse } from "../../memory/verdict";
import { hostShareHyp, hostUnshareHyp, hypPinSharedMem, hypUnpinSharedMem } from "./host-hyp";

/** The host is endpoint 0. */
export const HOST_FFA_ID: u32 = 0;
/** FF-A counts pages of 4 KiB, whatever the granule. */
export const FFA_PAGE_SHIFT: u64 = 12;
const MINOR: u32 = 0xffff;
const MAJOR_SHIFT: u32 = 16;
const MAJOR: u32 = 0x7fff;
/** Of a version: zero. */
const BIT_31: u32 = 0x8000_0000;

@unmanaged
export class Mailbox {
  /** The host's pages. */
  tx: u64;
  rx: u64;
  isMapped: u32;
  /** The version in use: the newest that EL2 speaks, until the host asks for an older one. */
  version: i32;
  isNegotiated: u32;
}
const MAILBOX_BYTES: usize = 32;

export let mailbox: Mailbox = changetype<Mailbox>(0);

/** False if linear memory is used up. */
export function reserveMailbox(): bool {
  const at = reserve(MAILBOX_BYTES);
  if (at == 0) return false;
  mailbox = changetype<Mailbox>(at);
  mailbox.version = FFA_VERSION_1_2;
  return true;
}

export function ffaVersion(): i32 {
  return mailbox.version;
}

/** do_ffa_version: the version in use. The minor number goes down once at most, and the SPMC speaks all of them. */
export function negotiateVersion(asked: u32): i32 {
  if (((asked >> MAJOR_SHIFT) & MAJOR) != 1) return refuseVersion(asked);
  const isOlder = (asked & MINOR) < ((mailbox.version as u32) & MINOR);
  // The SPMC is asked for an older one: it has none with bit 31 set.
  if (isOlder && (mailbox.isNegotiated || (asked & BIT_31) != 0)) return refuseVersion(asked);
  if (isMutated(FFA_VERSION_NOT_NEGOTIATED)) {
    mailbox.isNegotiated = 1;
    return isOlder ? asked : mailbox.version;
  }
  if (isOlder) mailbox.version = asked;
  mailbox.isNegotiated = 1;
  return mailbox.version;
}

function refuseVersion(asked: u32): i32 {
  return refuse(FFA_NOT_SUPPORTED, REASON_PROXY_VERSION, 0, mailbox.version, asked);
}

/** Every call but FFA_VERSION waits for a version. */
export function checkNegotiated(): i32 {
  return mailbox.isNegotiated ? 0 : refuse(FFA_INVALID_PARAMETERS, REASON_PROXY_NOT_NEGOTIATED, 0, 0, 0);
}

/**
 * do_ffa_rxtx_map: both pages are shared with EL2 and pinned, or none. EL2's own buffers, which the SPMC is told of in
 * their place, are always there.
 */
export function mapMailbox(tx: u64, rx: u64, pages: u32): i32 {
  const want = (pageSize >> FFA_PAGE_SHIFT) as u32;
  if (pages != want) return refuse(FFA_INVALID_PARAMETERS, REASON_PROXY_MAILBOX_PAGES, 0, want, pages);
  if (tx & pageMask) return refuse(FFA_INVALID_PARAMETERS, REASON_PROXY_ALIGNMENT, tx, 0, 0);
  if (rx & pageMask) return refuse(FFA_INVALID_PARAMETERS, REASON_PROXY_ALIGNMENT, rx, 0, 0);
  if (mailbox.isMapped) return refuse(FFA_DENIED, REASON_PROXY_MAPPED, HOST_FFA_ID, 0, 0);
  if (!shareMailbox(tx, rx)) return -FFA_INVALID_PARAMETERS;
  mailbox.tx = tx;
  mailbox.rx = rx;
  mailbox.isMapped = 1;
  return 0;
}

// What has been done is undone in reverse; the check that failed tells why.
function shareMailbox(tx: u64, rx: u64): bool {
  if (hostShareHyp(tx >> pageShift) != 0) return false;
  if (hostShareHyp(rx >> pageShift) == 0) {
    if (hypPinSharedMem(tx, tx + pageSize) == 0) {
      if (hypPinSharedMem(rx, rx + pageSize) == 0) return true;
      hypUnpinSharedMem(tx, tx + pageSize);
    }
    unsharePage(rx);
  }
  unsharePage(tx);
  return false;
}

// That the page is shared, and pinned by nobody else, is asserted.
function unsharePage(pa: u64): void {
  if (hostUnshareHyp(pa >> pageShift) != 0) panic(PANIC_FFA_MAILBOX);
}

/** do_ffa_rxtx_unmap. */
export function unmapMailbox(id: u32): i32 {
  if (id != HOST_FFA_ID || !mailbox.isMapped) {
    return refuse(FFA_INVALID_PARAMETERS, REASON_PROXY_NOT_MAPPED, id, 0, 0);
  }
  hypUnpinSharedMem(mailbox.tx, mailbox.tx + pageSize);
  unsharePage(mailbox.tx);
  hypUnpinSharedMem(mailbox.rx, mailbox.rx + pageSize);
  unsharePage(mailbox.rx);
  mailbox.isMapped = 0;
  return 0;
}

export function checkTx(): i32 {
  return mailbox.isMapped ? 0 : refuse(FFA_INVALID_PARAMETERS, REASON_PROXY_NO_TX, HOST_FFA_ID, 0, 0);
}

/** Copies the message once: the host may go on writing to its page behind EL2's checks. */
export function readHostTx(to: usize, bytes: u32): void {
  const frame = frameOf(pageOf(mailbox.tx >> pageShift));
  if (frame == 0) memory.fill(to, 0, bytes);
  else memory.copy(to, frame, bytes);
}

/** Bytes that one record carries into TX. */
const TX_PIECE: u32 = 32;

/** The host writes a piece of its TX page; offset 0 begins a message: what was there is cleared. False where no page is. */
export function writeHostTx(offset: u32, from: usize): bool {
  if (!mailbox.isMapped || offset >= (pageSize as u32) || offset % TX_PIECE != 0) return false;
  const frame = ensureFrame(pageOf(mailbox.tx >> pageShift));
  if (offset == 0) memory.fill(frame, 0, pageSize as usize);
  memory.copy(frame + offset, from, TX_PIECE);
  return true;
}
