// An access as a step of a search: a host that faults is handled by EL2 and tries again, as its CPU would; a guest that writes
// what it keeps to itself writes it all over the page.

import { EFAULT } from "../abi/codes";
import { ABORT_INJECTED, ABORT_MAPPED } from "../abi/records";
import { OPERATION_A } from "../abi/operations";
import {
  ACCESS_IPA,
  ANSWER_DONE,
  ANSWER_ESR,
  ANSWER_FAULTED,
  ANSWER_HPFAR,
  ANSWER_NO_MEMORY,
  ANSWER_PA,
  ANSWER_SIZE,
  ANSWER_STATUS,
} from "../abi/walk";
import { runAccesses } from "../batch/access";
import { handle } from "../batch/operation-record";
import { panicked } from "../memory/verdict";
import { isValid } from "../arch/descriptor";
import { granuleSize } from "../arch/geometry";
import { getLeaf, leaf, leafLevel } from "../pagetable/walk";
import { hostAbort, lastAbortOutcome, lastAbortSize } from "../systems/pkvm/host-abort";
import { hostTable } from "../systems/pkvm/machine";
import { spreadSecret } from "./contents";
import { journalLength } from "./journal";

/** Faults of the same kind that are handled before the access is given up. */
const MAX_FAULTS: i32 = 3;

const answer: usize = memory.data(ANSWER_SIZE, 8);

/** The IPA of a host's access that faults again and again, though EL2 says that it may be tried again. */
export let stuckAt: u64 = 0;
export let isStuck: bool = false;
/** Whether a fault of the host's that EL2 handled left one leaf, of the granule that EL2 chose. */
export let isOneLeaf: bool = true;

/** Makes the access `record`: 0, or -EFAULT. */
export function access(record: usize): i32 {
  const request = record + OPERATION_A;
  isStuck = false;
  isOneLeaf = true;
  runAccesses(request, answer, 1);
  if (handle(record) == 0) retry(request);
  else spreadSecret(handle(record), load<u64>(answer, ANSWER_PA));
  return accessStatus() == ANSWER_DONE || accessStatus() == ANSWER_NO_MEMORY ? 0 : -EFAULT;
}

/** ANSWER_* of the last access. */
export function accessStatus(): u32 {
  return load<u8>(answer, ANSWER_STATUS);
}

function isGranuleMapped(ipa: u64): bool {
  getLeaf(hostTable, ipa);
  return isValid(leaf) && granuleSize(leafLevel) == lastAbortSize;
}

// What EL2 maps, the host finds when it tries again; what is not its own, it is told by a fault of its own. Else it is stuck:
// where the same fault changed nothing, or came too often.
function retry(request: usize): void {
  const ipa = load<u64>(request, ACCESS_IPA);
  for (let faults = 0; load<u8>(answer, ANSWER_STATUS) == ANSWER_FAULTED; faults++) {
    const before = journalLength();
    hostAbort(load<u32>(answer, ANSWER_ESR) as u64, 0, ipa, load<u64>(answer, ANSWER_HPFAR), false);
    if (panicked == 0 && lastAbortOutcome == ABORT_MAPPED) isOneLeaf = isGranuleMapped(ipa);
    if (panicked != 0 || lastAbortOutcome == ABORT_INJECTED) return;
    isStuck = journalLength() == before || faults == MAX_FAULTS;
    stuckAt = ipa;
    if (isStuck) return;
    runAccesses(request, answer, 1);
  }
}
