// GRANULE_DELEGATE, GRANULE_UNDELEGATE: memory goes to the Realm world and comes back (reference cca section 6.1; rmi/granule.c).

import { GRANULE_DELEGATED, GRANULE_NS, PANIC_RMM_DELEGATE, PANIC_RMM_UNDELEGATE } from "../../abi/cca";
import { RMM_DELEGATE_ASSERTED } from "../../abi/mutations";
import { wipePage } from "../../memory/dram";
import { isMutated } from "../../memory/mutation";
import { panic } from "../../memory/verdict";
import { delegatePas, undelegatePas } from "./gpt";
import { findLocked, unlock, unlockAs } from "./granule";
import { done, refused } from "./refusal";

//            before    after
//   granule  NS        DELEGATED, zero
//   GPT      NS        Realm
export function granuleDelegate(pa: u64): i32 {
  const granule = findLocked(pa, GRANULE_NS);
  if (granule == 0) return refused();
  // EL3 keeps what is Secure or its own, and RMM knows nothing of that.
  if (!delegatePas(granule)) {
    if (isMutated(RMM_DELEGATE_ASSERTED)) return panic(PANIC_RMM_DELEGATE);
    unlock(granule);
    return refused();
  }
  wipePage(granule);
  unlockAs(granule, GRANULE_DELEGATED);
  return done();
}

//            before     after
//   granule  DELEGATED  NS
//   GPT      Realm      NS
export function granuleUndelegate(pa: u64): i32 {
  const granule = findLocked(pa, GRANULE_DELEGATED);
  if (granule == 0) return refused();
  if (!undelegatePas(granule)) return panic(PANIC_RMM_UNDELEGATE);
  unlockAs(granule, GRANULE_NS);
  return done();
}
