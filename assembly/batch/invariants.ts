// The isolation invariants of the machine there is.

import { KIND_CCA } from "../abi/config";
import * as cca from "../systems/cca/invariants";
import * as gunyah from "../systems/gunyah/invariants";
import * as pkvm from "../systems/pkvm/invariants";
import { isGunyah, isPkvm, kind } from "./machine";

/** Checks the invariants whose bits are set: the number of the first that is violated, 0 if none is (or the machine has none). */
export function checkInvariants(mask: u64): i32 {
  if (isDefined(EXPLORING) && kind == KIND_CCA) return cca.checkInvariants(mask);
  if (isGunyah) return gunyah.checkInvariants(mask);
  return isPkvm ? pkvm.checkInvariants(mask) : 0;
}

export function violationSubject(): u64 {
  if (isDefined(EXPLORING) && kind == KIND_CCA) return cca.violationSubject();
  return isGunyah ? gunyah.violationSubject() : pkvm.violationSubject();
}

export function violationExpected(): u64 {
  if (isDefined(EXPLORING) && kind == KIND_CCA) return cca.violationExpected();
  return isGunyah ? gunyah.violationExpected() : pkvm.violationExpected();
}

export function violationFound(): u64 {
  if (isDefined(EXPLORING) && kind == KIND_CCA) return cca.violationFound();
  return isGunyah ? gunyah.violationFound() : pkvm.violationFound();
}
