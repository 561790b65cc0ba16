// Breadth-first search over the domain's operations on the machine itself. States are visited in the order in which they were
// found; the machine goes from one to the next by undoing to their common ancestor and repeating what led from there on.

import {
  DOMAIN_MAX_OPERATIONS,
  EXPLORE_ACCESS,
  SEARCH_DOMAIN,
  SEARCH_EXHAUSTED,
  SEARCH_FOUND,
  SEARCH_INEXACT,
  SEARCH_JOURNAL_FULL,
  SEARCH_LIMIT,
  SEARCH_MORE,
  SEARCH_PARTS_FULL,
  SEARCH_STATES_FULL,
} from "../abi/explore";
import { RESULT_REASON, RESULT_RET, RESULT_SIZE } from "../abi/records";
import { executeVerb } from "../batch/execute";
import { isPkvm } from "../batch/machine";
import { operation } from "../batch/operation-record";
import { reserve } from "../memory/heap";
import { limitReached, panicked } from "../memory/verdict";
import { emptyWalkCache } from "../pagetable/walk-cache";
import { access, accessStatus } from "./accesses";
import { forgetParts } from "./components";
import { giveAway, isAnythingWritten } from "./contents";
import {
  applyChanges,
  changesBetween,
  countedWith,
  forgetDecisions,
  HOLDS,
  IMPOSSIBLE,
  isUnchanged,
  learn,
  outcomeOf,
  unchanged,
  UNKNOWN,
} from "./decisions";
import { operationAt, operations, readDomain } from "./domain";
import { forgetFindings } from "./findings";
import { journalForget, journalLength, journalOverflowed, mark, undoTo } from "./journal";
import { dependOnVms, packState, partsOfState, preparePacking } from "./packed-state";
import {
  beginShare,
  CARRIED_OUT,
  isOurOperation,
  isOurPiece,
  isOursToLookAt,
  isShared,
  nextToExpand,
  nextToLookAt,
  noteBroken,
  noteFound,
  statesExpanded,
  takeFound,
} from "./partition";
import { pieceCount } from "./pieces";
import { beginAtFirst, depth, goTo, reservePosition } from "./position";
import { isPossible } from "./possible";
import { unwatch, watch } from "./reads";
import {
  areRulesOfPieces,
  beforeSteps,
  chooseRules,
  countAgain,
  counted,
  dependOnRules,
  isAnswerRight,
  isCounting,
  isPanicAllowed,
  isPieceKept,
  isStateRight,
  isStepRight,
  judge,
} from "./rules";
import { forgetRenamed, isRenamingFull } from "./renaming";
import { beginSymmetry } from "./symmetry";
import { beginTranslation, endTranslation } from "./translation";
import {
  forgetStates,
  isBroken,
  isNew,
  isState,
  NO_STATE,
  operationTo,
  parentOf,
  rowOf,
  setBroken,
  states,
  statesLike,
  visit,
} from "./visited";
import { mapWords } from "./word-parts";

const ROW_BYTES: usize = 256;
/** The operation that led to the first state. */
const NOTHING: u32 = 0x7fff;
/** Of what is known (decisions.ts), behind the operations: pieces. */
const FIRST_PIECE: u32 = DOMAIN_MAX_OPERATIONS;

let row: usize = 0;
let answer: usize = 0;
// u16 each: the operations that this search tries; of a share, its part of them.
let ours: usize = 0;
let ourCount: u32 = 0;
/** The state that the machine was last brought to. */
let here: u32 = NO_STATE;
/** Whether what is known of operations is used: unless every operation is to be carried out in every state. */
let isRemembering: bool = true;
/** Whether it is known which parts the machine's words belong to, as it stands. */
let isMapped: bool = false;

/** States whose operations were all tried. */
export let expanded: u32 = 0;
/** Operations that were tried, and those that led to another state. */
export let tried: u64 = 0;
export let transitions: u64 = 0;
/** Those of all states that the visited ones stand for. */
export let transitionsInAll: u64 = 0;
/** Operations on the longest of the shortest ways. */
export let deepest: u32 = 0;
/** The first of the states that are so far away. */
let firstDeepest: u32 = 0;
/** States that the one stands for whose operations are tried. */
let standsFor: u32 = 1;

export function reserveSearch(): bool {
  row = reserve(ROW_BYTES);
  answer = reserve(RESULT_SIZE);
  ours = reserve(DOMAIN_MAX_OPERATIONS << 1);
  return reservePosition() && row != 0 && answer != 0 && ours != 0;
}

/**
 * Begins at the state in which the machine is. SEARCH_*.
 *
 * @param invariants by number
 * @param rules 1 << FINDING_*
 * @param everywhere carry out every operation in every state, whatever is known of it
 */
export function startSearch(invariants: u64, rules: u32, everywhere: bool): i32 {
  if (!isPkvm || !readDomain()) return SEARCH_DOMAIN;
  forgetFindings();
  forgetRenamed();
  forgetParts();
  forgetStates();
  journalForget();
  preparePacking();
  if ((partsOfState() as usize) << 1 > ROW_BYTES) return SEARCH_DOMAIN;
  if (!chooseRules(invariants, rules)) return SEARCH_LIMIT;
  isRemembering = !everywhere && areRulesOfPieces() && mapWords();
  forgetDecisions();
  beginAtFirst();
  here = NO_STATE;
  expanded = 0;
  tried = 0;
  transitions = 0;
  transitionsInAll = 0;
  deepest = 0;
  firstDeepest = 0;
  chooseOperations();
  giveAway();
  if (mark() < 0) return SEARCH_JOURNAL_FULL;
  if (!packState(row)) return SEARCH_PARTS_FULL;
  beginSymmetry(row);
  if (visit(row, 0, NOTHING) == NO_STATE) return full();
  judge(0, NOTHING, 0);
  // EL2 may stop as early as boot.
  if (panicked != 0 ? isPanicAllowed() : isStateRight()) return SEARCH_MORE;
  setBroken(0);
  return SEARCH_FOUND;
}

/** Tries all operations in `count` more states, or up to the first finding. SEARCH_*. */
export function runSearch(count: u32, untilFinding: bool): i32 {
  for (let i: u32 = 0; i < count && expanded < states; i++) {
    const status = expand(expanded++, untilFinding);
    if (status != SEARCH_MORE) return status;
  }
  return expanded < states ? SEARCH_MORE : SEARCH_EXHAUSTED;
}

/** Begins a share (partition.ts), behind `startSearch`. */
export function startShare(): void {
  beginShare(isRemembering, operations);
  chooseOperations();
}

function chooseOperations(): void {
  ourCount = 0;
  for (let index: u32 = 0; index < operations; index++) {
    if (isOurOperation(index)) store<u16>(ours + ((ourCount++ as usize) << 1), index as u16);
  }
}

/** Does this worker's part of a round for up to `count` states. SEARCH_*: SEARCH_EXHAUSTED when it is done. */
export function runShare(count: u32): i32 {
  for (let i: u32 = 0; i < count; i++) {
    let state = nextToLookAt();
    let status = SEARCH_EXHAUSTED;
    if (state != NO_STATE) {
      status = lookInTurn(state);
    } else {
      state = nextToExpand();
      if (state != NO_STATE) status = expand(state, false);
    }
    if (status != SEARCH_MORE && status != SEARCH_FOUND) return status;
  }
  return SEARCH_MORE;
}

/** Goes on with what all workers found in a round. */
export function takeRound(): void {
  const known = states;
  takeFound();
  expanded = statesExpanded();
  for (let state = known; state < states; state++) noteDepth(state);
}

function expand(state: u32, untilFinding: bool): i32 {
  if (isBroken(state)) return SEARCH_MORE;
  standsFor = statesLike(rowOf(state));
  for (let i: u32 = 0; i < ourCount; i++) {
    const index: u32 = load<u16>(ours + ((i as usize) << 1));
    const outcome = isRemembering ? outcomeOf(index, rowOf(state)) : UNKNOWN;
    const status = outcome == UNKNOWN ? carryOut(state, index) : repeat(state, index, outcome);
    if (status != SEARCH_MORE && (status != SEARCH_FOUND || untilFinding)) return status;
  }
  return SEARCH_MORE;
}

/** An operation of which is known what it does in `state`. */
function repeat(state: u32, index: u32, outcome: u32): i32 {
  if (outcome == IMPOSSIBLE) return SEARCH_MORE;
  tried++;
  if (isCounting) countAgain(countedWith(outcome));
  if (isUnchanged(outcome)) return SEARCH_MORE;
  noteTransition();
  memory.copy(row, rowOf(state), (partsOfState() as usize) << 1);
  applyChanges(outcome, row);
  if (isShared) {
    noteFound(row, state, index);
    return SEARCH_MORE;
  }
  const next = visit(row, state, index);
  if (next == NO_STATE) return full();
  if (!isNew) return SEARCH_MORE;
  noteDepth(next);
  return isKnownRight(row) ? SEARCH_MORE : lookAt(next);
}

/** A new state of the last round: what this worker has to look at in it. */
function lookInTurn(next: u32): i32 {
  const isWhole = isOursToLookAt(next);
  if (!isWhole && (!isRemembering || isKnownRight(rowOf(next)))) return SEARCH_MORE;
  const status = lookAt(next);
  if (status == SEARCH_FOUND) noteBroken(next);
  return status;
}

/** A new state of which not every piece is known: the machine goes there. */
function lookAt(next: u32): i32 {
  const state = parentOf(next);
  const status = beAt(state);
  if (status != SEARCH_MORE) return status;
  const point = mark();
  if (point < 0) return SEARCH_JOURNAL_FULL;
  perform(operationTo(next));
  if (journalOverflowed()) return SEARCH_JOURNAL_FULL;
  judge(state, operationTo(next), depth + 1);
  const sound = isRightHere(next);
  return undoTo(point) != 0 ? SEARCH_JOURNAL_FULL : sound ? SEARCH_MORE : SEARCH_FOUND;
}

/** Tries an operation on the machine. */
function carryOut(state: u32, index: u32): i32 {
  const there = beAt(state);
  if (there != SEARCH_MORE) return there;
  if (!isRemembering && !isPossible(operationAt(index))) return SEARCH_MORE;
  const point = mark();
  if (point < 0) return SEARCH_JOURNAL_FULL;
  const status = attempt(state, index);
  return undoTo(point) != 0 ? SEARCH_JOURNAL_FULL : status;
}

/** Makes sure that the machine is at `state`. */
function beAt(state: u32): i32 {
  if (here == state) return SEARCH_MORE;
  here = NO_STATE;
  const status = goTo(state, repeatStep);
  if (status != SEARCH_MORE) return status;
  beforeSteps();
  here = state;
  isMapped = false;
  // Two ways to a state, known and carried out, must end in the same: nothing that a search says is right otherwise.
  if (isRemembering && packState(row) && !isState(state, row)) return SEARCH_INEXACT;
  return SEARCH_MORE;
}

/** Tries one operation in `state`, in which the machine is; the caller undoes it. */
function attempt(state: u32, index: u32): i32 {
  beginWatch();
  if (!isPossible(operationAt(index))) return settle(index, state, IMPOSSIBLE);
  tried++;
  judge(state, index, depth + 1);
  const before = journalLength();
  const ret = perform(index);
  if (journalOverflowed()) return SEARCH_JOURNAL_FULL;
  if (panicked != 0) return isPanicAllowed() ? SEARCH_MORE : SEARCH_FOUND;
  if (limitReached != 0) return SEARCH_LIMIT;
  if (!isAnswerRight(ret, journalLength() != before)) return SEARCH_FOUND;
  if (journalLength() == before) return settleUnchanged(index, state);
  if (!packState(row)) return SEARCH_PARTS_FULL;
  if (isState(state, row)) return settleUnchanged(index, state);
  noteTransition();
  if (!isStepRight(ret)) return SEARCH_FOUND;
  if (isRemembering) learnStep(state, index);
  return arrive(state, index);
}

/** The step led to the state that is packed in `row`, in which the machine is. */
function arrive(state: u32, index: u32): i32 {
  if (isShared) {
    noteFound(row, state, index | CARRIED_OUT);
    return SEARCH_MORE;
  }
  const next = visit(row, state, index);
  if (next == NO_STATE) return full();
  if (!isNew) return SEARCH_MORE;
  noteDepth(next);
  return isRightHere(next) ? SEARCH_MORE : SEARCH_FOUND;
}

function noteTransition(): void {
  transitions++;
  transitionsInAll += standsFor;
}

/** Why there is no room for a state. */
function full(): i32 {
  return isRenamingFull ? SEARCH_PARTS_FULL : SEARCH_STATES_FULL;
}

/** Of a new state, in the order of their numbers: the first that comes of the deepest ones is deeper. */
function noteDepth(state: u32): void {
  if (parentOf(state) < firstDeepest) return;
  firstDeepest = state;
  deepest++;
}

/** Whether a new state, in which the machine is, breaks no rule. */
function isRightHere(next: u32): bool {
  if (!isStateRight()) {
    setBroken(next);
    return false;
  }
  if (isRemembering) learnPieces(rowOf(next));
  return true;
}

// What is known without the machine

function beginWatch(): void {
  if (!isRemembering) return;
  if (!isMapped) isMapped = mapWords();
  // What the cache holds was read before.
  emptyWalkCache();
  if (isMapped) watch();
}

function settle(index: u32, state: u32, outcome: u32): i32 {
  unwatch();
  if (isMapped) learn(index, rowOf(state), outcome);
  return SEARCH_MORE;
}

function settleUnchanged(index: u32, state: u32): i32 {
  if (isMapped && !dependOnRules(rowOf(state), rowOf(state))) return SEARCH_MORE;
  return settle(index, state, unchanged(counted()));
}

// Whose contents they are, and who is told of them, counts where contents are written (contents.ts).
function learnStep(state: u32, index: u32): void {
  if (!isMapped || !dependOnRules(rowOf(state), row)) return;
  if (isAnythingWritten()) dependOnVms();
  const outcome = changesBetween(rowOf(state), row, partsOfState(), counted());
  if (outcome != UNKNOWN) learn(index, rowOf(state), outcome);
}

function isKnownRight(row: usize): bool {
  const count = pieceCount();
  for (let piece: u32 = 0; piece < count; piece++) {
    if (isOurPiece(piece) && outcomeOf(FIRST_PIECE + piece, row) == UNKNOWN) return false;
  }
  return true;
}

function learnPieces(row: usize): void {
  const count = pieceCount();
  isMapped = false;
  for (let piece: u32 = 0; piece < count; piece++) {
    if (!isOurPiece(piece) || outcomeOf(FIRST_PIECE + piece, row) != UNKNOWN) continue;
    beginWatch();
    const isKept = isPieceKept(piece);
    unwatch();
    if (isMapped && isKept) learn(FIRST_PIECE + piece, row, HOLDS);
  }
  isMapped = false;
}

/** Takes a step. 0 or -errno. */
export function perform(index: u32): i32 {
  const record = operationAt(index);
  const before = journalLength();
  beginTranslation(operation(record));
  const ret = operation(record) == EXPLORE_ACCESS ? access(record) : call(record);
  unwatch();
  if (journalLength() != before) {
    endTranslation();
    giveAway();
  }
  return ret;
}

/** Which check refused the step that was taken last, RESULT_REASON; of an access, ANSWER_*. */
export function reasonOf(record: usize): u32 {
  return operation(record) == EXPLORE_ACCESS ? accessStatus() : load<u16>(answer, RESULT_REASON);
}

function call(record: usize): i32 {
  executeVerb(record, answer);
  return load<i32>(answer, RESULT_RET);
}

function repeatStep(index: u32): void {
  perform(index);
}
