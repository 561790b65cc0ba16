// The host's side of FF-A sharing: EL2 keeps no state of the secure world
// (nvhe/mem_protect.c:__pkvm_host_share_ffa, __pkvm_host_unshare_ffa; reference pkvm-el2 section 3.13).

import { OWNED, SHARED_OWNED } from "../../abi/codes";
import { checkHost, checkPfnRange } from "./checks";
import { setHostStates } from "./host-stage2";

export function hostShareFfa(pfn: u64, pages: u64): i32 {
  return change(pfn, pages, OWNED, SHARED_OWNED);
}

// Looks at the host's state alone: pages shared with EL2 or with guests pass as well.
export function hostUnshareFfa(pfn: u64, pages: u64): i32 {
  return change(pfn, pages, SHARED_OWNED, OWNED);
}

function change(pfn: u64, pages: u64, from: i32, to: i32): i32 {
  let refusal = checkPfnRange(pfn, pages);
  if (refusal == 0) refusal = checkHost(pfn, pages, from);
  if (refusal != 0) return refusal;

  setHostStates(pfn, pages, to);
  return 0;
}
