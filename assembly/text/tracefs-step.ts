// One recorded step on the model: the line's fields become an operation record, the operation runs, and what the line says
// came out of it is compared with the model (traces README: mem_op, host_mem_abort).

import {
  FIELD_CNT,
  FIELD_GUEST,
  FIELD_HOST,
  FIELD_HYP,
  FIELD_PANIC,
  FIELD_PFN,
  FIELD_RET,
  FIELD_SIZE,
  FIELD_START,
  REFUSED_ARGUMENTS,
  REPORT_STEPS,
  REPORT_STEPS_DIVERGED,
  STATE_UNKNOWN,
  STEP_CNT,
  STEP_GFN,
  STEP_GUEST,
  STEP_HOST,
  STEP_HYP,
  STEP_LENGTH,
  STEP_LINE,
  STEP_NR,
  STEP_OPERATION,
  STEP_PFN,
  STEP_RET,
  STEP_VM,
  TRACEFS_INPUT,
  TRACEFS_LIMIT,
  TRACEFS_PANICKED,
  TRACEFS_REFUSED,
} from "../abi/tracefs";
import { EEXIST, EHWPOISON, ENOMEM, EPERM, POISON } from "../abi/codes";
import {
  GUEST_SHARE_HOST,
  GUEST_UNSHARE_HOST,
  HOST_ABORT,
  HOST_DONATE_GUEST,
  HOST_DONATE_HYP,
  HOST_FORCE_RECLAIM_PAGE_GUEST,
  HOST_RECLAIM_PAGE_GUEST,
  HOST_SHARE_FFA,
  HOST_SHARE_GUEST,
  HOST_SHARE_HYP,
  HOST_UNSHARE_FFA,
  HOST_UNSHARE_GUEST,
  HOST_UNSHARE_HYP,
  HYP_DONATE_HOST,
  HYP_PIN_SHARED_MEM,
  HYP_UNPIN_SHARED_MEM,
  REPLAYED_SET_MEMCACHE,
  OPERATION_A,
  OPERATION_B,
  OPERATION_C,
  OPERATION_CODE,
  OPERATION_D,
  OPERATION_SIZE,
  OPERATION_VM,
} from "../abi/operations";
import {
  ABORT_MAPPED,
  ABORT_SPURIOUS,
  RESULT_REASON,
  RESULT_RET,
  RESULT_SIZE,
  RESULT_STATUS,
  STATUS_INVALID,
  STATUS_LIMIT,
  STATUS_OK,
} from "../abi/records";
import { isValid, outputAddress } from "../arch/descriptor";
import { pageShift, pfnToPa } from "../arch/geometry";
import {
  guestStateOf,
  hostStateOf,
  hypStateOf,
  lastAbortOutcome,
  lastAbortSize,
  lastAbortStart,
  refcountOf,
  shareCountOf,
} from "../systems/pkvm/queries";
import { leafDescriptor, replayedGuestLeaf, replayedSetMemcache } from "../systems/pkvm/replayed";
import { noteOperation, notePreparation, run } from "./tape";
import { count, noteDivergence, refuse } from "./tracefs-report";

/** pfn of a step that found no page. */
export const PFN_UNKNOWN: u64 = 0xf_ffff_ffff_ffff;

/** The operation record and the result of the step run last. */
export const record: usize = memory.data(OPERATION_SIZE, 8);
export const result: usize = memory.data(RESULT_SIZE, 8);

/** KVM_PGTABLE_PROT_R | W | X: the trace does not say with which permissions a page was shared. */
const RWX: u64 = 15;
/** More table pages than any mapping needs. */
const PLENTY: u32 = 1024;

// Where the model and the line first differ.
let expected: u64 = 0;
let found: u64 = 0;

/** Whether the function takes exactly one page. */
export function isOnePage(operation: i32): bool {
  switch (operation) {
    case HOST_DONATE_HYP:
    case HYP_DONATE_HOST:
    case HOST_SHARE_FFA:
    case HOST_UNSHARE_FFA:
    case HYP_PIN_SHARED_MEM:
    case HYP_UNPIN_SHARED_MEM:
    case HOST_SHARE_GUEST:
    case HOST_UNSHARE_GUEST:
      return false;
    default:
      return true;
  }
}

/** Whether the line names a VM exactly if a guest takes part. A force reclaim names the one it finds, if any. */
export function hasHandle(operation: i32, handle: u64): bool {
  switch (operation) {
    case HOST_FORCE_RECLAIM_PAGE_GUEST:
      return true;
    case HOST_SHARE_GUEST:
    case HOST_UNSHARE_GUEST:
    case HOST_DONATE_GUEST:
    case GUEST_SHARE_HOST:
    case GUEST_UNSHARE_HOST:
    case HOST_RECLAIM_PAGE_GUEST:
      return handle != 0;
    default:
      return handle == 0;
  }
}

/** Runs `step`, number `seq`, and compares. TRACEFS_INPUT if the replay can go on. */
export function runStep(step: usize, seq: u64): i32 {
  prepareRecord(step);
  const page = findsPage(step) ? guestPage(step) : PFN_UNKNOWN;
  run(record, result);
  const status = load<u16>(result, RESULT_STATUS);
  if (status != STATUS_OK) return stopAt(step, seq, status);
  const field = load<u8>(step, STEP_OPERATION) == HOST_ABORT ? compareAbort(step) : compareOperation(step, page);
  count(REPORT_STEPS);
  noteOperation(load<u32>(step, STEP_LINE), field, expected);
  if (field != 0) diverge(step, seq, field);
  return TRACEFS_INPUT;
}

function diverge(step: usize, seq: u64, field: i32): void {
  count(REPORT_STEPS_DIVERGED);
  noteDivergence(load<u32>(step, STEP_LINE), load<u8>(step, STEP_OPERATION), seq, field, expected, found, 0);
}

function stopAt(step: usize, seq: u64, status: u32): i32 {
  if (status == STATUS_INVALID) {
    refuse(REFUSED_ARGUMENTS, load<u32>(step, STEP_LINE), seq, 0);
    return TRACEFS_REFUSED;
  }
  if (status == STATUS_LIMIT) return TRACEFS_LIMIT;
  count(REPORT_STEPS);
  expected = 0;
  found = load<u16>(result, RESULT_REASON);
  noteOperation(load<u32>(step, STEP_LINE), FIELD_PANIC, expected);
  diverge(step, seq, FIELD_PANIC);
  return TRACEFS_PANICKED;
}

function prepareRecord(step: usize): void {
  const operation: i32 = load<u8>(step, STEP_OPERATION);
  const pfn = load<u64>(step, STEP_PFN);
  const gfn = load<u64>(step, STEP_GFN);
  const nr = load<u64>(step, STEP_NR);
  store<u64>(record, 0); // operation, VM and vCPU
  store<u16>(record, operation, OPERATION_CODE);
  store<u16>(record, load<u32>(step, STEP_VM) as u16, OPERATION_VM);
  switch (operation) {
    case HOST_ABORT:
      return prepareAbort(step);
    case HYP_PIN_SHARED_MEM:
    case HYP_UNPIN_SHARED_MEM:
      return setArguments(pfnToPa(pfn), pfnToPa(pfn + nr));
    case HOST_SHARE_GUEST:
      setTablePages(step);
      return setArguments(pfn, gfn, nr, RWX);
    case HOST_DONATE_GUEST:
      setTablePages(step);
      return setArguments(pfn, gfn);
    case HOST_UNSHARE_GUEST:
      return setArguments(gfn, nr);
    case HOST_SHARE_HYP:
    case HOST_UNSHARE_HYP:
      return setArguments(pfn, 0);
    case GUEST_SHARE_HOST:
    case GUEST_UNSHARE_HOST:
    case HOST_RECLAIM_PAGE_GUEST:
      return setArguments(gfn, 0);
    case HOST_FORCE_RECLAIM_PAGE_GUEST:
      store<u16>(record, 0, OPERATION_VM); // EL2 finds the VM in the host's annotation
      return setArguments(pfnToPa(pfn), 0);
    default:
      return setArguments(pfn, nr);
  }
}

function setArguments(a: u64, b: u64, c: u64 = 0, d: u64 = 0): void {
  store<u64>(record, a, OPERATION_A);
  store<u64>(record, b, OPERATION_B);
  store<u64>(record, c, OPERATION_C);
  store<u64>(record, d, OPERATION_D);
}

// How many table pages the vCPU's memcache holds is not in the trace, but -ENOMEM says that they were too few (CHK_MC).
function setTablePages(step: usize): void {
  const pages: u32 = load<i32>(step, STEP_RET) == -ENOMEM ? 0 : PLENTY;
  if (replayedSetMemcache(pages)) notePreparation(REPLAYED_SET_MEMCACHE, 0, pages);
}

// The line has the IPA that EL2 found, by whichever way. HPFAR_EL2 bits 43:4 are IPA bits 51:12; where EL2 would have used
// the AT instruction instead, the address it translates is made the IPA itself. SPSR is not in the trace: EL0.
function prepareAbort(step: usize): void {
  const ipa = load<u64>(step, STEP_PFN);
  const esr = load<u64>(step, STEP_GFN);
  const far = hasFaultIpa(esr) ? load<u64>(step, STEP_NR) : ipa;
  setArguments(esr, 0, far, (ipa >> 12) << 4);
}

/** Whether HPFAR_EL2 holds the address of this fault (reference pkvm-el2 section 4.1). */
function hasFaultIpa(esr: u64): bool {
  const status = (esr & 0x3f) as u32;
  const walk = (esr & 0x80) != 0; // S1PTW
  return status < 12 || (status < 16 && walk) || status == 0x29 || status == 0x2b;
}

function differs(recorded: u64, modelled: u64): bool {
  expected = recorded;
  found = modelled;
  return recorded != modelled;
}

/** Whether the step found its page in the guest's table, where it may be gone afterwards. */
function findsPage(step: usize): bool {
  if (load<i32>(step, STEP_RET) != 0) return false;
  switch (load<u8>(step, STEP_OPERATION) as i32) {
    case HOST_UNSHARE_GUEST:
    case GUEST_SHARE_HOST:
    case GUEST_UNSHARE_HOST:
    case HOST_RECLAIM_PAGE_GUEST:
      return true;
    default:
      return false;
  }
}

/** The frame that the guest's entry for the step's gfn maps. */
function guestPage(step: usize): u64 {
  const ipa = pfnToPa(load<u64>(step, STEP_GFN));
  if (!replayedGuestLeaf(load<u32>(step, STEP_VM), ipa) || !isValid(leafDescriptor())) return PFN_UNKNOWN;
  return outputAddress(leafDescriptor()) >> pageShift;
}

function compareOperation(step: usize, page: u64): i32 {
  const operation: i32 = load<u8>(step, STEP_OPERATION);
  if (differs(load<i32>(step, STEP_RET) as u64, innerResult(step) as u64)) return FIELD_RET;
  const pfn = load<u64>(step, STEP_PFN);
  if (page != PFN_UNKNOWN && differs(pfn, page)) return FIELD_PFN;
  if (pfn != PFN_UNKNOWN) {
    const host = load<u8>(step, STEP_HOST);
    if (host != STATE_UNKNOWN && differs(host, hostStateOf(pfn) as u64)) return FIELD_HOST;
    const hyp = load<u8>(step, STEP_HYP);
    if (hyp != STATE_UNKNOWN && differs(hyp, hypStateOf(pfn) as u64)) return FIELD_HYP;
    const pins = operation == HYP_PIN_SHARED_MEM || operation == HYP_UNPIN_SHARED_MEM;
    if (differs(load<u64>(step, STEP_CNT), pins ? refcountOf(pfn) : shareCountOf(pfn))) return FIELD_CNT;
  }
  const guest = load<u8>(step, STEP_GUEST);
  if (guest == STATE_UNKNOWN) return 0;
  const state = guestStateOf(load<u32>(step, STEP_VM), load<u64>(step, STEP_GFN));
  return differs(guest, state as u64) ? FIELD_GUEST : 0;
}

// The trace has what the function found; its caller turns "poisoned" into success (reference pkvm-el2 section 3.10).
function innerResult(step: usize): i32 {
  const ret = load<i32>(result, RESULT_RET);
  if (ret != 0 || (load<u8>(step, STEP_OPERATION) as i32) != HOST_RECLAIM_PAGE_GUEST) return ret;
  // A poisoned entry stays; what was reclaimed is gone.
  return guestStateOf(load<u32>(step, STEP_VM), load<u64>(step, STEP_GFN)) == POISON ? -EHWPOISON : 0;
}

function compareAbort(step: usize): i32 {
  const outcome = lastAbortOutcome();
  const ret = outcome == ABORT_MAPPED ? 0 : outcome == ABORT_SPURIOUS ? -EEXIST : -EPERM;
  if (differs(load<i32>(step, STEP_RET) as u64, ret as u64)) return FIELD_RET;
  if (ret != 0) return 0;
  if (differs(load<u64>(step, STEP_CNT), lastAbortStart())) return FIELD_START;
  return differs(load<u64>(step, STEP_LENGTH), lastAbortSize()) ? FIELD_SIZE : 0;
}
