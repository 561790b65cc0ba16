// Which stage-2 table a handle names.

import { KIND_KVM } from "../abi/config";
import { VM_STATE_LIVE } from "../abi/records";
import { Stage2 } from "../pagetable/stage2-table";
import { VMID_HLOS } from "../abi/gunyah";
import { findSpace } from "../systems/gunyah/machine";
import { existingVm } from "../systems/kvm/vm";
import { hostTable } from "../systems/pkvm/machine";
import { slotOf } from "../systems/pkvm/vm";
import { loneTable } from "./lone-table";
import { isGunyah, isLoneTable, kind } from "./machine";

/**
 * The table of a VM; of handle 0: the host's, or the lone one. Gunyah's handles are VMIDs. Null if there is none: a plain KVM
 * host has no stage 2.
 */
export function tableOf(handle: u32): Stage2 | null {
  if (isLoneTable) return handle == 0 ? loneTable : null;
  if (isGunyah) return spaceTable(handle);
  if (kind == KIND_KVM) {
    const vm = existingVm(handle);
    return vm != null ? vm.table : null;
  }
  if (handle == 0) return hostTable;
  const vm = slotOf(handle);
  return vm != null && vm.state >= VM_STATE_LIVE ? vm.table : null;
}

function spaceTable(vmid: u32): Stage2 | null {
  const space = findSpace(vmid == 0 ? VMID_HLOS : vmid);
  return space != null ? space.table : null;
}
