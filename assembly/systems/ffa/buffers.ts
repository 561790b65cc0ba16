// Whose RX and TX buffers a call is about, where it can name another endpoint than the caller: the normal world stands before the
// SPMC for its VMs (src/api.c; reference ffa section 1.1, bugs section 7). Searches alone make these calls: of what the managers
// answer to them there are no recordings, and the codes of refusals are unverified.

import { PANIC_EL2_FAULT } from "../../abi/codes";
import {
  FFA_DENIED,
  FFA_INVALID_PARAMETERS,
  REASON_FFA_BUFFER_OWNER,
  REASON_FFA_ENDPOINT,
  REASON_FFA_NO_TX,
  REASON_FFA_RX_BUSY,
} from "../../abi/ffa";
import { HF_RX_ACQUIRE_UNKNOWN, HF_UNMAP_OTHERS_MAILBOX } from "../../abi/mutations";
import { isMutated } from "../../memory/mutation";
import { panic, refuse } from "../../memory/verdict";
import { Endpoint, findEndpoint, isSecure, isSpmc, NORMAL_WORLD, setRx } from "./endpoint";

/** FFA_RXTX_UNMAP: `id` is 0, or for the normal world at the SPMC the VM that it speaks for. */
export function rxtxUnmap(caller: Endpoint, id: u32): i32 {
  const owner = bufferOwner(caller, id);
  if (owner == null) return refuse(FFA_INVALID_PARAMETERS, REASON_FFA_BUFFER_OWNER, id, caller.id, 0);
  if (owner.bufferPages == 0) return refuse(FFA_INVALID_PARAMETERS, REASON_FFA_NO_TX, owner.id, 0, 0);
  setRx(owner, false);
  owner.bufferPages = 0;
  return 0;
}

/** Null where the caller has no say over the buffers of `id`. */
function bufferOwner(caller: Endpoint, id: u32): Endpoint | null {
  if (id == 0) return caller;
  const isWorld = isSpmc(caller) && caller.id == NORMAL_WORLD;
  if (!isWorld) return null;
  if (isMutated(HF_UNMAP_OTHERS_MAILBOX)) return findEndpoint(id);
  // What VMs have is the normal world's here (reference ffa, section 1.4).
  return isSecure(id) ? null : caller;
}

/** FFA_RX_ACQUIRE: the hypervisor wants to write into the RX buffer of the VM `id`, which the SPMC fills too. */
export function rxAcquire(caller: Endpoint, id: u32): i32 {
  if (caller.id != NORMAL_WORLD) return refuse(FFA_INVALID_PARAMETERS, REASON_FFA_BUFFER_OWNER, id, caller.id, 0);
  const vm = findEndpoint(id);
  if (vm == null || isSecure(id)) {
    // Its lock is taken: that of nothing.
    if (isMutated(HF_RX_ACQUIRE_UNKNOWN)) return panic(PANIC_EL2_FAULT);
    return refuse(FFA_INVALID_PARAMETERS, REASON_FFA_ENDPOINT, id, 0, 0);
  }
  if (vm.bufferPages == 0) return refuse(FFA_INVALID_PARAMETERS, REASON_FFA_NO_TX, id, 0, 0);
  if (vm.rxFull) return refuse(FFA_DENIED, REASON_FFA_RX_BUSY, id, 0, 1);
  setRx(vm, true);
  return 0;
}
