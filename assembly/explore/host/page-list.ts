// Android: a list of pages that goes to EL2 in one call, for a driver of EL2's that needs memory. EL2 takes one after the other, and
// if one cannot be taken gives those before it back (reference bugs.md section 6; how EL2 answers in detail is unverified).

import { EFAULT, ENOMEM } from "../../abi/codes";
import { HOST_DONATE_HYP, HYP_DONATE_HOST } from "../../abi/operations";
import { SGLIST_DONATE } from "../../abi/mutations";
import { isMutated } from "../../memory/mutation";
import { allocate, freeFrame, KERNEL } from "./frames";
import { call } from "./hypercalls";

/** A list of a page of the host's own and one of a process's, which EL2 gives back as soon as it is done with them. */
export function donateList(users: u64): i32 {
  if (users == 0) return -EFAULT;
  const own = allocate(1, KERNEL);
  if (own == 0) return -ENOMEM;
  let ret = call(HOST_DONATE_HYP, 0, 0, own, 1, 0, 0);
  if (ret == 0) {
    ret = call(HOST_DONATE_HYP, 0, 0, users, 1, 0, 0);
    if (ret == 0) call(HYP_DONATE_HOST, 0, 0, users, 1, 0, 0);
    if (ret == 0 || !isMutated(SGLIST_DONATE)) call(HYP_DONATE_HOST, 0, 0, own, 1, 0, 0);
  }
  freeFrame(own);
  return ret;
}
