// What the TypeScript side needs to search a machine of any system step by step: it goes from state to state, looks at each
// with rules of its own, and this side performs, undoes (journal.ts) and knows states again (words.ts).

import { EXPLORE_ACCESS, EXPLORE_FALSE_ANSWER } from "../abi/explore";
import { EFAULT } from "../abi/codes";
import { USER_CALLS } from "../abi/user-calls";
import { OPERATION_A, OPERATION_B, OPERATION_SIZE } from "../abi/operations";
import { RESULT_REASON, RESULT_RET, RESULT_SIZE } from "../abi/records";
import { ANSWER_DONE, ANSWER_SIZE, ANSWER_STATUS } from "../abi/walk";
import { runAccesses } from "../batch/access";
import { executeVerb } from "../batch/execute";
import { runGunyah } from "../batch/gunyah";
import { isGunyah } from "../batch/machine";
import { operation } from "../batch/operation-record";
import { readU64, writeU64 } from "../memory/dram";
import { reserve } from "../memory/heap";
import { startRecording } from "../memory/journal";
import { letMapTakeRights } from "../pagetable/protocol";
import { serve } from "./host/user-calls";
import { journalForget, mark } from "./journal";
import { bound, reserveGunyahCalls } from "./gunyah-calls";
import { reserveGunyahState } from "./gunyah-state";
import { fillBuffers, leaveOutDead, tellRecords } from "./left-out";
import { findEndpoint, NORMAL_WORLD } from "../systems/ffa/endpoint";
import { setFalseAnswer } from "../systems/ffa/false-answer";
import { mailbox } from "../systems/pkvm/ffa-mailbox";
import { beginTranslation, endTranslation, watchTranslation } from "./translation";
import { startWords, visitWords } from "./words";

let records: usize = 0;
let answer: usize = 0;

/** Where the caller writes `count` records, the steps' one behind the other. 0 if linear memory is used up. */
export function reserveSteps(count: u32): usize {
  records = reserve((count as usize) * OPERATION_SIZE);
  answer = reserve(max(RESULT_SIZE, ANSWER_SIZE) as usize);
  return answer != 0 && reserveGunyahState() && reserveGunyahCalls() ? records : 0;
}

/** Begins with the machine as it is, and its TLB if translations are watched. False if linear memory is used up. */
export function startAny(keepMailboxes: bool, watchesTranslation: bool): bool {
  journalForget();
  if (!watchTranslation(watchesTranslation)) return false;
  // Gunyah maps over a leaf whatever its holder asks for (reference gunyah 4.1, case 4).
  letMapTakeRights(isGunyah);
  // What led here may have been recorded; what is tried is not.
  startRecording(false);
  fillBuffers();
  if (!startWords()) return false;
  leaveOutDead(keepMailboxes);
  return mark() == 0;
}

/** The number of the state in which the machine is; as visitWords. */
export function visitAny(): u32 {
  tellRecords();
  return visitWords();
}

/** Performs `count` records from number `first` on. What the last one came to: below 0, refused; -EFAULT of an access. */
export function performSteps(first: u32, count: u32): i32 {
  let ret = 0;
  for (let i: u32 = 0; i < count; i++) ret = perform(records + ((first + i) as usize) * OPERATION_SIZE);
  setFalseAnswer(0, 0);
  return ret;
}

function perform(record: usize): i32 {
  if (operation(record) == EXPLORE_FALSE_ANSWER) {
    setFalseAnswer(load<i32>(record, OPERATION_A), load<u64>(record, OPERATION_B));
    return 0;
  }
  beginTranslation(operation(record));
  const ret = carryOut(record);
  endTranslation();
  return ret;
}

function carryOut(record: usize): i32 {
  if (operation(record) >= USER_CALLS) return serve(record);
  return operation(record) == EXPLORE_ACCESS ? access(record) : call(record);
}

function access(record: usize): i32 {
  runAccesses(record + OPERATION_A, answer, 1);
  return load<u8>(answer, ANSWER_STATUS) == ANSWER_DONE ? 0 : -EFAULT;
}

function call(record: usize): i32 {
  if (!isGunyah) {
    executeVerb(record, answer);
    return load<i32>(answer, RESULT_RET);
  }
  runGunyah(bound(record), answer, 1, false);
  // Its errors are positive, but for two.
  return -abs(load<i32>(answer, RESULT_RET));
}

/** REASON_* of what the last record came to. */
export function lastReason(): i32 {
  return load<u16>(answer, RESULT_REASON);
}

/** The FF-A version on which a pKVM host and the secure world have agreed; 0: none yet. */
export function agreedVersion(): i32 {
  const world = findEndpoint(NORMAL_WORLD);
  return world != null && mailbox.isNegotiated ? world.version : 0;
}

/** A word of a page's contents, which a rule looks at or marks. */
export function readWord(pa: u64): u64 {
  return readU64(pa);
}

export function writeWord(pa: u64, value: u64): void {
  writeU64(pa, value);
}
