// The host's calls of EL2, which the machine below answers, noted for whoever tells what came of a system call.

import {
  OPERATION_A,
  OPERATION_B,
  OPERATION_C,
  OPERATION_CODE,
  OPERATION_D,
  OPERATION_SIZE,
  OPERATION_VCPU,
  OPERATION_VM,
} from "../../abi/operations";
import { RESULT_RET, RESULT_SIZE } from "../../abi/records";
import { HOST_WINDOW_CALLS, HOST_WINDOW_COUNT, HOST_WINDOW_MOST } from "../../abi/user-calls";
import { executeVerb } from "../../batch/execute";

const NOTE: usize = (OPERATION_SIZE + RESULT_SIZE) as usize;
const window: usize = memory.data(HOST_WINDOW_CALLS + HOST_WINDOW_MOST * (OPERATION_SIZE + RESULT_SIZE), 8);
const record: usize = memory.data(OPERATION_SIZE, 8);
const answer: usize = memory.data(RESULT_SIZE, 8);

let notes: u32 = 0;
/** Whether EL2 refused, since `beginCalls`, what the host takes to succeed: a WARN of the host's. */
export let isRefused: bool = false;

/** Layout: abi/user-calls.ts. */
export function hostWindow(): usize {
  return window;
}

/** Nothing is noted yet. */
export function beginCalls(): void {
  notes = 0;
  store<u32>(window, 0, HOST_WINDOW_COUNT);
  isRefused = false;
}

/** A hypercall about a VM or its vCPU; `handle` 0 where it names none. What EL2 answers. */
export function call(op: i32, handle: u32, vcpu: u32, a: u64, b: u64, c: u64, d: u64): i32 {
  store<u16>(record, op as u16, OPERATION_CODE);
  store<u16>(record, handle as u16, OPERATION_VM);
  store<u32>(record, vcpu, OPERATION_VCPU);
  store<u64>(record, a, OPERATION_A);
  store<u64>(record, b, OPERATION_B);
  store<u64>(record, c, OPERATION_C);
  store<u64>(record, d, OPERATION_D);
  executeVerb(record, answer);
  note();
  return load<i32>(answer, RESULT_RET);
}

/** The same, where a correct host is never refused. */
export function mustCall(op: i32, handle: u32, vcpu: u32, a: u64, b: u64, c: u64, d: u64): i32 {
  const ret = call(op, handle, vcpu, a, b, c, d);
  if (ret < 0) warn();
  return ret;
}

/** The host WARNs: what EL2 answered is possible only if its own books are wrong. */
export function warn(): void {
  isRefused = true;
}

// The journal knows nothing of the window: it is below the machine.
function note(): void {
  if (notes == (HOST_WINDOW_MOST as u32)) return;
  const at = window + HOST_WINDOW_CALLS + (notes as usize) * NOTE;
  memory.copy(at, record, OPERATION_SIZE);
  memory.copy(at + OPERATION_SIZE, answer, RESULT_SIZE);
  store<u32>(window, ++notes, HOST_WINDOW_COUNT);
}
