// Aborts that a VM takes to EL2 (reference gunyah section 5; vcpu/aarch64/src/trap_dispatch.c, vdevice, addrspace/abort.c,
// exception_inject.c). HLOS is a VM like any other, but a critical one: what can be neither handled nor passed on stops the
// machine. There is no paging and nobody else is told.

import {
  ARGUMENT_INVALID,
  GUNYAH_ABORT_DRIVEN,
  GUNYAH_ABORT_DSSBS,
  GUNYAH_ABORT_LOCKED,
  GUNYAH_ABORT_SPAN,
  MEMDB_EXTENT,
  PANIC_CRITICAL_VCPU_FAULT,
  REASON_NO_SUCH_SPACE,
  REASON_NOT_AN_ABORT,
  VCPU_FAULT,
  VCPU_VMMIO_READ,
  VCPU_VMMIO_WRITE,
  VMID_HLOS,
} from "../../abi/gunyah";
import {
  ABORT_BLOCKED,
  ABORT_EMULATED,
  ABORT_INJECTED,
  ABORT_RETRY,
  ABORT_VMMIO_READ,
  ABORT_VMMIO_WRITE,
  EFFECT_ABORT,
  EFFECT_EXCEPTION,
} from "../../abi/records";
import { isExecutable, isValid, outputAddress, S2AP_R, S2AP_W } from "../../arch/descriptor";
import { granuleSize, iaSize, pageMask } from "../../arch/geometry";
import {
  EC_DABT_CUR,
  EC_DABT_LOW,
  EC_IABT_CUR,
  EC_IABT_LOW,
  EC_SHIFT,
  exceptionClass,
  FSC,
  HPFAR_FIPA,
  IL,
  isLowerAbort,
  SPSR_MODE,
  WNR,
} from "../../arch/syndrome";
import { record, recording } from "../../memory/journal";
import { panic } from "../../memory/verdict";
import { getLeaf, leaf, leafLevel } from "../../pagetable/walk";
import { AddressSpace, findSpace, isDevice, isVmmio } from "./address-space";
import { Extent } from "./extent";
import { memdbLookup, ownerObject, ownerType } from "./memdb";
import { objectAt } from "./object";
import { flushConflict } from "./page-table";
import { deny } from "./refusal";

/** ISS of a data abort: the syndrome is valid; log2 of the access's bytes. */
const ISV: u64 = 1 << 24;
const SAS_SHIFT: u64 = 22;

const FSC_TLB_CONFLICT: u64 = 0x30;
const FSC_ALIGNMENT: u64 = 0x21;
/** Synchronous External abort, not on a table walk: what a VM is told of memory that it has no access to. */
const FSC_EXTERNAL_ABORT: u64 = 0x10;

// PSTATE, in SPSR's layout.
const MODE_EL1H: u64 = 5;
const MODE_EL1T: u64 = 4;
const AARCH32: u64 = 1 << 4;
const DAIF: u64 = 0x3c0;
const SSBS: u64 = 1 << 12;
const PAN: u64 = 1 << 22;
const TCO: u64 = 1 << 25;

/** An abort of the VM with this VMID; `flags` are GUNYAH_ABORT_*. */
export function handleAbort(vmid: u32, esr: u64, spsr: u64, far: u64, hpfar: u64, flags: u32): i32 {
  const space = findSpace(vmid);
  if (space == null) return deny(ARGUMENT_INVALID, REASON_NO_SUCH_SPACE, vmid, 0, vmid);
  if (!isLowerAbort(exceptionClass(esr))) return deny(ARGUMENT_INVALID, REASON_NOT_AN_ABORT, esr, 0, 0);
  const ipa = ((hpfar & HPFAR_FIPA) << 8) | (far & pageMask);
  if (isEmulated(space, esr, ipa)) return finish(space, ABORT_EMULATED, ipa, 0);
  if ((flags & GUNYAH_ABORT_DRIVEN) != 0 && isForVmm(space, esr, ipa)) return leaveToVmm(space, esr, ipa);
  if (isResolved(space, esr, ipa, flags)) return finish(space, ABORT_RETRY, ipa, 0);
  if (isInjected((esr & FSC) as u32)) return inject(space, esr, spsr, far, ipa, flags);
  if (vmid == VMID_HLOS) return panic(PANIC_CRITICAL_VCPU_FAULT);
  space.runState = VCPU_FAULT;
  return finish(space, ABORT_BLOCKED, ipa, 0);
}

function finish(space: AddressSpace, outcome: i32, ipa: u64, injected: u64): i32 {
  if (recording) record(EFFECT_ABORT, outcome, space.vmid, 0, ipa, injected, 0);
  return 0;
}

function isData(esr: u64): bool {
  return exceptionClass(esr) == EC_DABT_LOW;
}

function isTranslation(fsc: u32): bool {
  return fsc >= 4 && fsc <= 7;
}

function isPermission(fsc: u32): bool {
  return fsc >= 0xd && fsc <= 0xf;
}

// 1. Virtual devices: by the extent that a read-only mapping leads to, or by the range of addresses.
function isEmulated(space: AddressSpace, esr: u64, ipa: u64): bool {
  if (!isData(esr) || (esr & ISV) == 0) return false;
  const fsc = (esr & FSC) as u32;
  if (isPermission(fsc)) return isAttachedTo(space, ipa);
  return isTranslation(fsc) && isDevice(space, ipa);
}

function isAttachedTo(space: AddressSpace, ipa: u64): bool {
  if (!walksTo(space, ipa)) return false;
  const pa = outputAddress(leaf) + (ipa & (granuleSize(leafLevel) - 1));
  if (memdbLookup(pa) != 0 || ownerType != MEMDB_EXTENT) return false;
  const owner = objectAt(ownerObject);
  return owner != null && changetype<Extent>(owner).device != 0;
}

/** Whether the tables have a leaf for the address, which is then in `leaf`. */
function walksTo(space: AddressSpace, ipa: u64): bool {
  return ipa < iaSize && getLeaf(space.table, ipa) == 0 && isValid(leaf);
}

// 2. A VMM that drives the vCPU gets accesses to its ranges.
function isForVmm(space: AddressSpace, esr: u64, ipa: u64): bool {
  const bytes: u64 = (esr & ISV) != 0 ? (1 as u64) << ((esr >> SAS_SHIFT) & 3) : 1;
  return isData(esr) && isTranslation((esr & FSC) as u32) && isVmmio(space, ipa, bytes);
}

function leaveToVmm(space: AddressSpace, esr: u64, ipa: u64): i32 {
  const isWrite = (esr & WNR) != 0;
  space.runState = isWrite ? VCPU_VMMIO_WRITE : VCPU_VMMIO_READ;
  space.runAddress = ipa;
  return finish(space, isWrite ? ABORT_VMMIO_WRITE : ABORT_VMMIO_READ, ipa, 0);
}

// 3. Faults that are over: a conflict in the TLB is invalidated; a translation fault may come of another CPU's break before
// make, or be gone when the address is translated again.
function isResolved(space: AddressSpace, esr: u64, ipa: u64, flags: u32): bool {
  const fsc = esr & FSC;
  if (fsc == FSC_TLB_CONFLICT) {
    flushConflict(space.table, ipa);
    return true;
  }
  if (fsc < 5 || fsc > 7) return false;
  return (flags & GUNYAH_ABORT_LOCKED) != 0 || (walksTo(space, ipa) && isPermitted(esr));
}

function isPermitted(esr: u64): bool {
  if (!isData(esr)) return isExecutable(leaf);
  return (leaf & ((esr & WNR) != 0 ? S2AP_W : S2AP_R)) != 0;
}

/** Address size 0-3, translation 0-3, permission 1-3, alignment. */
function isInjected(fsc: u32): bool {
  return fsc <= 7 || isPermission(fsc) || fsc == (FSC_ALIGNMENT as u32);
}

// 4. A synchronous External abort: everything of the syndrome but its class and IL is dropped.
function inject(space: AddressSpace, esr: u64, spsr: u64, far: u64, ipa: u64, flags: u32): i32 {
  const isEl0 = (spsr & SPSR_MODE) == 0;
  let ec = isEl0 ? EC_IABT_LOW : EC_IABT_CUR;
  if (isData(esr)) ec = isEl0 ? EC_DABT_LOW : EC_DABT_CUR;
  const injected = ((ec as u64) << EC_SHIFT) | (esr & IL) | FSC_EXTERNAL_ABORT;
  if (recording) {
    record(EFFECT_EXCEPTION, 0, space.vmid, far, spsr, takenPstate(spsr, flags), vectorOffset(spsr));
  }
  return finish(space, ABORT_INJECTED, ipa, injected);
}

function takenPstate(spsr: u64, flags: u32): u64 {
  const pan = (flags & GUNYAH_ABORT_SPAN) != 0 ? spsr & PAN : PAN;
  return MODE_EL1H | DAIF | pan | TCO | ((flags & GUNYAH_ABORT_DSSBS) != 0 ? SSBS : 0);
}

/** From VBAR_EL1: the current level with SP_EL0 or SP_EL1, a lower one with 64 or 32 bits. */
function vectorOffset(spsr: u64): u64 {
  const mode = spsr & SPSR_MODE;
  if (mode == 0) return (spsr & AARCH32) != 0 ? 0x600 : 0x400;
  return mode == MODE_EL1T ? 0 : 0x200;
}
