// The ordinary case of the verbs that traces are full of, without a call per check.
//
// The lane takes records as long as each is ordinary: every check passes, the level-3 tables are there, none empties,
// nobody records effects. It looks first and writes last, so a record that is not ordinary is left untouched to the
// verb's own file, which is the specification. That both ways end in the same bytes is a property test.
//
// What makes it fast: the machine's constants, the last VM and the last two level-3 tables stay in locals over the whole
// batch; a page costs one byte of the vmemmap, an entry one load and one store.

import {
  EEXIST,
  NOPAGE,
  OWNED,
  PKVM_ID_GUEST,
  REASON_HOST_MAPPED,
  SHARED_BORROWED,
  SHARED_OWNED,
} from "../../abi/codes";
import {
  GUEST_SHARE_HOST,
  GUEST_UNSHARE_HOST,
  HOST_ABORT,
  HOST_DONATE_GUEST,
  HOST_RECLAIM_PAGE_GUEST,
  HOST_SHARE_GUEST,
  HOST_SHARE_HYP,
  HOST_UNSHARE_GUEST,
  HOST_UNSHARE_HYP,
  OPERATION_A,
  OPERATION_B,
  OPERATION_C,
  OPERATION_D,
  OPERATION_SIZE,
} from "../../abi/operations";
import { RESULT_EXPECTED, RESULT_REASON, RESULT_RET, RESULT_SIZE, RESULT_SUBJECT } from "../../abi/records";
import { isValid, outputAddress, TYPE, VALID } from "../../arch/descriptor";
import { blockShift, iaBits, indexMask, pageShift, pageSize } from "../../arch/geometry";
import { HPFAR_FIPA, isTranslationFault } from "../../arch/syndrome";
import { frameOf } from "../../memory/dram";
import { mainRegion } from "../../memory/regions";
import { limitReached, panicked } from "../../memory/verdict";
import { attributes, PROT_RWX, setAttributes } from "../../pagetable/attributes";
import { leafEntry, leafTable, stopEntry } from "../../pagetable/walk-cache";
import { memcacheMinimum } from "./checks";
import { noteMapped, noteSpurious } from "./host-abort";
import { hostTable, isReplayed } from "./machine";
import { replayedVcpuIndex } from "./replayed";
import { findVcpu, findVm, vmAt } from "./vm";
import { SW_STATE, SW_STATE_SHIFT, TYPE_DONATION, withState } from "./annotation";
import { INVALID_TYPE_SHIFT } from "../../pagetable/invalid-entry";

// Byte 3 of a vmemmap word: H | (Y ^ NOPAGE) << 4.
const STATES: usize = 3;
const HOST: i32 = 15;
const PRIVATE_TO_HOST: i32 = 0x00; // OWNED, NOPAGE
const SHARED_WITH_HYP: i32 = 0x11; // SHARED_OWNED, SHARED_BORROWED
const SHARES: usize = 4;
const AHEAD: usize = 12 * OPERATION_SIZE;
/** No VM, no block: unequal to every real one. */
const NONE: u64 = u64.MAX_VALUE;
const DONATED: u64 = (TYPE_DONATION << INVALID_TYPE_SHIFT) | ((PKVM_ID_GUEST as u64) << 1);

// Sets of operations, one bit each.
const NAMES_GUEST: u32 =
  (1 << HOST_DONATE_GUEST) |
  (1 << HOST_RECLAIM_PAGE_GUEST) |
  (1 << GUEST_SHARE_HOST) |
  (1 << GUEST_UNSHARE_HOST) |
  (1 << HOST_SHARE_GUEST) |
  (1 << HOST_UNSHARE_GUEST);
const NAMES_PFN_AND_GFN: u32 = (1 << HOST_DONATE_GUEST) | (1 << HOST_SHARE_GUEST);
const NAMES_PFN: u32 = NAMES_PFN_AND_GFN | (1 << HOST_SHARE_HYP) | (1 << HOST_UNSHARE_HYP);
const WRITES_HOST_TABLE: u32 =
  (1 << HOST_DONATE_GUEST) |
  (1 << HOST_RECLAIM_PAGE_GUEST) |
  (1 << GUEST_SHARE_HOST) |
  (1 << GUEST_UNSHARE_HOST) |
  (1 << HOST_ABORT);
const ORDINARY: u32 = NAMES_GUEST | NAMES_PFN | (1 << HOST_ABORT);

// Leaves without their address, made once per machine.
let hostLeaf: u64 = 0;
let guestOwned: u64 = 0;
let guestShared: u64 = 0;
// The largest region of ordinary memory; the lane takes no other.
let mainFirstPfn: u64 = 0;
let mainPages: u64 = 0;
let mainWords: usize = 0;
/** Exported for the one purpose that no compiler drops what was read ahead. */
export let lastTouched: u32 = 0;

/** After the features are known and the host's table is made. */
export function prepareFastLane(): void {
  setAttributes(hostTable, PROT_RWX);
  hostLeaf = attributes | VALID | TYPE;
  const guestTable = vmAt(0).table;
  setAttributes(guestTable, withState(PROT_RWX, OWNED));
  guestOwned = attributes | VALID | TYPE;
  setAttributes(guestTable, withState(PROT_RWX, SHARED_OWNED));
  guestShared = attributes | VALID | TYPE;
  const region = mainRegion();
  // 64 KiB pages split the address field.
  mainPages = region != null && pageShift != 16 ? region.pages : 0;
  mainFirstPfn = region != null ? region.firstPfn : 0;
  mainWords = region != null ? region.words : 0;
}

/** Runs records from `from` while they are ordinary: the address of the first one that is not, or `end`. */
export function runFastLane(from: usize, end: usize, results: usize): usize {
  if ((panicked | limitReached) != 0) return from;
  const shift = pageShift as u64;
  const block = (blockShift - pageShift) as u64;
  const mask = indexMask;
  const firstPfn = mainFirstPfn;
  const pages = mainPages;
  const words = mainWords;
  const gfnLimit = (1 as u64) << (iaBits - pageShift);
  const rwx = hostLeaf;
  const owned = guestOwned;
  const shared = guestShared;
  let vm = vmAt(0);
  let named = NONE;
  let annotation: u64 = 0;
  let hasMemcache = false;
  let prot = NONE;
  let borrowed: u64 = 0;
  let guestBlock = NONE;
  let guestFrame: usize = 0;
  let guestTable: usize = 0;
  let hostBlock = NONE;
  let hostFrame: usize = 0;
  let hostTablePage: usize = 0;
  let result = results;
  let touched: u32 = 0;

  for (let rec = from; rec < end; rec += OPERATION_SIZE) {
    const header = load<u64>(rec);
    const op = (header & 0xffff) as u32;
    if (op > 31) return rec;
    const bit: u32 = 1 << op;
    if ((bit & ORDINARY) == 0) return rec;

    // The guest's entry for the frame that the verb names.
    let gfn: u64 = 0;
    let guestEntry: usize = 0;
    let guest: u64 = 0;
    if (bit & NAMES_GUEST) {
      if (header >> 16 != named) {
        const found = findVm(((header >> 16) & 0xffff) as u32);
        if (found == null) return rec;
        const vcpu = findVcpu(found, isReplayed ? replayedVcpuIndex() : ((header >> 32) as u32));
        vm = found;
        named = header >> 16;
        annotation = DONATED | ((found.handle as u64) << 4);
        hasMemcache = vcpu != null && vcpu.memcache.pages >= memcacheMinimum();
        guestBlock = NONE;
        prot = NONE;
      }
      gfn = bit & NAMES_PFN_AND_GFN ? load<u64>(rec, OPERATION_B) : load<u64>(rec, OPERATION_A);
      if (gfn >= gfnLimit) return rec;
      if (gfn >> block != guestBlock) {
        const entry = leafEntry(vm.table, gfn << shift);
        if (entry == 0) return rec;
        guestBlock = gfn >> block;
        guestFrame = entry - (((gfn & mask) << 3) as usize);
        guestTable = leafTable;
      }
      guestEntry = guestFrame + (((gfn & mask) << 3) as usize);
      guest = load<u64>(guestEntry);
    }

    // The page: named, faulted on, or behind the guest's leaf.
    let pfn: u64 = 0;
    if (bit & NAMES_PFN) pfn = load<u64>(rec, OPERATION_A);
    else if (op == HOST_ABORT) pfn = ((load<u64>(rec, OPERATION_D) & HPFAR_FIPA) << 8) >> shift;
    else pfn = outputAddress(guest) >> shift;
    if (pfn - firstPfn >= pages) return rec;
    const page = words + (((pfn - firstPfn) as usize) << 3);
    const states = load<u8>(page, STATES) as i32;

    // The host's entry for it.
    let hostEntry: usize = 0;
    if (bit & WRITES_HOST_TABLE) {
      if (pfn >> block != hostBlock) {
        const entry = leafEntry(hostTable, pfn << shift);
        if (entry == 0) {
          // A block, which other pages of it have brought in: the ordinary end of a fault on a fresh machine.
          if (op != HOST_ABORT || !isSpurious(rec, stopEntry, result)) return rec;
          result += RESULT_SIZE;
          continue;
        }
        hostBlock = pfn >> block;
        hostFrame = entry - (((pfn & mask) << 3) as usize);
        hostTablePage = leafTable;
      }
      hostEntry = hostFrame + (((pfn & mask) << 3) as usize);
    }

    switch (op) {
      case HOST_DONATE_GUEST: {
        if ((states & HOST) != OWNED || guest != 0 || !hasMemcache) return rec;
        if (load<u64>(hostEntry) == 0) store<u16>(hostTablePage, load<u16>(hostTablePage) + 1);
        store<u64>(hostEntry, annotation | (gfn << 20));
        store<u8>(page, states | NOPAGE, STATES);
        store<u16>(guestTable, load<u16>(guestTable) + 1);
        store<u64>(guestEntry, owned | (pfn << shift));
        break;
      }
      case HOST_RECLAIM_PAGE_GUEST: {
        // A table that empties is the verb's business. Two counts stay: the table's own and another entry's.
        const left = (load<u16>(guestTable) as u32) - 1;
        if (guest != (owned | (pfn << shift)) || (states & HOST) != NOPAGE || left < 2) return rec;
        const frame = frameOf(page);
        if (frame != 0) memory.fill(frame, 0, 1 << pageShift);
        store<u16>(guestTable, left);
        store<u64>(guestEntry, 0);
        store<u64>(hostEntry, rwx | (pfn << shift));
        store<u8>(page, states & ~HOST, STATES);
        break;
      }
      case GUEST_SHARE_HOST: {
        if (guest != (owned | (pfn << shift)) || (states & HOST) != NOPAGE) return rec;
        store<u64>(guestEntry, shared | (pfn << shift));
        store<u64>(hostEntry, rwx | (pfn << shift));
        store<u8>(page, (states & ~HOST) | SHARED_BORROWED, STATES);
        break;
      }
      case GUEST_UNSHARE_HOST: {
        if (guest != (shared | (pfn << shift)) || (states & HOST) != SHARED_BORROWED) return rec;
        if (load<u64>(hostEntry) == 0) store<u16>(hostTablePage, load<u16>(hostTablePage) + 1);
        store<u64>(hostEntry, annotation | (gfn << 20));
        store<u8>(page, states | NOPAGE, STATES);
        store<u64>(guestEntry, owned | (pfn << shift));
        break;
      }
      case HOST_SHARE_GUEST: {
        const wanted = load<u64>(rec, OPERATION_D);
        if (wanted != prot) {
          if ((wanted & ~PROT_RWX) != 0 || setAttributes(vm.table, withState(wanted, SHARED_BORROWED)) != 0) return rec;
          prot = wanted;
          borrowed = attributes | VALID | TYPE;
        }
        const count = load<u32>(page, SHARES);
        const shareable =
          (states & HOST) == OWNED || ((states & HOST) == SHARED_OWNED && count - 1 < u32.MAX_VALUE - 1);
        if (load<u64>(rec, OPERATION_C) != 1 || guest != 0 || !shareable || !hasMemcache) return rec;
        store<u8>(page, (states & ~HOST) | SHARED_OWNED, STATES);
        store<u32>(page, count + 1, SHARES);
        store<u16>(guestTable, load<u16>(guestTable) + 1);
        store<u64>(guestEntry, borrowed | (pfn << shift));
        break;
      }
      case HOST_UNSHARE_GUEST: {
        const count = load<u32>(page, SHARES);
        const left = (load<u16>(guestTable) as u32) - 1;
        const isBorrowed = (guest & (SW_STATE | VALID)) == (((SHARED_BORROWED as u64) << SW_STATE_SHIFT) | VALID);
        if (load<u64>(rec, OPERATION_B) != 1 || !isBorrowed || (states & HOST) != SHARED_OWNED) return rec;
        if (count == 0 || left < 2) return rec;
        store<u16>(guestTable, left);
        store<u64>(guestEntry, 0);
        store<u32>(page, count - 1, SHARES);
        if (count == 1) store<u8>(page, states & ~HOST, STATES);
        break;
      }
      case HOST_SHARE_HYP: {
        if (states != PRIVATE_TO_HOST) return rec;
        store<u8>(page, SHARED_WITH_HYP, STATES);
        touched |= touchAhead(rec, firstPfn, pages, words);
        break;
      }
      case HOST_UNSHARE_HYP: {
        if (states != SHARED_WITH_HYP || load<u16>(page) != 0) return rec;
        store<u8>(page, PRIVATE_TO_HOST, STATES);
        touched |= touchAhead(rec, firstPfn, pages, words);
        break;
      }
      case HOST_ABORT: {
        if (load<u64>(hostEntry) != 0) {
          if (!isSpurious(rec, load<u64>(hostEntry), result)) return rec;
          result += RESULT_SIZE;
          continue;
        }
        if (!isTranslationFault(load<u64>(rec, OPERATION_A))) return rec;
        store<u16>(hostTablePage, load<u16>(hostTablePage) + 1);
        store<u64>(hostEntry, rwx | (pfn << shift));
        noteMapped(pfn << shift, pageSize);
        break;
      }
    }
    store<u64>(result, 0);
    result += RESULT_SIZE;
  }
  lastTouched = touched;
  return end;
}

// These two verbs do nothing but one page's byte, so in random order they wait for it alone: asking for the byte of a
// record further on keeps several misses in flight (Wasm has no prefetch). Past the end it reads whatever is there.
function touchAhead(rec: usize, firstPfn: u64, pages: u64, words: usize): u32 {
  const ahead = load<u64>(rec, AHEAD + OPERATION_A) - firstPfn;
  return ahead < pages ? load<u8>(words + ((ahead as usize) << 3), STATES) : 0;
}

// A translation fault on what is mapped by now: the host retries. Writes the verb's result, reason and all.
function isSpurious(rec: usize, entry: u64, result: usize): bool {
  if (!isTranslationFault(load<u64>(rec, OPERATION_A)) || !isValid(entry)) return false;
  noteSpurious();
  store<i32>(result, -EEXIST, RESULT_RET);
  store<u32>(result, REASON_HOST_MAPPED, RESULT_REASON);
  store<u64>(result, (load<u64>(rec, OPERATION_D) & HPFAR_FIPA) << 8, RESULT_SUBJECT);
  store<u64>(result, 0, RESULT_EXPECTED);
  return true;
}
