// Refinement: the specification machine makes every call that the machine makes, from the same state, and must give the same
// answer and end in the same state (reference bugs.md section 11, checks 2 and 3).
//
// The specification knows nothing of table pages and memcaches: where the hypercalls need them, reference 3.14 and 3.0 (CHK_MC)
// are followed here. Calls that it does not have leave its state as it is. Nothing is said of calls with several pages, with pages
// or frames that it has no number for, of bounds of its counts, and in states that have no counterpart (abstraction.ts).

import { EINVAL, ENOENT, ENOMEM } from "../abi/codes";
import {
  DISAGREE_GUEST,
  DISAGREE_LIFE,
  DISAGREE_PAGE,
  DISAGREE_RESULT,
  DISAGREE_STATE,
  EXPLORE_ACCESS,
  SECRET,
} from "../abi/explore";
import * as Op from "../abi/operations";
import { GUEST_LIVE, GUEST_WRITE, HOST_ACCESS, HOST_PRIVATE, HYP_PRIVATE, NO_CALLER } from "../abi/specification";
import { ACCESS_FLAGS, ACCESS_IPA, ACCESS_VALUE } from "../abi/walk";
import { isWrite } from "../arch/access";
import { pageMask, pageShift, pfnToPa } from "../arch/geometry";
import { a, b, c, d, handle, operation, vcpuField } from "../batch/operation-record";
import { pageOf } from "../memory/regions";
import { refcount } from "../memory/vmemmap";
import { memcacheMinimum } from "../systems/pkvm/checks";
import { MEM_SHARE, MEM_UNSHARE } from "../systems/pkvm/guest-host";
import { isAndroid } from "../systems/pkvm/machine";
import { findVcpu, findVm, handleBase, loadedVcpu, Vcpu } from "../systems/pkvm/vm";
import {
  abstractState,
  gfnAt,
  NONE,
  pfnAt,
  prepareAbstraction,
  specificationGuest,
  specificationPage,
  specificationSlot,
  strangeAt,
} from "./abstraction";
import { tracer } from "./domain";
import { step } from "./specification/protocol";
import {
  guestCount,
  guestOf,
  isProtected,
  lifeOf,
  pageAt,
  pageCount,
  pages,
  rowOf,
  setPage,
  setState,
  slotBits,
  slotCount,
  slots,
} from "./specification/state";

// What the specification says of a call, where it is no result of its own (0, -errno, NO_CALLER...).
/** It has no such call: nothing changes, whatever the answer. */
const NO_CHANGE: i32 = 100;
/** Nothing. */
const SILENT: i32 = 101;
/** A guest's hypercall that EL2 handles: the machine answers 1. */
const HANDLED: i32 = 102;

/** Calls whose answers, and others of which only the states before and after were compared. */
export let answersCompared: u64 = 0;
export let statesCompared: u64 = 0;
/** DISAGREE_*, and what about. */
export let disagreement: i32 = 0;
export let disagreesAt: u64 = 0;

let isReady: bool = false;
let hasCounterpart: bool = false;
let pagesBefore: u64 = 0;
let slotsBefore: u64 = 0;
let verdict: i32 = SILENT;
/** The call may be refused for what the specification does not know, and then changes nothing. */
let mayBeRefused: bool = false;

/** Once the domain is there. */
export function prepareRefinement(): void {
  // The specification is that of Linux: Android's calls answer otherwise, and it has more of them.
  isReady = !isAndroid && prepareAbstraction();
  answersCompared = 0;
  statesCompared = 0;
}

/** Notes the state in which calls are going to be tried. */
export function noteAbstractState(): void {
  hasCounterpart = isReady && abstractState();
  pagesBefore = pages;
  slotsBefore = slots;
}

/** Makes a call on the specification, in the noted state, before the machine makes it. */
export function specify(record: usize): void {
  verdict = SILENT;
  if (!hasCounterpart) return;
  setState(pagesBefore, slotsBefore);
  mayBeRefused = false;
  verdict = operation(record) == EXPLORE_ACCESS ? accessed(record) : called(record);
}

/** Whether the machine answered and did what the specification says: else see `disagreement`. */
export function isRefined(record: usize, ret: i32, hasChanged: bool): bool {
  if (verdict == SILENT || (verdict >= NO_CALLER && verdict < NO_CHANGE)) return true;
  if (verdict == NO_CHANGE) statesCompared++;
  else if (!isAnswered(verdict == HANDLED ? 1 : verdict, ret)) return false;
  const wantedPages = pages;
  const wantedSlots = slots;
  if (!hasChanged) setState(pagesBefore, slotsBefore);
  else if (!abstractState()) return disagrees(DISAGREE_STATE, strangeAt);
  if (operation(record) == Op.FINALIZE_TEARDOWN_VM) return isSame(withTablesLeft(wantedPages), wantedSlots);
  return isSame(wantedPages, wantedSlots);
}

function isAnswered(wanted: i32, ret: i32): bool {
  answersCompared++;
  if (mayBeRefused && ret < 0) setState(pagesBefore, slotsBefore);
  else if (ret != wanted) return disagrees(DISAGREE_RESULT, ((wanted as u64) << 32) | (ret as u32 as u64));
  return true;
}

function disagrees(how: i32, at: u64): bool {
  disagreement = how;
  disagreesAt = at;
  return false;
}

// Of which VM's tables a page is the specification does not know: at the end of a VM each may come back (leaks.ts looks after that).
function withTablesLeft(wanted: u64): u64 {
  const foundPages = pages;
  const foundSlots = slots;
  for (let page: u32 = 0; page < pageCount; page++) {
    setState(foundPages, foundSlots);
    const isHosts = rowOf(page) == HOST_PRIVATE;
    setState(wanted, foundSlots);
    if (isHosts && rowOf(page) == HYP_PRIVATE) setPage(page, HOST_PRIVATE, 0);
    wanted = pages;
  }
  setState(foundPages, foundSlots);
  return wanted;
}

/** Compares the current state with the wanted one. */
function isSame(wantedPages: u64, wantedSlots: u64): bool {
  if (pages == wantedPages && slots == wantedSlots) return true;
  const foundPages = pages;
  const foundSlots = slots;
  for (let page: u32 = 0; page < pageCount; page++) {
    setState(foundPages, foundSlots);
    const bits = pageAt(page);
    setState(wantedPages, wantedSlots);
    if (bits != pageAt(page)) return disagrees(DISAGREE_PAGE, pfnToPa(pfnAt(page)));
  }
  for (let slot: u32 = 0; slot < slotCount; slot++) {
    if (slotBits(foundSlots, slot) != slotBits(wantedSlots, slot)) {
      return disagrees(DISAGREE_GUEST, pfnToPa(gfnAt(slot)));
    }
  }
  return disagrees(DISAGREE_LIFE, differingGuest(foundSlots, wantedSlots));
}

function differingGuest(foundSlots: u64, wantedSlots: u64): u64 {
  for (let guest: u32 = 0; guest < guestCount; guest++) {
    setState(0, foundSlots);
    const life = lifeOf(guest);
    setState(0, wantedSlots);
    if (life != lifeOf(guest)) return handleBase + guest;
  }
  return 0;
}

/** Makes the machine's call `record`. */
function called(record: usize): i32 {
  const op = operation(record);
  switch (op) {
    case Op.HOST_SHARE_HYP:
    case Op.HOST_UNSHARE_HYP:
      return onPage(op, a(record));
    case Op.HOST_DONATE_HYP:
    case Op.HOST_SHARE_FFA:
    case Op.HOST_UNSHARE_FFA:
      return b(record) == 1 ? onPage(op, a(record)) : SILENT;
    case Op.HYP_DONATE_HOST:
      return b(record) == 1 && isUnused(a(record)) ? onPage(op, a(record)) : SILENT;
    case Op.HYP_PIN_SHARED_MEM:
    case Op.HYP_UNPIN_SHARED_MEM:
      return a(record) >> pageShift == (b(record) - 1) >> pageShift ? onPage(op, a(record) >> pageShift) : SILENT;
    case Op.HOST_FORCE_RECLAIM_PAGE_GUEST:
      return onPage(op, a(record) >> pageShift);
    case Op.HOST_DONATE_GUEST:
    case Op.HOST_SHARE_GUEST:
      return toNamedGuest(op, record);
    case Op.HCALL_DONATE_GUEST:
      return toLoadedGuest(Op.HOST_DONATE_GUEST, record);
    case Op.HCALL_SHARE_GUEST:
      return toLoadedGuest(Op.HOST_SHARE_GUEST, record);
    case Op.HOST_UNSHARE_GUEST:
    case Op.HCALL_UNSHARE_GUEST:
      return b(record) == 1 ? onSlot(Op.HOST_UNSHARE_GUEST, handle(record), a(record)) : SILENT;
    case Op.GUEST_SHARE_HOST:
    case Op.GUEST_UNSHARE_HOST:
    case Op.RECLAIM_DYING_GUEST_PAGE:
      return onSlot(op, handle(record), a(record));
    case Op.HOST_RECLAIM_PAGE_GUEST:
      return SILENT;
    case Op.GUEST_HVC:
      return guestCalled(record);
    case Op.REFILL_MEMCACHE:
      return refilled(namedVcpu(record));
    case Op.INIT_VM:
    case Op.INIT_VCPU:
      return made(record);
    case Op.START_TEARDOWN_VM:
    case Op.FINALIZE_TEARDOWN_VM:
      return ended(op, handle(record));
    default:
      return op < Op.REPLAYED_SET_MEMCACHE ? NO_CHANGE : SILENT;
  }
}

function onPage(op: i32, pfn: u64): i32 {
  const page = specificationPage(pfn);
  return page == NONE ? SILENT : step(op, page, 0);
}

// EL2 keeps a page that is in use: -EBUSY, by a count that the specification does not have.
function isUnused(pfn: u64): bool {
  const page = pageOf(pfn);
  return page != 0 && refcount(page) == 0;
}

function onSlot(op: i32, vm: u32, gfn: u64): i32 {
  const slot = specificationSlot(vm, gfn);
  return slot == NONE ? SILENT : step(op, slot, 0);
}

function namedVcpu(record: usize): Vcpu | null {
  const vm = findVm(handle(record));
  return vm != null ? findVcpu(vm, vcpuField(record)) : null;
}

// The hypercall: first the kind of vCPU, then the refill, then the transition's own checks (reference 7.2).
function toLoadedGuest(op: i32, record: usize): i32 {
  const vcpu = loadedVcpu();
  if (vcpu == null) return -EINVAL;
  const guest = specificationGuest(vcpu.vm.handle);
  if (guest == NONE) return SILENT;
  if (isProtected(guest) != (op == Op.HOST_DONATE_GUEST)) return -EINVAL;
  const refusal = refilled(vcpu);
  return refusal == 0 ? toGuest(op, record, vcpu.vm.handle) : refusal;
}

// EL2's own function looks at neither the VM's kind nor its age, unlike the specification.
function toNamedGuest(op: i32, record: usize): i32 {
  const vcpu = namedVcpu(record);
  const guest = vcpu != null ? specificationGuest(vcpu.vm.handle) : NONE;
  if (guest == NONE || lifeOf(guest) != GUEST_LIVE || isProtected(guest) != (op == Op.HOST_DONATE_GUEST)) return SILENT;
  tablePages = vcpu!.memcache.pages;
  return toGuest(op, record, vcpu!.vm.handle);
}

// The last check is that of the vCPU's table pages.
function toGuest(op: i32, record: usize, vm: u32): i32 {
  if (op == Op.HOST_SHARE_GUEST && !isPlainShare(record)) return SILENT;
  const page = specificationPage(a(record));
  const slot = specificationSlot(vm, b(record));
  if (page == NONE || slot == NONE) return SILENT;
  const pagesThen = pages;
  const slotsThen = slots;
  const ret = step(op, page, slot);
  if (ret != 0 || tablePages >= memcacheMinimum()) return ret;
  setState(pagesThen, slotsThen);
  return -ENOMEM;
}

// One page; permissions that every CPU can give.
function isPlainShare(record: usize): bool {
  const prot = d(record);
  return c(record) == 1 && prot <= 15 && ((prot & 3) == 0 || (prot & 3) == 3);
}

/** Table pages that the vCPU has after its refill. */
let tablePages: u32 = 0;

// Pages of the host's list become EL2's until it has as many as were listed; those before a refusal stay.
function refilled(vcpu: Vcpu | null): i32 {
  if (vcpu == null) return SILENT;
  tablePages = vcpu.memcache.pages;
  let node = vcpu.hostList;
  for (; tablePages < vcpu.hostListLength; tablePages++) {
    const page = specificationPage(load<u64>(node));
    if (page == NONE) return SILENT;
    if (step(Op.HOST_DONATE_HYP, page, 0) != 0) return -ENOMEM;
    node = load<u32>(node, 8) as usize;
  }
  return 0;
}

// What the machine tells of a guest's hypercall is whether EL2 handled it, which it does but where there is no page to share.
function guestCalled(record: usize): i32 {
  const fn = a(record) as u32;
  const isWellFormed = (c(record) | d(record) | (b(record) & pageMask)) == 0;
  if ((fn != MEM_SHARE && fn != MEM_UNSHARE) || !isWellFormed) return NO_CHANGE;
  const call = fn == MEM_SHARE ? Op.GUEST_SHARE_HOST : Op.GUEST_UNSHARE_HOST;
  const ret = onSlot(call, handle(record), b(record) >> pageShift);
  if (ret >= NO_CALLER) return SILENT;
  return fn == MEM_SHARE && ret == -ENOENT ? 0 : HANDLED;
}

function made(record: usize): i32 {
  if (isAmongPages(a(record)) || isAmongPages(b(record))) return SILENT;
  if (operation(record) == Op.INIT_VCPU) return NO_CHANGE;
  const guest = specificationGuest(handle(record));
  if (guest == NONE || isAmongPages(c(record))) return SILENT;
  mayBeRefused = true;
  return step(Op.INIT_VM, guest, 0);
}

function isAmongPages(pa: u64): bool {
  return specificationPage(pa >> pageShift) != NONE;
}

function ended(op: i32, vm: u32): i32 {
  const guest = specificationGuest(vm);
  if (guest == NONE) return NO_CHANGE;
  const loaded = loadedVcpu();
  if (loaded != null && loaded.vm.handle == vm) return -EINVAL;
  return step(op, guest, 0);
}

/** Makes the access `record`. */
function accessed(record: usize): i32 {
  const request = record + Op.OPERATION_A;
  const ipa = load<u64>(request, ACCESS_IPA);
  const vm = handle(record);
  if (vm == 0) return onPage(HOST_ACCESS, ipa >> pageShift);
  const slot = specificationSlot(vm, ipa >> pageShift);
  if (slot == NONE || !isWrite(load<u32>(request, ACCESS_FLAGS))) return NO_CHANGE;
  const guest = guestOf(slot);
  if (!isProtected(guest) || lifeOf(guest) != GUEST_LIVE) return NO_CHANGE;
  const isSecret = load<u64>(request, ACCESS_VALUE) == ((SECRET as u64) | (vm as u64));
  return isSecret && (ipa & pageMask) == tracer ? step(GUEST_WRITE, slot, 0) : SILENT;
}
