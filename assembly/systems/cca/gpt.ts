// EL3 and the granule protection table (reference cca section 1; TF-A lib/gpt_rme/gpt_rme.c). EL3 zeroes nothing.

import { GPT_NO_ACCESS, GPT_NS, GPT_REALM, REASON_RMM_EL3, RMI_ERROR_INPUT } from "../../abi/cca";
import { gptOf, paOf, setGpt } from "./granule";
import { fail } from "./refusal";

/** gpt_delegate_pas for the Realm world: only what is Non-secure. False with the refusal noted. */
export function delegatePas(granule: usize): bool {
  const value = gptOf(granule);
  if (value != GPT_NS) return fail(RMI_ERROR_INPUT, REASON_RMM_EL3, paOf(granule), GPT_NS, value);
  setGpt(granule, GPT_REALM);
  return true;
}

/** gpt_undelegate_pas: only the caller's own. Between the two writes nobody reaches the granule. */
export function undelegatePas(granule: usize): bool {
  const value = gptOf(granule);
  if (value != GPT_REALM) return fail(RMI_ERROR_INPUT, REASON_RMM_EL3, paOf(granule), GPT_REALM, value);
  setGpt(granule, GPT_NO_ACCESS);
  setGpt(granule, GPT_NS);
  return true;
}

/** Whether the Non-secure world reaches it, or a realm through a mapping of the unprotected half. */
export function isNonSecure(granule: usize): bool {
  return gptOf(granule) == GPT_NS;
}

/** Whether a realm reaches it through its protected half. */
export function isRealm(granule: usize): bool {
  return gptOf(granule) == GPT_REALM;
}
