// Which stage-2 table a handle names.

import { KIND_CCA, KIND_FFA, KIND_KVM } from "../abi/config";
import { FFA_NON_SECURE_TABLE, FFA_NORMAL_WORLD_TABLE } from "../abi/ffa";
import { VMID_HLOS } from "../abi/gunyah";
import { VM_STATE_LIVE } from "../abi/records";
import { Stage2 } from "../pagetable/stage2-table";
import { tableWithVmid } from "../systems/cca/machine";
import { findEndpoint } from "../systems/ffa/endpoint";
import { findSpace } from "../systems/gunyah/machine";
import { existingVm } from "../systems/kvm/vm";
import { hostTable } from "../systems/pkvm/machine";
import { slotOf } from "../systems/pkvm/vm";
import { loneTable } from "./lone-table";
import { hasSecureWorld, isGunyah, isLoneTable, kind } from "./machine";

/**
 * The table of a VM; of handle 0: the host's, or the lone one. Gunyah's handles and realms' are VMIDs. Null if there is none: a plain KVM
 * host has no stage 2.
 */
export function tableOf(handle: u32): Stage2 | null {
  if (isLoneTable) return handle == 0 ? loneTable : null;
  if (isGunyah) return spaceTable(handle);
  if (isDefined(EXPLORING) && kind == KIND_CCA) return handle == 0 ? null : tableWithVmid(handle);
  if (kind == KIND_KVM) {
    const vm = existingVm(handle);
    return vm != null ? vm.table : null;
  }
  if (kind == KIND_FFA) return endpointTable(handle);
  if (handle == 0) return hostTable;
  if (isSecureWorlds(handle)) return secureWorldTable(handle);
  const vm = slotOf(handle);
  return vm != null && vm.state >= VM_STATE_LIVE ? vm.table : null;
}

function spaceTable(vmid: u32): Stage2 | null {
  const space = findSpace(vmid == 0 ? VMID_HLOS : vmid);
  return space != null ? space.table : null;
}

// An endpoint's id names its main or secure table.
function endpointTable(handle: u32): Stage2 | null {
  const endpoint = findEndpoint(handle & ~FFA_NON_SECURE_TABLE);
  if (endpoint == null) return null;
  return handle & FFA_NON_SECURE_TABLE ? endpoint.nonSecureTable : endpoint.table;
}

/** A handle that names a table of the SPMC's on a pKVM machine. */
export function isSecureWorlds(handle: u32): bool {
  return hasSecureWorld && (handle & FFA_NORMAL_WORLD_TABLE) != 0;
}

/** Whether what the table maps is in the secure physical address space: a partition's first table. */
export function isSecureOutput(handle: u32): bool {
  return isSecureWorlds(handle) && (handle & FFA_NON_SECURE_TABLE) == 0;
}

// 0 is the host's stage 2 here, so what the SPMC keeps about the normal world has another name.
function secureWorldTable(handle: u32): Stage2 | null {
  const isNormal = (handle & ~FFA_NON_SECURE_TABLE) == FFA_NORMAL_WORLD_TABLE;
  return endpointTable(isNormal ? handle & FFA_NON_SECURE_TABLE : handle);
}
