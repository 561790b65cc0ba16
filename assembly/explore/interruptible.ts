// One operation of the domain as a CPU goes through it, with the places where another CPU can come in between.

import { EFAULT, EPERM } from "../abi/codes";
import { EXPLORE_ACCESS } from "../abi/explore";
import { LOCK_HOST } from "../abi/locks";
import { OPERATION_A } from "../abi/operations";
import { RESULT_RET, RESULT_SIZE } from "../abi/records";
import {
  ACCESS_IPA,
  ANSWER_DONE,
  ANSWER_ESR,
  ANSWER_FAULTED,
  ANSWER_HPFAR,
  ANSWER_SIZE,
  ANSWER_STATUS,
} from "../abi/walk";
import { runAccesses } from "../batch/access";
import { executeVerb } from "../batch/execute";
import { handle, operation } from "../batch/operation-record";
import { reserve } from "../memory/heap";
import { lockReleased } from "../memory/lock";
import { PANICKED } from "../memory/verdict";
import { hostAbort } from "../systems/pkvm/host-abort";
import { operationAt } from "./domain";

let answer: usize = 0;

export function reserveAnswer(): bool {
  answer = reserve(max(RESULT_SIZE, ANSWER_SIZE) as usize);
  return answer != 0;
}

/** Does an operation of the domain; what it answers. */
export function perform(index: u32): i32 {
  const record = operationAt(index);
  if (operation(record) == EXPLORE_ACCESS) return handle(record) == 0 ? hostAccess(record) : guestAccess(record);
  executeVerb(record, answer);
  return load<i32>(answer, RESULT_RET);
}

function guestAccess(record: usize): i32 {
  runAccesses(record + OPERATION_A, answer, 1);
  return load<u8>(answer, ANSWER_STATUS) == ANSWER_DONE ? 0 : -EFAULT;
}

// The walk takes no lock, and the handler takes its own later: what it finds may be other than what made the fault. The
// instruction is tried again until it is done or the host is told that the page is not its own.
function hostAccess(record: usize): i32 {
  const request = record + OPERATION_A;
  for (;;) {
    runAccesses(request, answer, 1);
    if (load<u8>(answer, ANSWER_STATUS) != ANSWER_FAULTED) break;
    const esr = load<u32>(answer, ANSWER_ESR) as u64;
    const hpfar = load<u64>(answer, ANSWER_HPFAR);
    lockReleased(0);
    const ret = hostAbort(esr, 0, load<u64>(request, ACCESS_IPA), hpfar, false);
    if (ret == PANICKED || ret == -EPERM) return -EFAULT;
    lockReleased(LOCK_HOST);
  }
  return load<u8>(answer, ANSWER_STATUS) == ANSWER_DONE ? 0 : -EFAULT;
}
