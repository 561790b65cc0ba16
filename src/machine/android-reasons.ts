// Refusals of Android's pKVM in words (codes: assembly/abi/android.ts).

import * as android from "../../assembly/abi/android.js";
import { count, pageStateName } from "./names.js";
import type { Reason } from "./reasons.js";

const uses = (value: number) => count(value, "use");

// prettier-ignore
export const ANDROID_REASONS: readonly (readonly [code: number, reason: Reason])[] = [
  [android.REASON_DMA_USE,         ["host", "pfn", uses, "SUBJECT is mapped for devices (FOUND)"]],
  [android.REASON_MODULE_RANGE,    ["host", "pfn", pageStateName, "SUBJECT is FOUND at the host, the pages before it are EXPECTED"]],
  [android.REASON_MMIO_UNGUARDED,  ["guest", "ipa", null, "the guest has not registered SUBJECT for MMIO: the access goes back to it"]],
  [android.REASON_NOT_ENROLLED,    ["vm", "vm", null, "SUBJECT has not asked for MMIO guard"]],
  [android.REASON_LENT_BY_FFA,     ["guest", "gfn", null, "SUBJECT is lent through FF-A: EL2 must release it first"]],
  [android.REASON_HOST_PERMISSION, ["host", "ipa", null, "the host's mapping of SUBJECT does not permit the access"]],
];
