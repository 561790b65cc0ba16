// Which VMIDs are taken: one bit each (lib/realm/src/vmid.c). VMID 0 is nobody's.

import { reserve } from "../../memory/heap";

let taken: usize = 0;
let limit: u32 = 0;

export function reserveVmids(count: u32): bool {
  limit = count;
  taken = reserve(((count >> 6) + 1) << 3);
  return taken != 0;
}

function word(vmid: u32): usize {
  return taken + (((vmid >> 6) as usize) << 3);
}

export function isVmidTaken(vmid: u32): bool {
  return vmid < limit && ((load<u64>(word(vmid)) >> (vmid & 63)) & 1) != 0;
}

/** False if there is no such VMID, or a realm has it. */
export function takeVmid(vmid: u64): bool {
  if (vmid == 0 || vmid >= (limit as u64) || isVmidTaken(vmid as u32)) return false;
  const at = word(vmid as u32);
  store<u64>(at, load<u64>(at) | ((1 as u64) << (vmid & 63)));
  return true;
}

export function freeVmid(vmid: u32): void {
  const at = word(vmid);
  store<u64>(at, load<u64>(at) & ~((1 as u64) << (vmid & 63)));
}

export function vmidLimit(): u32 {
  return limit;
}
