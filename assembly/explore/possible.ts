// Which operations are tried in a state: what only a running guest does, and a host that does not list pages without end, and
// reclaims before it ends a VM unless the domain says otherwise: else pages have no owner any more (T7 of reference 5.7).

import { EXPLORE_ACCESS } from "../abi/explore";
import { HOST_MEMCACHE_PUSH_AT } from "../abi/el2-calls";
import { MAPPING_RECORD_LOST } from "../abi/mutations";
import {
  FINALIZE_TEARDOWN_VM,
  GUEST_HVC,
  GUEST_SHARE_HOST,
  GUEST_UNSHARE_HOST,
  HOST_MEMCACHE_PUSH,
  HOST_MEMCACHE_PUSH_LOADED,
} from "../abi/operations";
import { handle, operation, vcpuField } from "../batch/operation-record";
import { isMutated } from "../memory/mutation";
import { findVcpu, findVm, loadedVcpu, Vcpu } from "../systems/pkvm/vm";
import { mapsAnything } from "./contents";
import { abandons, longestList } from "./domain";

/** Whether the operation of a record is tried in the state in which the machine is. */
export function isPossible(record: usize): bool {
  switch (operation(record)) {
    case EXPLORE_ACCESS:
      return handle(record) == 0 || isRunning(record);
    case GUEST_SHARE_HOST:
    case GUEST_UNSHARE_HOST:
    case GUEST_HVC:
      return isRunning(record);
    case FINALIZE_TEARDOWN_VM:
      return abandons || isMutated(MAPPING_RECORD_LOST) || !mapsAnything(handle(record));
    case HOST_MEMCACHE_PUSH: {
      const vm = findVm(handle(record));
      return hasRoom(vm != null ? findVcpu(vm, vcpuField(record)) : null);
    }
    case HOST_MEMCACHE_PUSH_LOADED:
    case HOST_MEMCACHE_PUSH_AT:
      return hasRoom(loadedVcpu());
    default:
      return true;
  }
}

function isRunning(record: usize): bool {
  const vcpu = loadedVcpu();
  return vcpu != null && vcpu.vm.handle == handle(record) && vcpu.index == vcpuField(record);
}

function hasRoom(vcpu: Vcpu | null): bool {
  return vcpu != null && vcpu.hostListLength < longestList;
}
