// I21: a poisoned address of a guest stays poisoned until its VM's table is destroyed (reference pkvm-el2 section 11.3). It
// compares two states, which no look at one of them can.

import { VM_STATE_LIVE } from "../abi/records";
import { pfnToPa } from "../arch/geometry";
import { getLeaf, leaf } from "../pagetable/walk";
import { POISONED } from "../systems/pkvm/annotation";
import { maxVms, vmAt } from "../systems/pkvm/vm";
import { domainGfn, frames } from "./domain";

const MAX_SLOTS: i32 = 256;
// u16 per VM slot: a bit for each frame of the domain that was poisoned.
const noted: usize = memory.data(2 * MAX_SLOTS, 8);

/** The IPA that is poisoned no more. */
export let unpoisonedAt: u64 = 0;

/** Notes which frames are poisoned, before operations are tried. */
export function notePoison(): void {
  for (let slot: u32 = 0; slot < maxVms; slot++) {
    let bits: u32 = 0;
    for (let i: u32 = 0; i < frames; i++) {
      if (isPoisoned(slot, i)) bits |= 1 << i;
    }
    store<u16>(noted + ((slot as usize) << 1), bits as u16);
  }
}

function isPoisoned(slot: u32, frame: u32): bool {
  const vm = vmAt(slot);
  if (vm.state < VM_STATE_LIVE) return false;
  getLeaf(vm.table, pfnToPa(domainGfn(frame)));
  return leaf == POISONED;
}

/** False if an operation has taken the poison from a frame of a VM that is still there: `unpoisonedAt`. */
export function isPoisonKept(): bool {
  for (let slot: u32 = 0; slot < maxVms; slot++) {
    const bits = load<u16>(noted + ((slot as usize) << 1)) as u32;
    if (bits == 0 || vmAt(slot).state < VM_STATE_LIVE) continue;
    for (let i: u32 = 0; i < frames; i++) {
      if (((bits >> i) & 1) == 0 || isPoisoned(slot, i)) continue;
      unpoisonedAt = pfnToPa(domainGfn(i));
      return false;
    }
  }
  return true;
}
