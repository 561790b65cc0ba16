// What the exploring variant exports besides assembly/index.ts. Layouts of its windows: abi/explore.ts, abi/mutations.ts.

import { wayWindow } from "./campaign";
import { reserveParts } from "./components";
import { reserveDecisions } from "./decisions";
import { domainWindow } from "./domain";
import { findings, reserveFindings } from "./findings";
import { journalReserve } from "./journal";
import { reservePacking } from "./packed-state";
import { discovered, handedOver, isShareFull, reserveShare } from "./partition";
import { answersCompared, statesCompared } from "./refinement";
import { reserveReads } from "./reads";
import { deepest, expanded, reserveSearch, transitions, tried } from "./search";
import { reserveStates, states } from "./visited";

export { setMutation } from "../memory/mutation";
export { choosePrivateRange } from "../systems/pkvm/private-range";
export { reachedInAll, runWay, takenSteps, wayWindow } from "./campaign";
export { domainWindow } from "./domain";
export { findingAt } from "./findings";
export { journalForget, journalLength, journalOverflowed, journalReserve, mark, undoTo } from "./journal";
export { copyNoted, fillNoted, noteStore } from "./journal";
export { beginDepth, beginShare, forgetOffers, handOver, offersFor, outbox, partsFor, partsSentTo } from "./partition";
export { shareWindow, statesAhead, takeBack, takeOffers, takeOver, takeParts } from "./partition";
export { noteLoad } from "./reads";
export { runSearch, runShare, startSearch } from "./search";
export { freeFragments } from "../systems/ffa/transaction";
export { lastReason, performSteps, readWord, reserveSteps, startAny, visitAny, writeWord } from "./any-system";
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
 * @returns false if linear memory is used up
 */
export function reserveExploration(
  count: u32,
  parts: u32,
  partBytes: u32,
  entries: u32,
  worker: u32,
  workers: u32,
): bool {
  const windows = domainWindow() != 0 && wayWindow() != 0 && reserveFindings() && reservePacking() && reserveSearch();
  if (!reserveReads() || !reserveDecisions()) return false;
  const tables = windows && journalReserve(entries) && reserveParts(partBytes) && reserveStates(count, parts);
  return tables && reserveShare(worker, workers, count);
}

export function stateCount(): u32 {
  return states;
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

export function discoveredCount(): u32 {
  return discovered;
}

export function handedOverCount(): u32 {
  return handedOver;
}

export function shareIsFull(): bool {
  return isShareFull;
}
