// Refusals of the calls that only searches make, in words (codes: assembly/abi/el2-calls.ts).

import * as abi from "../../assembly/abi/el2-calls.js";
import { count } from "./names.js";
import type { Reason } from "./reasons.js";

const pages = (value: number) => count(value, "page");
const cpus = (value: number) => count(value, "CPU");

// prettier-ignore
export const EL2_CALL_REASONS: readonly (readonly [number, Reason])[] = [
  [abi.REASON_BOOT_ONLY,          ["arguments", "none", null, "only boot makes this call, before protection is on"]],
  [abi.REASON_NOT_LOADED_VCPU,    ["vcpu", "pa", null, "the vCPU at SUBJECT is not the one that is loaded here"]],
  [abi.REASON_TRACING_SIZE,       ["arguments", "bytes", null, "a descriptor of SUBJECT: must be whole pages, and one at least"]],
  [abi.REASON_TRACING_DESCRIPTOR, ["descriptor", "pa", pages, "the descriptor at SUBJECT lists FOUND, and has room for EXPECTED"]],
  [abi.REASON_TRACING_CPUS,       ["descriptor", "pa", cpus, "the descriptor at SUBJECT is for FOUND, the machine has EXPECTED"]],
  [abi.REASON_TRACING_LOADED,     ["hyp", "none", null, "tracing buffers are loaded already"]],
  [abi.REASON_TRACING_PAGES,      ["descriptor", "pa", pages, "the list at SUBJECT has FOUND, must have EXPECTED"]],
];
