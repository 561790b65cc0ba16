// An SPMC that answers falsely: EL2 does not trust the secure world to count (reference pkvm-el2 section 8.4). The exploring
// variant alone has it; what such an SPMC keeps for itself stays right.

import { FALSE_COMPOSITE_OFFSET, FALSE_FIRST_ADDRESS, FALSE_RANGE_COUNT } from "../../abi/explore";

const TRUE_ANSWER: i32 = 0;

// Said and used within one step, so no part of a state.
let field: i32 = TRUE_ANSWER;
let value: u64 = 0;

/** FALSE_*, 0: what it says from now on is true. */
export function setFalseAnswer(what: i32, instead: u64): void {
  field = what;
  value = instead;
}

/** Changes a descriptor in RX, whose first access descriptor is at `access`. */
export function falsify(rx: usize, access: usize): void {
  const composite = rx + (load<u32>(rx + access, 4) as usize);
  if (field == FALSE_COMPOSITE_OFFSET) store<u32>(rx + access, value as u32, 4);
  if (field == FALSE_RANGE_COUNT) store<u32>(composite, value as u32, 4);
  if (field == FALSE_FIRST_ADDRESS) store<u64>(composite, value, 16);
}
