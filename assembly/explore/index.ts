// What the exploring variant exports besides assembly/index.ts. Layouts of its windows: abi/explore.ts, abi/mutations.ts.

import { wayWindow } from "./campaign";
import { reserveParts } from "./components";
import { reserveDecisions } from "./decisions";
import { domainWindow } from "./domain";
import { findings, reserveFindings } from "./findings";
import { journalReserve } from "./journal";
import { reservePacking } from "./packed-state";
import { isShareFull, reserveShare } from "./partition";
import { answersCompared, statesCompared } from "./refinement";
import { reserveReads } from "./reads";
import { deepest, expanded, reserveSearch, transitions, transitionsInAll, tried } from "./search";
import { reserveSymmetry } from "./symmetry";
import { reserveStates, states, statesInAll } from "./visited";

export { setMutation } from "../memory/mutation";
export { choosePrivateRange } from "../systems/pkvm/private-range";
export { reachedInAll, runWay, takenSteps, wayWindow } from "./campaign";
export { domainWindow } from "./domain";
export { findingAt } from "./findings";
export { journalForget, journalLength, journalOverflowed, journalReserve, mark, undoTo } from "./journal";
export { copyNoted, fillNoted, noteStore } from "./journal";
export { beginRound, brokenStates, brokenStatesCount, endRound, foundBy, partsSent, partsToSend } from "./partition";
export { receiveFound, shareWindow, takeBroken, takeParts } from "./partition";
export { mmLevel, mmMode, mmOutput } from "./mm-translations";
export { noteLoad } from "./reads";
export { runSearch, runShare, startSearch, startShare, takeRound } from "./search";
export { countWord } from "./gunyah-state";
export { capObject, highestCap, objectNumbersEnd, objectWord, parcelAttribute, parcelTag } from "./gunyah-objects";
export { reachOf } from "./gunyah-reach";
export { keepDead } from "./left-out";
export {
  lockHeld,
  lockLeft,
  lockPairCount,
  lockTaken,
  monitorAnswer,
  pendingRequest,
  realmEntry,
  realmEntryLevel,
  realmStateAt,
} from "../systems/cca/queries";
export { ffaBufferPages } from "../batch/ffa";
export { setFalseAnswer } from "../systems/ffa/false-answer";
export { freeFragments } from "../systems/ffa/transaction";
export {
  agreedVersion,
  lastReason,
  performSteps,
  readWord,
  reserveSteps,
  startAny,
  visitAny,
  writeWord,
} from "./any-system";
export { hostWindow } from "./host/hypercalls";
export { brokenByHostStep, brokenInHost, hostBreachAt } from "./host/rules";
export { makeHost, serve } from "./host/user-calls";
export { brokenTranslation, translationAddress } from "./translation";
export { areWordsFull, reserveWords, wordBytes, wordStates } from "./words";
export { operationTo, parentOf, stateBytes } from "./visited";

/**
 * Room for a search: before the machine is created, which lies above it.
 *
 * @param count states
 * @param parts numbers that a state is made of: pages of their own + VM slots + 1
 * @param partBytes for all parts together
 * @param entries of the journal
 * @param worker whose share this is, from 0
 * @param workers that search together; 0 for a search of one's own
 * @param pageRenamings in how many ways interchangeable pages can change their names, the one that changes nothing among them
 * @param vmRenamings the same of VMs; with both 1 every state is visited
 * @returns false if linear memory is used up
 */
export function reserveExploration(
  count: u32,
  parts: u32,
  partBytes: u32,
  entries: u32,
  worker: u32,
  workers: u32,
  pageRenamings: u32,
  vmRenamings: u32,
): bool {
  const windows = domainWindow() != 0 && wayWindow() != 0 && reserveFindings() && reservePacking() && reserveSearch();
  if (!reserveReads() || !reserveDecisions() || !reserveSymmetry(pageRenamings, vmRenamings)) return false;
  const tables = windows && journalReserve(entries) && reserveParts(partBytes);
  return tables && reserveStates(count, parts) && reserveShare(worker, workers);
}

export function stateCount(): u32 {
  return states;
}

/** States, and transitions, that those stand for which were visited. */
export function stateCountInAll(): u64 {
  return statesInAll;
}

export function transitionCountInAll(): u64 {
  return transitionsInAll;
}

export function expandedCount(): u32 {
  return expanded;
}

export function triedCount(): u64 {
  return tried;
}

export function transitionCount(): u64 {
  return transitions;
}

export function deepestState(): u32 {
  return deepest;
}

/** Calls of which the specification machine gave the answer, and others after which only its state was compared. */
export function answersComparedCount(): u64 {
  return answersCompared;
}

export function statesComparedCount(): u64 {
  return statesCompared;
}

export function findingCount(): u32 {
  return findings;
}

export function shareIsFull(): bool {
  return isShareFull;
}
