// What a protected guest does with its own pages: share with the host, take back; and its hypercalls
// (nvhe/mem_protect.c, nvhe/pkvm.c:kvm_handle_pvm_hvc64; reference pkvm-el2 sections 3.8, 6).

import {
  ENOENT,
  EPERM,
  NOPAGE,
  OWNED,
  PANIC_PKVM_GUEST_SHARE_HOST,
  PANIC_PKVM_GUEST_UNSHARE_HOST,
  PKVM_ID_GUEST,
  REASON_ARGUMENTS,
  REASON_GUEST_STATE,
  REASON_UNSHARED_WITH_HOST,
  SHARED_BORROWED,
  SHARED_OWNED,
} from "../../abi/codes";
import { EFFECT_GUEST_EXIT, EFFECT_HVC, EFFECT_REGISTERS } from "../../abi/records";
import { outputAddress } from "../../arch/descriptor";
import { pageMask, pageShift, pageSize, pfnToPa, truncatePfn } from "../../arch/geometry";
import { record, recording } from "../../memory/journal";
import { pageOf } from "../../memory/regions";
import { clearRefusal, panic, PANICKED, refuse } from "../../memory/verdict";
import { hostState } from "../../memory/vmemmap";
import { PROT_RWX } from "../../pagetable/attributes";
import { stage2Map } from "../../pagetable/map";
import { leaf } from "../../pagetable/walk";
import { checkGuestMapped } from "./checks";
import { guestMetadata } from "./host-guest";
import { annotateHost, setHostRange } from "./host-stage2";
import { Vcpu } from "./vm";
import { guestStateOf, withState } from "./annotation";

// guest_share_host: the host may use a page of the guest's.   nvhe/mem_protect.c:__pkvm_guest_share_host
//
//            before    after
//   guest    OWNED     SHARED_OWNED      (software bits only: no break, no TLBI)
//   host     NOPAGE    SHARED_BORROWED   (mapped at once)
export function guestShareHost(vcpu: Vcpu, frame: u64): i32 {
  const ipa = pfnToPa(truncatePfn(frame));
  const refusal = checkTransition(vcpu, ipa, OWNED, NOPAGE);
  if (refusal != 0) return refusal;

  const phys = outputAddress(leaf);
  if (setGuestState(vcpu, ipa, phys, SHARED_OWNED) != 0) return panic(PANIC_PKVM_GUEST_SHARE_HOST);
  return setHostRange(phys >> pageShift, 1, SHARED_BORROWED) == 0 ? 0 : panic(PANIC_PKVM_GUEST_SHARE_HOST);
}

// guest_unshare_host: the way back; the host is unmapped and flushed first.   nvhe/mem_protect.c:__pkvm_guest_unshare_host
export function guestUnshareHost(vcpu: Vcpu, frame: u64): i32 {
  const gfn = truncatePfn(frame);
  const refusal = checkTransition(vcpu, pfnToPa(gfn), SHARED_OWNED, SHARED_BORROWED);
  if (refusal != 0) return refusal;

  const phys = outputAddress(leaf);
  const metadata = guestMetadata(vcpu.vm, gfn);
  if (annotateHost(phys >> pageShift, 1, PKVM_ID_GUEST, metadata) != 0) return panic(PANIC_PKVM_GUEST_UNSHARE_HOST);
  return setGuestState(vcpu, pfnToPa(gfn), phys, OWNED) == 0 ? 0 : panic(PANIC_PKVM_GUEST_UNSHARE_HOST);
}

/** The guest's page first, then the host's view of it. Leaves the guest's descriptor in `leaf`. */
export function checkTransition(vcpu: Vcpu, ipa: u64, guestWants: i32, hostWants: i32): i32 {
  const refusal = checkGuestMapped(vcpu.vm.table, ipa);
  if (refusal != 0) return refusal;
  const state = guestStateOf(leaf);
  if (state != guestWants) return refuse(EPERM, REASON_GUEST_STATE, ipa, guestWants, state);
  const phys = outputAddress(leaf);
  const have = hostState(pageOf(phys >> pageShift));
  return have == hostWants ? 0 : refuse(EPERM, REASON_UNSHARED_WITH_HOST, phys, hostWants, have);
}

/** A leaf with another page state: software bits only. */
export function setGuestState(vcpu: Vcpu, ipa: u64, phys: u64, state: i32): i32 {
  vcpu.vm.table.memcache = vcpu.memcache;
  return stage2Map(vcpu.vm.table, ipa, pageSize, phys, withState(PROT_RWX, state), true, 0);
}

// Function ids (reference section 6).
const VENDOR_HYP_FEATURES: u32 = 0x86000000;
const PKVM_HYP_MEMINFO: u32 = 0xc6000002;
export const MEM_SHARE: u32 = 0xc6000003;
export const MEM_UNSHARE: u32 = 0xc6000004;

const FEATURES: u64 = 0x1d; // functions 0, 2, 3, 4
const SMCCC_RET_SUCCESS: u64 = 0;
const SMCCC_RET_INVALID_PARAMETER: u64 = -3;

// The made-up data abort of a share that finds no page: EC 0x24, IL, WnR, translation fault at level 3.
const FAKE_ABORT_ESR: u64 = 0x92000047;
const ARM_EXCEPTION_TRAP: i32 = 2;
const HPFAR_NS: u64 = 0x8000_0000_0000_0000;

/** kvm_handle_pvm_hvc64: 1 = handled at EL2, back to the guest; 0 = left to the host. */
export function guestHvc(vcpu: Vcpu, x0: u64, x1: u64, x2: u64, x3: u64): i32 {
  const fn = x0 as u32;
  if (fn == VENDOR_HYP_FEATURES) return answer(FEATURES);
  if (fn == PKVM_HYP_MEMINFO) return answer(x1 | x2 | x3 ? SMCCC_RET_INVALID_PARAMETER : pageSize);
  if (fn != MEM_SHARE && fn != MEM_UNSHARE) return leaveToHost(x0, x1, x2, x3, 0);

  if ((x2 | x3) != 0 || (x1 & pageMask) != 0) {
    refuse(-(SMCCC_RET_INVALID_PARAMETER as i32), REASON_ARGUMENTS, x1, 0, 0);
    return answer(SMCCC_RET_INVALID_PARAMETER);
  }
  const gfn = x1 >> pageShift;
  const ret = fn == MEM_SHARE ? guestShareHost(vcpu, gfn) : guestUnshareHost(vcpu, gfn);
  if (ret == PANICKED) return ret;
  if (ret == -ENOENT && fn == MEM_SHARE) return showMissingPage(vcpu, x0, x1, x2, x3);
  return answer(ret == 0 ? SMCCC_RET_SUCCESS : SMCCC_RET_INVALID_PARAMETER);
}

/** Nothing mapped there: the host is shown a write fault, and the HVC comes again after the donation. */
export function showMissingPage(vcpu: Vcpu, x0: u64, x1: u64, x2: u64, x3: u64): i32 {
  clearRefusal();
  leaveToHost(x0, x1, x2, x3, -4);
  if (recording) {
    const hpfar = HPFAR_NS | ((x1 >> 8) & ~15);
    record(EFFECT_GUEST_EXIT, ARM_EXCEPTION_TRAP, vcpu.vm.handle, FAKE_ABORT_ESR, hpfar, 0, 0);
  }
  return 0;
}

/** Back to the guest with x0, and x1 where it says more. */
export function answer(x0: u64): i32 {
  return answerTwo(x0, 0);
}

export function answerTwo(x0: u64, x1: u64): i32 {
  if (recording) recordRegisters(x0, x1, 0, 0, 0);
  return 1;
}

/** The host handles the call; with a change of the return address, after it has given what EL2 needs to go on. */
export function leaveToHost(x0: u64, x1: u64, x2: u64, x3: u64, elr: i64): i32 {
  if (recording) recordRegisters(x0, x1, x2, x3, elr);
  return 0;
}

function recordRegisters(x0: u64, x1: u64, x2: u64, x3: u64, elr: i64): void {
  record(EFFECT_HVC, 0, 0, elr as u64, 0, 0, 0);
  record(EFFECT_REGISTERS, 0, 0, x0, x1, 0, 0);
  record(EFFECT_REGISTERS, 2, 0, x2, x3, 0, 0);
}
