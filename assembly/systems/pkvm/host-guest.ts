// What the host does with guests' pages: share, unshare and tune those of non-protected VMs, donate to protected ones
// (nvhe/mem_protect.c; reference pkvm-el2 sections 3.6, 3.7, 3.12).

import {
  E2BIG,
  EBUSY,
  EINVAL,
  ENOENT,
  EPERM,
  NOPAGE,
  OWNED,
  PANIC_EL2_FAULT,
  PANIC_ASSERT_HOST_SHARED_GUEST,
  PANIC_PKVM_HOST_DONATE_GUEST,
  PANIC_PKVM_HOST_SHARE_GUEST,
  PANIC_PKVM_HOST_UNSHARE_GUEST,
  PKVM_ID_GUEST,
  REASON_GUEST_STATE,
  REASON_GUEST_UNMAPPED,
  REASON_HOST_STATE,
  REASON_LEAF_SIZE,
  REASON_PROT,
  REASON_SHARE_COUNT,
  REASON_VM_PROTECTED,
  SHARED_BORROWED,
  SHARED_OWNED,
} from "../../abi/codes";
import { DONATE_GUEST_BEFORE_MEMCACHE_CHECK, SHARE_GUEST_BEFORE_MEMCACHE_CHECK } from "../../abi/mutations";
import { isValid, outputAddress } from "../../arch/descriptor";
import { granuleSize, pageShift, pageSize, pfnToPa, truncatePfn } from "../../arch/geometry";
import { pageOf } from "../../memory/regions";
import { isMutated } from "../../memory/mutation";
import { panic, PANICKED, refuse } from "../../memory/verdict";
import { hostState, setHostState, setShareCount, shareCount } from "../../memory/vmemmap";
import { PROT_RWX } from "../../pagetable/attributes";
import { stage2Map } from "../../pagetable/map";
import { stage2Unmap } from "../../pagetable/unmap";
import { stage2MakeYoung, stage2RelaxPerms, stage2TestClearYoung, stage2WriteProtect } from "../../pagetable/update";
import { getLeaf, leaf, leafLevel } from "../../pagetable/walk";
import {
  checkGuest,
  checkGuestPage,
  checkHostPage,
  checkMemcache,
  checkMemory,
  checkNoDma,
  checkPfnRange,
  checkSize,
  isCountedInBytes,
} from "./checks";
import { annotateHost } from "./host-stage2";
import { el2Debug, isAndroid } from "./machine";
import { Vcpu, Vm } from "./vm";
import { withState, guestStateOf } from "./annotation";

/** The metadata of a page donated to a guest (host_stage2_encode_gfn_meta). */
export function guestMetadata(vm: Vm, gfn: u64): u64 {
  return (vm.handle as u64) | (gfn << 16);
}

// host_share_guest: a non-protected guest may use pages of the host's.   nvhe/mem_protect.c:__pkvm_host_share_guest
//
//            before                   after
//   host     OWNED or SHARED_OWNED    SHARED_OWNED, one more guest mapping counted
//   guest    NOPAGE                   SHARED_BORROWED
// The guest is looked at before the host, the memcache last.
export function hostShareGuest(vcpu: Vcpu, pfn: u64, frame: u64, pages: u64, prot: u64): i32 {
  const table = vcpu.vm.table;
  const ipa = pfnToPa(frame);
  const phys = pfnToPa(pfn);
  if (prot & ~PROT_RWX) return refuse(EINVAL, REASON_PROT, prot, PROT_RWX as u32, prot as u32);
  if (isDefined(EXPLORING) && isCountedInBytes() && (truncatePfn(pfn) != pfn || truncatePfn(pages) != pages)) {
    return shareWrapped(vcpu, truncatePfn(pfn), frame, truncatePfn(pages), prot);
  }
  let refusal = checkPfnRange(pfn, pages);
  if (refusal == 0) refusal = checkSize(phys, ipa, pages);
  if (refusal == 0) refusal = checkMemory(phys, phys + pfnToPa(pages));
  if (refusal == 0) refusal = checkGuest(table, ipa, pfnToPa(pages), NOPAGE);
  if (refusal == 0) refusal = checkShareable(pfn, pages);
  if (refusal == 0 && !isMutated(SHARE_GUEST_BEFORE_MEMCACHE_CHECK)) refusal = checkMemcache(vcpu);
  if (refusal != 0) return refusal;

  const first = pageOf(pfn);
  for (let i: usize = 0; i < (pages as usize); i++) {
    const page = first + (i << 3);
    setHostState(page, SHARED_OWNED);
    setShareCount(page, shareCount(page) + 1);
  }
  table.memcache = vcpu.memcache;
  const ret = stage2Map(table, ipa, pfnToPa(pages), phys, withState(prot, SHARED_BORROWED), true, 0);
  return ret == 0 ? 0 : panic(PANIC_PKVM_HOST_SHARE_GUEST);
}

// What is left of the arguments as bytes passes the checks; then the states are written that the whole of them names, which
// are nobody's: EL2 has no such entries of the vmemmap.
function shareWrapped(vcpu: Vcpu, pfn: u64, frame: u64, pages: u64, prot: u64): i32 {
  const ret = hostShareGuest(vcpu, pfn, frame, pages, prot);
  return ret == 0 ? panic(PANIC_EL2_FAULT) : ret;
}

// Pages of the host's own, or already shared with guests and with nobody else.
function checkShareable(pfn: u64, pages: u64): i32 {
  const first = pageOf(pfn);
  for (let i: u64 = 0; i < pages; i++) {
    const page = first + ((i as usize) << 3);
    const have = hostState(page);
    if (have == OWNED) {
      const inUse = isAndroid ? checkNoDma(pfn + i, 1, EPERM) : 0;
      if (inUse != 0) return inUse;
      continue;
    }
    if (have != SHARED_OWNED) return refuse(EPERM, REASON_HOST_STATE, pfnToPa(pfn + i), OWNED, have);
    const count = shareCount(page);
    if (count == u32.MAX_VALUE) return refuse(EBUSY, REASON_SHARE_COUNT, pfnToPa(pfn + i), 0, count);
    if (count == 0) return refuse(EPERM, REASON_SHARE_COUNT, pfnToPa(pfn + i), 1, 0);
  }
  return 0;
}

// What checkSharedWithGuest found: the pages behind the leaf.
let sharedPfn: u64 = 0;
let sharedPages: u64 = 0;

// __check_host_shared_guest: one leaf of exactly `size` bytes (0: of any size) that maps pages the host shares.
function checkSharedWithGuest(vm: Vm, ipa: u64, size: u64): i32 {
  const ret = getLeaf(vm.table, ipa);
  if (ret != 0) return ret;
  if (!isValid(leaf)) return refuse(ENOENT, REASON_GUEST_UNMAPPED, ipa, 0, 0);
  const granule = granuleSize(leafLevel);
  if (size != 0 && granule != size) return refuse(E2BIG, REASON_LEAF_SIZE, ipa, size == pageSize ? 3 : 2, leafLevel);
  const state = guestStateOf(leaf);
  if (state != SHARED_BORROWED) return refuse(EPERM, REASON_GUEST_STATE, ipa, SHARED_BORROWED, state);
  sharedPfn = outputAddress(leaf) >> pageShift;
  sharedPages = granule >> pageShift;
  if (checkMemory(pfnToPa(sharedPfn), pfnToPa(sharedPfn) + granule) != 0) return panic(PANIC_PKVM_HOST_UNSHARE_GUEST);
  const first = pageOf(sharedPfn);
  for (let i: u64 = 0; i < sharedPages; i++) {
    const page = first + ((i as usize) << 3);
    const have = hostState(page);
    if (have != SHARED_OWNED) return refuse(EPERM, REASON_HOST_STATE, pfnToPa(sharedPfn + i), SHARED_OWNED, have);
    if (shareCount(page) == 0) return panic(PANIC_PKVM_HOST_UNSHARE_GUEST);
  }
  return 0;
}

// host_unshare_guest: the guest's mapping goes, a page without mappings is the host's alone again. Needs no vCPU and
// works on a dying VM. A part of a block cannot be unshared.   nvhe/mem_protect.c:__pkvm_host_unshare_guest
export function hostUnshareGuest(vm: Vm, frame: u64, pages: u64): i32 {
  const ipa = pfnToPa(frame);
  let refusal = checkSize(0, ipa, pages);
  if (refusal == 0) refusal = checkSharedWithGuest(vm, ipa, pfnToPa(pages));
  if (refusal != 0) return refusal;

  const ret = stage2Unmap(vm.table, ipa, pfnToPa(pages));
  if (ret != 0) return ret;
  const first = pageOf(sharedPfn);
  for (let i: usize = 0; i < (sharedPages as usize); i++) {
    const page = first + (i << 3);
    const left = shareCount(page) - 1;
    setShareCount(page, left);
    if (left == 0) setHostState(page, OWNED);
  }
  return 0;
}

// host_donate_guest: a page moves from the host to a guest.   nvhe/mem_protect.c:__pkvm_host_donate_guest
//
//            before    after
//   host     OWNED     NOPAGE    (the host's entry keeps the new owner's handle and frame)
//   guest    NOPAGE    OWNED
export function hostDonateGuest(vcpu: Vcpu, pfn: u64, frame: u64): i32 {
  const vm = vcpu.vm;
  const gfn = truncatePfn(frame);
  const page = truncatePfn(pfn);
  let refusal = checkHostPage(page, OWNED);
  if (refusal == 0) refusal = checkGuestPage(vm.table, pfnToPa(gfn), NOPAGE);
  if (refusal == 0 && !isMutated(DONATE_GUEST_BEFORE_MEMCACHE_CHECK)) refusal = checkMemcache(vcpu);
  if (refusal != 0) return refusal;

  // The host is unmapped and flushed before the guest is mapped: never both.
  if (annotateHost(page, 1, PKVM_ID_GUEST, guestMetadata(vm, gfn)) != 0) return panic(PANIC_PKVM_HOST_DONATE_GUEST);
  vm.table.memcache = vcpu.memcache;
  const ret = stage2Map(vm.table, pfnToPa(gfn), pageSize, pfnToPa(page), withState(PROT_RWX, OWNED), true, 0);
  return ret == 0 ? 0 : panic(PANIC_PKVM_HOST_DONATE_GUEST);
}

// assert_host_shared_guest: with NVHE_EL2_DEBUG the permission and ageing calls first demand a page the host shares.
function assertShared(vm: Vm, ipa: u64, size: u64): i32 {
  if (!el2Debug) return 0;
  const ret = checkSharedWithGuest(vm, ipa, size);
  return ret == 0 || ret == -ENOENT ? 0 : panic(PANIC_ASSERT_HOST_SHARED_GUEST);
}

function checkNonProtected(vm: Vm): i32 {
  return vm.isProtected ? refuse(EPERM, REASON_VM_PROTECTED, vm.handle, 0, 1) : 0;
}

// nvhe/mem_protect.c:__pkvm_host_relax_perms_guest
export function hostRelaxPermsGuest(vcpu: Vcpu, frame: u64, prot: u64): i32 {
  const vm = vcpu.vm;
  const ipa = pfnToPa(frame);
  const refusal = checkNonProtected(vm);
  if (refusal != 0) return refusal;
  if (prot & ~PROT_RWX) return refuse(EINVAL, REASON_PROT, prot, PROT_RWX as u32, prot as u32);
  return assertShared(vm, ipa, 0) == PANICKED ? PANICKED : stage2RelaxPerms(vm.table, ipa, prot);
}

// nvhe/mem_protect.c:__pkvm_host_wrprotect_guest. No TLBI: the host flushes the VMID.
export function hostWrprotectGuest(vm: Vm, frame: u64, pages: u64): i32 {
  const ipa = pfnToPa(frame);
  let refusal = checkNonProtected(vm);
  if (refusal == 0) refusal = checkSize(0, ipa, pages);
  if (refusal == 0) refusal = assertShared(vm, ipa, pfnToPa(pages));
  return refusal != 0 ? refusal : stage2WriteProtect(vm.table, ipa, pfnToPa(pages));
}

// nvhe/mem_protect.c:__pkvm_host_test_clear_young_guest. An IPA out of range is asserted.
export function hostTestClearYoungGuest(vm: Vm, frame: u64, pages: u64, mkold: bool): i32 {
  const ipa = pfnToPa(frame);
  let refusal = checkNonProtected(vm);
  if (refusal == 0) refusal = checkSize(0, ipa, pages);
  if (refusal == 0) refusal = assertShared(vm, ipa, pfnToPa(pages));
  return refusal != 0 ? refusal : stage2TestClearYoung(vm.table, ipa, pfnToPa(pages), mkold);
}

// nvhe/mem_protect.c:__pkvm_host_mkyoung_guest
export function hostMkyoungGuest(vcpu: Vcpu, frame: u64): i32 {
  const ipa = pfnToPa(frame);
  let refusal = checkNonProtected(vcpu.vm);
  if (refusal == 0) refusal = assertShared(vcpu.vm, ipa, 0);
  if (refusal != 0) return refusal;
  stage2MakeYoung(vcpu.vm.table, ipa);
  return 0;
}
