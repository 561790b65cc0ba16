// A call of the machine's as steps of the specification machine: what it names there, and what is done to it, one step after the
// other. On one CPU they are made together; where two interleave, each by itself (linearization.ts).
//
// The specification knows nothing of table pages and memcaches: where the hypercalls need them, reference 3.14 and 3.0 (CHK_MC)
// are followed here. Calls that it does not have leave its state as it is. Nothing is said of calls with several pages, with pages
// or frames that it has no number for, and of bounds of its counts.

import { EINVAL, ENOENT, ENOMEM } from "../abi/codes";
import { EXPLORE_ACCESS, SECRET } from "../abi/explore";
import * as Op from "../abi/operations";
import { VM_STATE_LIVE } from "../abi/records";
import { GUEST_WRITE, HOST_ACCESS, NO_CALLER } from "../abi/specification";
import { ACCESS_FLAGS, ACCESS_IPA, ACCESS_VALUE } from "../abi/walk";
import { isWrite } from "../arch/access";
import { pageMask, pageShift } from "../arch/geometry";
import { a, b, c, d, handle, operation, vcpuField } from "../batch/operation-record";
import { pageOf } from "../memory/regions";
import { refcount } from "../memory/vmemmap";
import { memcacheMinimum } from "../systems/pkvm/checks";
import { MEM_SHARE, MEM_UNSHARE } from "../systems/pkvm/guest-host";
import { findVcpu, findVm, loadedVcpu, Vcpu } from "../systems/pkvm/vm";
import { NONE, specificationGuest, specificationPage, specificationSlot } from "./abstraction";
import { tracer } from "./domain";
import { step } from "./specification/protocol";
import { gfnCount, pages, setState, slots } from "./specification/state";

// What is said of a call where it is no result of the specification's own (0, -errno, NO_CALLER...).
/** The specification has no such call: nothing changes, whatever the answer. */
export const NO_CHANGE: i32 = 100;
/** Nothing. */
export const SILENT: i32 = 101;
/** A guest's hypercall that EL2 handles: the machine answers 1. */
export const HANDLED: i32 = 102;
/** It goes on with its next step. */
export const MORE: i32 = 103;

// Steps beside those of the specification machine.
/** It is refused: the answer is `first`. */
const REFUSE: i32 = 1000;
/** The host's list alone is taken. */
const REFILL_ALONE: i32 = 1001;

// Flags.
/** It may be refused for what the specification does not know, and then changes nothing. */
export const MAY_BE_REFUSED: u32 = 1;
const GUEST_SHARES: u32 = 2;
const GUEST_UNSHARES: u32 = 4;

const LONGEST_LIST: u32 = 8;
const NO_PAGE: u64 = 0xff;

@unmanaged
export class Call {
  /** The step behind those of the refill: an operation of the specification machine, NO_CHANGE, SILENT, REFUSE, REFILL_ALONE. */
  code: i32;
  first: u32;
  second: u32;
  flags: u32;
  /** Pages that the host listed, of which as many are taken as the vCPU has not; numbers of eight bits, the first one lowest. */
  listed: u32;
  taken: u32;
  list: u64;
  /** Table pages that it needs. */
  enough: u32;
  /** What it names, one bit each. */
  pages: u32;
  slots: u32;
  /** Of a VM's end: its handle. */
  ends: u32;
}

/** Bytes of a call. */
export const CALL_BYTES: usize = 56;

/** Says what the machine's operation `record` is, before the machine makes it. */
export function describe(record: usize, call: Call): void {
  memory.fill(changetype<usize>(call), 0, CALL_BYTES);
  if (operation(record) == EXPLORE_ACCESS) describeAccess(record, call);
  else describeCall(record, call);
}

/** Makes step number `turn` of a call, in the specification's current state: its answer, or MORE. */
export function takeStep(call: Call, turn: u32): i32 {
  if (call.taken + turn < call.listed) return takeListed(call, turn);
  const code = call.code;
  if (code == NO_CHANGE || code == SILENT) return code;
  if (code == REFUSE) return call.first as i32;
  if (code == REFILL_ALONE) return 0;
  const pagesBefore = pages;
  const slotsBefore = slots;
  const ret = step(code, call.first, call.second);
  if ((call.flags & (GUEST_SHARES | GUEST_UNSHARES)) != 0) return handled(call, ret);
  // The last check is that of the vCPU's table pages.
  if (ret != 0 || max(call.taken, call.listed) >= call.enough) return ret;
  setState(pagesBefore, slotsBefore);
  return -ENOMEM;
}

// Pages of the host's list become EL2's until it has as many as were listed; those before a refusal stay.
function takeListed(call: Call, turn: u32): i32 {
  const page = (call.list >> ((turn as u64) << 3)) & NO_PAGE;
  if (page == NO_PAGE) return SILENT;
  return step(Op.HOST_DONATE_HYP, page as u32, 0) == 0 ? MORE : -ENOMEM;
}

// What the machine tells of a guest's hypercall is whether EL2 handled it, which it does but where there is no page to share.
function handled(call: Call, ret: i32): i32 {
  if (ret >= NO_CALLER) return SILENT;
  return (call.flags & GUEST_SHARES) != 0 && ret == -ENOENT ? 0 : HANDLED;
}

function describeCall(record: usize, call: Call): void {
  const op = operation(record);
  switch (op) {
    case Op.HOST_SHARE_HYP:
    case Op.HOST_UNSHARE_HYP:
      return onPage(call, op, a(record));
    case Op.HOST_DONATE_HYP:
    case Op.HOST_SHARE_FFA:
    case Op.HOST_UNSHARE_FFA:
      return b(record) == 1 ? onPage(call, op, a(record)) : say(call, SILENT);
    case Op.HYP_DONATE_HOST:
      return b(record) == 1 && isUnused(a(record)) ? onPage(call, op, a(record)) : say(call, SILENT);
    case Op.HYP_PIN_SHARED_MEM:
    case Op.HYP_UNPIN_SHARED_MEM:
      return a(record) >> pageShift == (b(record) - 1) >> pageShift
        ? onPage(call, op, a(record) >> pageShift)
        : say(call, SILENT);
    case Op.HOST_FORCE_RECLAIM_PAGE_GUEST:
      return onPage(call, op, a(record) >> pageShift);
    case Op.HOST_DONATE_GUEST:
    case Op.HOST_SHARE_GUEST:
      return toNamedGuest(call, op, record);
    case Op.HCALL_DONATE_GUEST:
      return toLoadedGuest(call, Op.HOST_DONATE_GUEST, record);
    case Op.HCALL_SHARE_GUEST:
      return toLoadedGuest(call, Op.HOST_SHARE_GUEST, record);
    case Op.HOST_UNSHARE_GUEST:
    case Op.HCALL_UNSHARE_GUEST:
      return b(record) == 1 ? onSlot(call, Op.HOST_UNSHARE_GUEST, handle(record), a(record)) : say(call, SILENT);
    case Op.GUEST_SHARE_HOST:
    case Op.GUEST_UNSHARE_HOST:
    case Op.RECLAIM_DYING_GUEST_PAGE:
      return onSlot(call, op, handle(record), a(record));
    case Op.HOST_RECLAIM_PAGE_GUEST:
      return say(call, SILENT);
    case Op.GUEST_HVC:
      return guestCalls(call, record);
    case Op.REFILL_MEMCACHE:
      return refillAlone(call, namedVcpu(record));
    case Op.INIT_VM:
    case Op.INIT_VCPU:
      return makes(call, record);
    case Op.START_TEARDOWN_VM:
    case Op.FINALIZE_TEARDOWN_VM:
      return ends(call, op, handle(record));
    default:
      return say(call, op < Op.REPLAYED_SET_MEMCACHE ? NO_CHANGE : SILENT);
  }
}

function say(call: Call, code: i32): void {
  call.code = code;
}

function refuses(call: Call, errno: i32): void {
  call.code = REFUSE;
  call.first = -errno;
}

function onPage(call: Call, op: i32, pfn: u64): void {
  const page = specificationPage(pfn);
  call.code = page == NONE ? SILENT : op;
  if (page == NONE) return;
  call.first = page;
  call.pages |= 1 << page;
}

// EL2 keeps a page that is in use: -EBUSY, by a count that the specification does not have.
function isUnused(pfn: u64): bool {
  const page = pageOf(pfn);
  return page != 0 && refcount(page) == 0;
}

function onSlot(call: Call, op: i32, vm: u32, gfn: u64): void {
  const slot = specificationSlot(vm, gfn);
  call.code = slot == NONE ? SILENT : op;
  if (slot == NONE) return;
  call.first = slot;
  call.slots |= 1 << slot;
}

function namedVcpu(record: usize): Vcpu | null {
  const vm = findVm(handle(record));
  return vm != null ? findVcpu(vm, vcpuField(record)) : null;
}

// The hypercall: first the kind of vCPU, then the refill, then the transition's own checks (reference 7.2).
function toLoadedGuest(call: Call, op: i32, record: usize): void {
  const vcpu = loadedVcpu();
  if (vcpu == null) return refuses(call, EINVAL);
  if (specificationGuest(vcpu.vm.handle) == NONE) return say(call, SILENT);
  if (vcpu.vm.isProtected != (op == Op.HOST_DONATE_GUEST)) return refuses(call, EINVAL);
  refills(call, vcpu);
  toGuest(call, op, record, vcpu);
}

// EL2's own function looks at neither the VM's kind nor its age, unlike the specification.
function toNamedGuest(call: Call, op: i32, record: usize): void {
  const vcpu = namedVcpu(record);
  if (vcpu == null || specificationGuest(vcpu.vm.handle) == NONE) return say(call, SILENT);
  if (vcpu.vm.state != VM_STATE_LIVE || vcpu.vm.isProtected != (op == Op.HOST_DONATE_GUEST)) return say(call, SILENT);
  call.taken = vcpu.memcache.pages;
  toGuest(call, op, record, vcpu);
}

function toGuest(call: Call, op: i32, record: usize, vcpu: Vcpu): void {
  onSlot(call, op, vcpu.vm.handle, b(record));
  if (call.code == SILENT) return;
  call.second = call.first;
  onPage(call, op, a(record));
  if (op == Op.HOST_SHARE_GUEST && !isPlainShare(record)) call.code = SILENT;
  call.enough = memcacheMinimum();
}

// One page; permissions that every CPU can give.
function isPlainShare(record: usize): bool {
  const prot = d(record);
  return c(record) == 1 && prot <= 15 && ((prot & 3) == 0 || (prot & 3) == 3);
}

function refills(call: Call, vcpu: Vcpu): void {
  call.taken = vcpu.memcache.pages;
  const length = vcpu.hostListLength;
  if (call.taken >= length) return;
  // Longer lists end with what nothing is said of.
  call.listed = min(length, call.taken + LONGEST_LIST);
  let node = vcpu.hostList;
  for (let i: u32 = 0; i < call.listed - call.taken; i++) {
    const page = i == LONGEST_LIST - 1 ? NONE : specificationPage(load<u64>(node));
    call.list |= (page == NONE ? NO_PAGE : (page as u64)) << ((i as u64) << 3);
    if (page != NONE) call.pages |= 1 << page;
    node = load<u32>(node, 8) as usize;
  }
}

function refillAlone(call: Call, vcpu: Vcpu | null): void {
  if (vcpu == null) return say(call, SILENT);
  refills(call, vcpu);
  call.code = REFILL_ALONE;
}

function guestCalls(call: Call, record: usize): void {
  const fn = a(record) as u32;
  const isWellFormed = (c(record) | d(record) | (b(record) & pageMask)) == 0;
  if ((fn != MEM_SHARE && fn != MEM_UNSHARE) || !isWellFormed) return say(call, NO_CHANGE);
  const isShare = fn == MEM_SHARE;
  onSlot(call, isShare ? Op.GUEST_SHARE_HOST : Op.GUEST_UNSHARE_HOST, handle(record), b(record) >> pageShift);
  call.flags = isShare ? GUEST_SHARES : GUEST_UNSHARES;
}

function makes(call: Call, record: usize): void {
  if (isAmongPages(a(record)) || isAmongPages(b(record))) return say(call, SILENT);
  if (operation(record) == Op.INIT_VCPU) return say(call, NO_CHANGE);
  const guest = specificationGuest(handle(record));
  if (guest == NONE || isAmongPages(c(record))) return say(call, SILENT);
  call.flags = MAY_BE_REFUSED;
  onGuest(call, Op.INIT_VM, guest);
}

function isAmongPages(pa: u64): bool {
  return specificationPage(pa >> pageShift) != NONE;
}

function ends(call: Call, op: i32, vm: u32): void {
  const guest = specificationGuest(vm);
  if (guest == NONE) return say(call, NO_CHANGE);
  call.ends = vm;
  onGuest(call, op, guest);
  const loaded = loadedVcpu();
  if (loaded != null && loaded.vm.handle == vm) refuses(call, EINVAL);
}

function onGuest(call: Call, op: i32, guest: u32): void {
  call.code = op;
  call.first = guest;
  call.slots = ((1 << gfnCount) - 1) << (guest * gfnCount);
}

function describeAccess(record: usize, call: Call): void {
  const request = record + Op.OPERATION_A;
  const ipa = load<u64>(request, ACCESS_IPA);
  const name = handle(record);
  if (name == 0) return onPage(call, HOST_ACCESS, ipa >> pageShift);
  const vm = findVm(name);
  onSlot(call, GUEST_WRITE, name, ipa >> pageShift);
  const isAskedOf = vm != null && vm.isProtected && vm.state == VM_STATE_LIVE;
  if (call.code == SILENT || !isAskedOf || !isWrite(load<u32>(request, ACCESS_FLAGS))) return say(call, NO_CHANGE);
  const isSecret = load<u64>(request, ACCESS_VALUE) == ((SECRET as u64) | (name as u64));
  if (!isSecret || (ipa & pageMask) != tracer) say(call, SILENT);
}
