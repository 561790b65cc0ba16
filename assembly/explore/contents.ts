// Secrecy and integrity by contents: one word of every page tells whose data it holds (SECRET, GIVEN_AWAY, HOST_DATA of
// abi/explore.ts). Guests and the host write it through their own stage 2; who could read it is asked of the tables.

import { GIVEN_AWAY, READER_GUEST, READER_HOST, SECRET } from "../abi/explore";
import { OWNED, SHARED_OWNED } from "../abi/codes";
import { VM_STATE_LIVE } from "../abi/records";
import { isValid, outputAddress, S2AP_R } from "../arch/descriptor";
import { pageMask, pageShift, pageSize, pfnToPa } from "../arch/geometry";
import { readU64, writeU64 } from "../memory/dram";
import { getLeaf, leaf } from "../pagetable/walk";
import { guestStateOf } from "../systems/pkvm/annotation";
import { hostTable } from "../systems/pkvm/machine";
import { findVm, maxVms, Vm, vmAt } from "../systems/pkvm/vm";
import { DOMAIN_MAX_PAGES } from "../abi/explore";
import { domainGfn, domainPfn, frames, pages, tracer } from "./domain";
import { placeOfPage } from "./packed-state";
import { depend } from "./reads";

const HANDLE: u64 = 0xffff;

// Of the state that operations are tried in, per page: u64 contents | u32 handle of the VM that owns it alone (0 = none).
const NOTE: usize = 16;
const notes: usize = memory.data((NOTE as i32) * DOMAIN_MAX_PAGES, 8);

/** The page with which a rule is broken, in bytes. */
export let brokenAt: u64 = 0;
/** READER_*. */
export let reader: i32 = 0;

/** A guest that shares a page means what is in it for others: from then on it is no secret. */
export function giveAway(): void {
  for (let slot: u32 = 0; slot < maxVms; slot++) {
    const vm = vmAt(slot);
    if (vm.state < VM_STATE_LIVE || !vm.isProtected) continue;
    for (let i: u32 = 0; i < frames; i++) {
      getLeaf(vm.table, pfnToPa(domainGfn(i)));
      if (!isValid(leaf) || guestStateOf(leaf) != SHARED_OWNED) continue;
      const pa = outputAddress(leaf);
      if (readU64(pa + tracer) == secretOf(vm)) writeAllOver(pa, (GIVEN_AWAY as u64) | (vm.handle as u64));
    }
  }
}

/** The guest that has just written its secret at `pa` writes it all over the page: what is wiped in part is not wiped. */
export function spreadSecret(handle: u32, pa: u64): void {
  const secret = (SECRET as u64) | (handle as u64);
  if ((pa & pageMask) == tracer && readU64(pa) == secret) writeAllOver(pa - tracer, secret);
}

// The first and the last word stand for all others.
function writeAllOver(pa: u64, word: u64): void {
  writeU64(pa, word);
  writeU64(pa + tracer, word);
  writeU64(pa + pageMask - 7, word);
}

function secretOf(vm: Vm): u64 {
  return (SECRET as u64) | (vm.handle as u64);
}

/** Notes contents and owners, before operations are tried. */
export function noteContents(): void {
  for (let i: u32 = 0; i < pages; i++) {
    const note = notes + (i as usize) * NOTE;
    const pa = pfnToPa(domainPfn(i));
    store<u64>(note, readU64(pa + tracer));
    store<u32>(note, ownerAlone(pa), 8);
  }
}

// The protected VM that has the page to itself.
function ownerAlone(pa: u64): u32 {
  for (let slot: u32 = 0; slot < maxVms; slot++) {
    const vm = vmAt(slot);
    if (vm.state >= VM_STATE_LIVE && vm.isProtected && maps(vm, pa, true)) return vm.handle;
  }
  return 0;
}

// Whether a guest frame of the domain maps the page: as OWNED, or readable in any state.
function maps(vm: Vm, pa: u64, alone: bool): bool {
  for (let i: u32 = 0; i < frames; i++) {
    getLeaf(vm.table, pfnToPa(domainGfn(i)));
    if (!isValid(leaf) || outputAddress(leaf) >> pageShift != pa >> pageShift) continue;
    if (alone ? guestStateOf(leaf) == OWNED : (leaf & S2AP_R) != 0) return true;
  }
  return false;
}

/** Whether a VM still has a page at one of the domain's guest frames. */
export function mapsAnything(handle: u32): bool {
  const vm = findVm(handle);
  if (vm == null) return false;
  for (let i: u32 = 0; i < frames; i++) {
    getLeaf(vm.table, pfnToPa(domainGfn(i)));
    if (isValid(leaf)) return true;
  }
  return false;
}

/** False if the contents of a page changed that a guest owned alone before and after, and it was not the one who wrote. */
export function isIntegrityKept(writer: u32): bool {
  for (let i: u32 = 0; i < pages; i++) {
    const note = notes + (i as usize) * NOTE;
    const owner = load<u32>(note, 8);
    if (owner == 0 || owner == writer) continue;
    const pa = pfnToPa(domainPfn(i));
    if (readU64(pa + tracer) == load<u64>(note) || ownerAlone(pa) != owner) continue;
    brokenAt = pa;
    return false;
  }
  return true;
}

/**
 * False if a page that a guest owned alone is someone else's to read, and holds a word that was the guest's secret: `brokenAt`.
 * The whole page is looked at, once, when it changes hands.
 */
export function isFreedClean(): bool {
  for (let i: u32 = 0; i < pages; i++) {
    const owner = load<u32>(notes + (i as usize) * NOTE, 8);
    if (owner == 0) continue;
    const pa = pfnToPa(domainPfn(i));
    const isTheirs = hostCanRead(pa) || isReadByOthers(pa, owner);
    if (isTheirs && !isStillMapped(pa, owner) && holdsWord(pa, (SECRET as u64) | (owner as u64))) return false;
  }
  return true;
}

function isStillMapped(pa: u64, owner: u32): bool {
  const vm = findVm(owner);
  return vm != null && vm.isProtected && maps(vm, pa, false);
}

function holdsWord(pa: u64, word: u64): bool {
  for (brokenAt = pa; brokenAt < pa + pageSize; brokenAt += 8) {
    if (readU64(brokenAt) == word) return true;
  }
  return false;
}

/** False if someone else can read what a guest keeps to itself: `reader` at `brokenAt`. */
export function isSecrecyKept(): bool {
  for (let i: u32 = 0; i < pages; i++) {
    if (!isPageSecret(i)) return false;
  }
  return true;
}

/** The same of one page: true also if it holds no secret. */
export function isPageSecret(index: u32): bool {
  const pa = pfnToPa(domainPfn(index));
  const contents = readU64(pa + tracer);
  if ((contents & ~HANDLE) != (SECRET as u64)) return true;
  brokenAt = pa;
  reader = READER_HOST;
  if (hostCanRead(pa)) return false;
  reader = READER_GUEST;
  return !isReadByOthers(pa, (contents & HANDLE) as u32);
}

/** What `isFreedClean` looks at, beside the VMs and their tables: pages that their owner has no more. */
export function dependOnFreed(): void {
  for (let i: u32 = 0; i < pages; i++) {
    const owner = load<u32>(notes + (i as usize) * NOTE, 8);
    if (owner != 0 && !isStillMapped(pfnToPa(domainPfn(i)), owner)) depend(placeOfPage(i));
  }
}

/** Whether an operation wrote contents, since `noteContents`. */
export function isAnythingWritten(): bool {
  for (let i: u32 = 0; i < pages; i++) {
    if (readU64(pfnToPa(domainPfn(i)) + tracer) != load<u64>(notes + (i as usize) * NOTE)) return true;
  }
  return false;
}

// An empty entry is filled by the host's next access.
function hostCanRead(pa: u64): bool {
  getLeaf(hostTable, pa);
  return isValid(leaf) ? (leaf & S2AP_R) != 0 : leaf == 0;
}

function isReadByOthers(pa: u64, owner: u32): bool {
  for (let slot: u32 = 0; slot < maxVms; slot++) {
    const vm = vmAt(slot);
    if (vm.state >= VM_STATE_LIVE && vm.handle != owner && maps(vm, pa, false)) return true;
  }
  return false;
}
