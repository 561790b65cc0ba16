// Changes to leaves that stay: write protection, access flag, permissions, cleaning (reference 2.7).
// Updates never split a block: a request for one page inside a block changes the whole block.

import { EAGAIN, EINVAL, PANIC_STAGE2_TEST_CLEAR_YOUNG, REASON_INVALID_LEAF, REASON_PROT } from "../abi/codes";
import { AGING_PARTIAL_BLOCK, RELAX_PERMS_DROPS_EXEC, RELAX_PERMS_LEVEL } from "../abi/mutations";
import { TTL_UNKNOWN } from "../abi/records";
import { AF, isExecutable, isValid, S2AP_R, S2AP_W, SW, XN, XN_SHIFT } from "../arch/descriptor";
import { granuleSize } from "../arch/geometry";
import { deferInvalidation } from "../arch/tlb-checks";
import { isMutated } from "../memory/mutation";
import { panic, refuse } from "../memory/verdict";
import { executeNever, isNormal, PROT_R, PROT_W, PROT_X } from "./attributes";
import { cleanUnmapped, flushIpaLocal, invalidateInstructions } from "./maintenance";
import { setEntry, Stage2 } from "./stage2-table";
import { address, end, entry, IGNORE_EAGAIN, LEAF, level, old, table, start, tablePage, walk } from "./walk";

let setMask: u64 = 0;
let clearMask: u64 = 0;
let makeOld: bool = false;
let young: bool = false;

/** Level of the last leaf that `updateLeaf` changed or left as it was. */
let updatedLevel: i32 = 0;

/** kvm_pgtable_stage2_wrprotect. No TLBI: the caller flushes the VMID. */
export function stage2WriteProtect(pgt: Stage2, addr: u64, size: u64): i32 {
  deferInvalidation(true);
  const ret = update(pgt, addr, size, 0, S2AP_W, IGNORE_EAGAIN);
  deferInvalidation(false);
  return ret;
}

/** kvm_pgtable_stage2_mkyoung: sets the access flag; says nothing if there is no leaf. */
export function stage2MakeYoung(pgt: Stage2, addr: u64): void {
  update(pgt, addr, 1, AF, 0, 0);
}

/** kvm_pgtable_stage2_test_clear_young: 1 if any leaf was young. No TLBI either. An address out of range is asserted. */
export function stage2TestClearYoung(pgt: Stage2, addr: u64, size: u64, mkold: bool): i32 {
  makeOld = mkold;
  young = false;
  deferInvalidation(true);
  const ret = walk(pgt, addr, size, LEAF, ageLeaf);
  deferInvalidation(false);
  if (ret != 0) return panic(PANIC_STAGE2_TEST_CLEAR_YOUNG);
  return young ? 1 : 0;
}

/** kvm_pgtable_stage2_relax_perms. Execute permission is or-ed bitwise, so asking PX of a UX-only leaf takes UX away. */
export function stage2RelaxPerms(pgt: Stage2, addr: u64, prot: u64): i32 {
  if (prot & SW) return refuse(EINVAL, REASON_PROT, prot, 0, prot as u32);
  let set: u64 = 0;
  let clear: u64 = 0;
  if (prot & PROT_R) set |= S2AP_R;
  if (prot & PROT_W) set |= S2AP_W;
  if (prot & PROT_X || isMutated(RELAX_PERMS_DROPS_EXEC)) {
    const xn = executeNever(prot);
    if (xn < 0) return xn;
    set |= (xn as u64) << XN_SHIFT;
    clear |= XN & ~((xn as u64) << XN_SHIFT);
  }
  const ret = update(pgt, addr, 1, set, clear, 0);
  if (ret == 0) flushIpaLocal(pgt, addr, updatedLevel);
  else if (ret == -EAGAIN) flushIpaLocal(pgt, addr, isMutated(RELAX_PERMS_LEVEL) ? updatedLevel : TTL_UNKNOWN);
  return ret;
}

/** kvm_pgtable_stage2_flush: cleans what is mapped as normal memory; nothing with FWB. */
export function stage2Flush(pgt: Stage2, addr: u64, size: u64): i32 {
  return walk(pgt, addr, size, LEAF, flushLeaf);
}

function update(pgt: Stage2, addr: u64, size: u64, set: u64, clear: u64, walkFlags: u32): i32 {
  setMask = set;
  clearMask = clear;
  return walk(pgt, addr, size, LEAF | walkFlags, updateLeaf);
}

function updateLeaf(kind: u32): i32 {
  if (!isValid(old)) return refuse(EAGAIN, REASON_INVALID_LEAF, address, 0, 0);
  updatedLevel = level;
  const changed = (old & ~clearMask) | setMask;
  if (changed == old) return 0;
  if (isExecutable(changed) && !isExecutable(old)) invalidateInstructions(table, changed, level);
  setEntry(table, entry, tablePage, level, address, changed);
  return 0;
}

function ageLeaf(kind: u32): i32 {
  if (isMutated(AGING_PARTIAL_BLOCK) && isValid(old) && end - start < granuleSize(level)) return -EINVAL;
  if (!isValid(old) || (old & AF) == 0) return 0;
  young = true;
  if (makeOld) setEntry(table, entry, tablePage, level, address, old & ~AF);
  return 0;
}

function flushLeaf(kind: u32): i32 {
  if (isValid(old) && isNormal(table, old)) cleanUnmapped(table, old, level);
  return 0;
}
