// What a line means for the replay: steps go into the ring, snapshots begin and end, handles are given out. The other events
// say what happened around the steps; they are read to the last character, and nothing follows from them.

import {
  REFUSED_ARGUMENTS,
  REFUSED_PFN,
  REFUSED_SNAPSHOT_LATE,
  REFUSED_SNAPSHOT_NONE,
  STATE_UNKNOWN,
  STEP_CNT,
  STEP_GFN,
  STEP_GUEST,
  STEP_HOST,
  STEP_HYP,
  STEP_LENGTH,
  STEP_LINE,
  STEP_NR,
  STEP_OPERATION,
  STEP_PFN,
  STEP_RET,
  STEP_TIME,
  STEP_VM,
} from "../abi/tracefs";
import { HOST_ABORT } from "../abi/operations";
import { HOST_HCALL_RET, HOST_MEM_ABORT, MEM_OP, PAGE_RUN, S2_RUN, SNAPSHOT } from "./tracefs-format";
import { noteReserved } from "./tracefs-handles";
import { isWord, timestamp, value } from "./tracefs-line";
import { isAtSnapshot, isBatchWaiting, isRunning } from "./tracefs-replay";
import { currentLine, refuse } from "./tracefs-report";
import { nextSeq, takeSlot } from "./tracefs-ring";
import { beginSnapshot, endSnapshot, isWholeMachine, takeLeafRun, takePageRun } from "./tracefs-snapshot";
import { hasHandle, isOnePage, PFN_UNKNOWN } from "./tracefs-step";

/** The line lets steps run that had to wait. */
export let isDue: bool = false;

/** Takes the line that was read last as `event`. False if it is refused. */
export function takeEvent(event: i32): bool {
  isDue = false;
  switch (event) {
    case MEM_OP:
      return takeOperation();
    case HOST_MEM_ABORT:
      return takeAbort();
    case HOST_HCALL_RET:
      return isWord(0, "__pkvm_reserve_vm") ? noteReserved(value(2), timestamp) : true;
    case SNAPSHOT:
      return takeSnapshot();
    case PAGE_RUN:
      return takePageRun(isAtSnapshot());
    case S2_RUN:
      return takeLeafRun(isAtSnapshot());
    default:
      return true;
  }
}

// Fields: 0 seq, 1 early, 2 op, 3 pfn, 4 gfn, 5 nr, 6 vm, 7 ret, 8 host, 9 hyp, 10 guest, 11 cnt.
function takeOperation(): bool {
  const operation = value(2) as i32;
  const pfn = value(3);
  const told = value(8) != STATE_UNKNOWN || value(9) != STATE_UNKNOWN || value(11) != 0;
  if (pfn == PFN_UNKNOWN && told) return refuse(REFUSED_PFN, currentLine(), value(0), 0);
  if ((isOnePage(operation) && value(5) != 1) || !hasHandle(operation, value(6))) {
    return refuse(REFUSED_ARGUMENTS, currentLine(), value(0), 0);
  }
  const step = takeStep(operation, value(7));
  if (step == 0) return false;
  store<u8>(step, value(8) as u8, STEP_HOST);
  store<u8>(step, value(9) as u8, STEP_HYP);
  store<u8>(step, value(10) as u8, STEP_GUEST);
  store<u32>(step, value(6) as u32, STEP_VM);
  store<u64>(step, pfn, STEP_PFN);
  store<u64>(step, value(4), STEP_GFN);
  store<u64>(step, value(5), STEP_NR);
  store<u64>(step, value(11), STEP_CNT);
  return true;
}

// Fields: 0 seq, 1 early, 2 ipa, 3 esr, 4 far, 5 start, 6 size, 7 ret.
function takeAbort(): bool {
  const step = takeStep(HOST_ABORT, value(7));
  if (step == 0) return false;
  store<u32>(step, 0, STEP_VM);
  store<u64>(step, value(2), STEP_PFN);
  store<u64>(step, value(3), STEP_GFN);
  store<u64>(step, value(4), STEP_NR);
  store<u64>(step, value(5), STEP_CNT);
  store<u64>(step, value(6), STEP_LENGTH);
  return true;
}

function takeStep(operation: i32, ret: u64): usize {
  const step = takeSlot(value(0));
  if (step == 0) return 0;
  store<u8>(step, operation as u8, STEP_OPERATION);
  store<u32>(step, currentLine(), STEP_LINE);
  store<i32>(step, ret as i32, STEP_RET);
  store<u64>(step, timestamp, STEP_TIME);
  isDue = isBatchWaiting();
  return step;
}

// Fields: 0 id, 1 begin or end, 2 seq.
function takeSnapshot(): bool {
  const seq = value(2);
  isDue = true;
  if (value(1) != 0) return endSnapshot(value(0), seq);
  if (isRunning && seq < nextSeq) return refuse(REFUSED_SNAPSHOT_LATE, currentLine(), seq, nextSeq);
  if (!beginSnapshot(value(0), seq, timestamp)) return false;
  return isRunning || isWholeMachine() || refuse(REFUSED_SNAPSHOT_NONE, currentLine(), 0, 0);
}
