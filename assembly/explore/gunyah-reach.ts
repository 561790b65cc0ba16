// Who reaches a page of a Gunyah machine, by the tables themselves: every leaf of an address space that leads to it, wherever it is.

import { isTable, isValid, outputAddress } from "../arch/descriptor";
import { granuleSize, iaSize, indexMask, levelShift, startLevel } from "../arch/geometry";
import { frameOf } from "../memory/dram";
import { childPage, rootFrame } from "../pagetable/stage2-table";
import { findSpace } from "../systems/gunyah/address-space";
import { decodeLeaf } from "../systems/gunyah/page-table";

let target: u64 = 0;
let left: u32 = 0;
let reached: u64 = 0;

/**
 * The leaf number `index`, by address, of a VM that leads to the page at `pa`: its address | its attributes of a map call's low
 * 12 bits | 0x800. 0 if there are not that many.
 */
export function reachOf(vmid: u32, pa: u64, index: u32): u64 {
  const space = findSpace(vmid);
  if (space == null) return 0;
  target = pa;
  left = index;
  reached = 0;
  search(rootFrame(space.table, 0), startLevel, 0);
  return reached;
}

// True when it is found.
function search(frame: usize, level: i32, base: u64): bool {
  for (let index: u64 = 0; index <= indexMask; index++) {
    const descriptor = load<u64>(frame + ((index as usize) << 3));
    if (!isValid(descriptor)) continue;
    const ipa = base + (index << levelShift(level));
    if (ipa >= iaSize) return false;
    if (isTable(descriptor, level)) {
      if (search(frameOf(childPage(descriptor)), level + 1, ipa)) return true;
    } else if (target - outputAddress(descriptor) < granuleSize(level)) {
      if (left-- != 0) continue;
      reached = (ipa + (target - outputAddress(descriptor))) | ((decodeLeaf(descriptor) & 0x77) as u64) | 0x800;
      return true;
    }
  }
  return false;
}
