// Refusals: a hypercall answers a positive error number (reference gunyah section 2.1), 0 or a negative special one.

import { refuse } from "../../memory/verdict";

/** Notes which check refused and answers the error. */
export function deny(error: i32, why: i32, what: u64, want: u32, have: u32): i32 {
  refuse(error, why, what, want, have);
  return error;
}
