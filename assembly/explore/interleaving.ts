// The search with two CPUs: in every state each of them begins an operation, or goes on with the one that it is in the middle
// of, up to where EL2 releases its locks (reference pkvm-el2 section 9). All schedules at that granularity are visited.
//
// A state is the machine's (packed-state.ts) and besides:
//   between   which of the domain's pages the host has an entry for, as only without one its access faults;
//             VMs that are being taken down and have no slot any more
//   CPU       the operation it is in and the saved locals, the vCPU that it has loaded. The two CPUs are interchangeable: the
//             lower number is first
//
// Rules about states are asked where no operation is half-way, but for secrecy, which holds whenever locks are free. That a
// refused operation changes nothing is asked of those that no other CPU came in between of. Refinement asks for an order of the
// calls (linearization.ts): what it remembers of them is part of the state, behind the CPUs, and nothing of the machine. Progress asks of every state that each call that
// is half-way ends once the other CPU stands still: parts hold no lock between them, so that no CPU waits for another.

import {
  DOMAIN_MAX_OPERATIONS,
  FINDING_FREED,
  FINDING_INTEGRITY,
  FINDING_INVARIANT,
  FINDING_LEAK,
  FINDING_PANIC,
  FINDING_POINTER,
  FINDING_PROGRESS,
  FINDING_REFINEMENT,
  FINDING_REFUSAL,
  FINDING_SECRECY,
  SEARCH_DOMAIN,
  SEARCH_EXHAUSTED,
  SEARCH_FOUND,
  SEARCH_JOURNAL_FULL,
  SEARCH_LIMIT,
  SEARCH_MORE,
  SEARCH_PARTS_FULL,
  SEARCH_STATES_FULL,
  STEP_CPU,
  STEP_GOES_ON,
  STEP_OPERATION,
  STEP_SUSPENDED,
} from "../abi/explore";
import { isValid } from "../arch/descriptor";
import { pfnToPa } from "../arch/geometry";
import { isPkvm } from "../batch/machine";
import { reserve } from "../memory/heap";
import { startRecording } from "../memory/journal";
import { limitReached, panicked } from "../memory/verdict";
import { getLeaf, leaf } from "../pagetable/walk";
import { forgetStray } from "../systems/pkvm/host-pointer";
import { hostTable } from "../systems/pkvm/machine";
import { detachedAt, loadedVcpu, maxVms } from "../systems/pkvm/vm";
import { forgetParts } from "./components";
import { giveAway } from "./contents";
import {
  CPUS,
  enterCpu,
  isQuiescent,
  leaveCpu,
  loadedOn,
  localsBytes,
  localsOf,
  reserveCpus,
  runPart,
  suspendedOperation,
} from "./cpus";
import { domainPfn, operationAt, operations, ownerOf, pages, readDomain } from "./domain";
import { forgetFindings } from "./findings";
import { reserveAnswer } from "./interruptible";
import { journalForget, journalLength, journalOverflowed, mark, undoTo } from "./journal";
import {
  beginLinearization,
  callBegins,
  isExplained,
  isFull,
  partPasses,
  tellCall,
  tellConfigurations,
} from "./linearization";
import { add, addNumber, addVmRecord, beginPart, packState, partsOfState, preparePacking } from "./packed-state";
import {
  beforeSteps,
  chooseRules,
  isAsked,
  isEndlessAllowed,
  isPanicAllowed,
  isPartRight,
  isStateBetweenRight,
  isStateRight,
  isStepRight,
  isTurnRight,
  judgeTurn,
} from "./rules";
import { beginAtFirst, depth, goTo } from "./position";
import { isPossible } from "./possible";
import { forgetStates, isBroken, isNew, isState, NO_STATE, rowOf, setBroken, states, visit } from "./visited";

/** The rules that make sense where CPUs interleave. */
const ASKED: u32 =
  (1 << FINDING_PANIC) |
  (1 << FINDING_INVARIANT) |
  (1 << FINDING_REFUSAL) |
  (1 << FINDING_SECRECY) |
  (1 << FINDING_INTEGRITY) |
  (1 << FINDING_FREED) |
  (1 << FINDING_LEAK) |
  (1 << FINDING_REFINEMENT) |
  (1 << FINDING_PROGRESS) |
  (1 << FINDING_POINTER);

/** Parts that no call has: one that goes on for longer does not end. */
const ENDLESS: u32 = 256;

export const ROW_BYTES: usize = 256;
/** The step that led to the first state. */
const NOTHING: u32 = 0x7fff;

// Kinds of parts that only a state of two CPUs has; those below are the machine's.
const ORDERS: u32 = 13;
const BETWEEN: u32 = 14;
const CPU: u32 = 15;
/** Kinds of parts are left for so many slots. */
const MAX_VMS: u32 = 12;
/** Of the machine: between, and two CPUs. */
const MACHINE_PARTS: u32 = 3;
/** And the orders of calls. */
const MORE_PARTS: u32 = MACHINE_PARTS + 1;

/** The whole state as it was packed last. */
export let row: usize = 0;
// u8 per operation: whether the CPU can begin it.
let possible: usize = 0;

/** Whether the specification machine goes along. */
let isSpecified: bool = false;
/** Whether the call that ended with the last part, if one did, is what the specification says of some order of the calls. */
export let isLastExplained: bool = true;

let expanded: u32 = 0;
let tried: u64 = 0;
let transitions: u64 = 0;
let deepest: u32 = 0;

export function interleavedExpanded(): u32 {
  return expanded;
}

export function interleavedTried(): u64 {
  return tried;
}

export function interleavedTransitions(): u64 {
  return transitions;
}

export function interleavedDeepest(): u32 {
  return deepest;
}

/** Begins at the state in which the machine is, with both CPUs idle. SEARCH_*. */
export function startInterleaving(invariants: u64, rules: u32): i32 {
  if (!isPkvm || maxVms > MAX_VMS || !readDomain() || loadedVcpu() != null) return SEARCH_DOMAIN;
  // The batch that set up the machine may have recorded: its calls come by another function, which saved locals would tell.
  startRecording(false);
  forgetFindings();
  forgetParts();
  forgetStates();
  journalForget();
  preparePacking();
  if (((partsOfState() + MORE_PARTS) as usize) << 1 > ROW_BYTES) return SEARCH_DOMAIN;
  if (!reserveRoom()) return SEARCH_STATES_FULL;
  chooseRules(invariants, rules & ASKED);
  isSpecified = isAsked(FINDING_REFINEMENT);
  if (isSpecified && !beginLinearization()) return SEARCH_STATES_FULL;
  beginAtFirst();
  expanded = 0;
  tried = 0;
  transitions = 0;
  deepest = 0;
  if (mark() < 0) return SEARCH_JOURNAL_FULL;
  if (!packAll()) return SEARCH_PARTS_FULL;
  if (visit(row, 0, NOTHING) == NO_STATE) return SEARCH_STATES_FULL;
  judgeTurn(0, NOTHING, 0);
  if (isStateRight()) return SEARCH_MORE;
  setBroken(0);
  return SEARCH_FOUND;
}

/** For parts that are made one by one (`take`), without a search. False if it cannot be. */
export function startTurns(): bool {
  isSpecified = false;
  return isPkvm && readDomain() && reserveAnswer() && reserveCpus();
}

function reserveRoom(): bool {
  row = reserve(ROW_BYTES);
  possible = reserve(DOMAIN_MAX_OPERATIONS);
  return reserveAnswer() && reserveCpus() && row != 0 && possible != 0;
}

/** Tries all steps in `count` more states, or up to the first finding. SEARCH_*. */
export function runInterleaving(count: u32, untilFinding: bool): i32 {
  for (let i: u32 = 0; i < count && expanded < states; i++) {
    const status = expand(expanded++, untilFinding);
    if (status != SEARCH_MORE) return status;
  }
  return expanded < states ? SEARCH_MORE : SEARCH_EXHAUSTED;
}

function expand(state: u32, untilFinding: bool): i32 {
  if (isBroken(state)) return SEARCH_MORE;
  const found = goTo(state, repeatStep);
  if (found != SEARCH_MORE) return found;
  beforeSteps();
  for (let cpu: u32 = 0; cpu < CPUS; cpu++) {
    const status = expandCpu(state, cpu, untilFinding);
    if (status != SEARCH_MORE) return status;
  }
  return SEARCH_MORE;
}

function expandCpu(state: u32, cpu: u32, untilFinding: bool): i32 {
  const under = suspendedOperation(cpu);
  if (under >= 0) return tryStep(state, cpu, (under as u32) | (STEP_GOES_ON as u32), untilFinding);
  notePossible(cpu);
  for (let index: u32 = 0; index < operations; index++) {
    if (load<u8>(possible + index) == 0) continue;
    const status = tryStep(state, cpu, index, untilFinding);
    if (status != SEARCH_MORE) return status;
  }
  return SEARCH_MORE;
}

function notePossible(cpu: u32): void {
  enterCpu(cpu);
  for (let index: u32 = 0; index < operations; index++) {
    store<u8>(possible + index, isPossible(operationAt(index)) ? 1 : 0);
  }
  leaveCpu(cpu);
}

function tryStep(state: u32, cpu: u32, step: u32, untilFinding: bool): i32 {
  const point = mark();
  if (point < 0) return SEARCH_JOURNAL_FULL;
  const status = attempt(state, cpu, cpu == 0 ? step : step | (STEP_CPU as u32));
  if (undoTo(point) != 0) return SEARCH_JOURNAL_FULL;
  return status == SEARCH_FOUND && !untilFinding ? SEARCH_MORE : status;
}

/** Tries one step in `state`, in which the machine is; the caller undoes it. */
function attempt(state: u32, cpu: u32, begun: u32): i32 {
  tried++;
  const ret = take(cpu, begun & STEP_OPERATION);
  const isHalfWay = suspendedOperation(cpu) >= 0;
  const step = isHalfWay ? begun | (STEP_SUSPENDED as u32) : begun;
  if (journalOverflowed()) return SEARCH_JOURNAL_FULL;
  judgeTurn(state, step, depth + 1);
  if (panicked != 0) return isPanicAllowed() ? SEARCH_MORE : SEARCH_FOUND;
  if (limitReached != 0 || isFull) return SEARCH_LIMIT;
  if (!isTurnRight(isLastExplained)) return SEARCH_FOUND;
  if (!packAll()) return SEARCH_PARTS_FULL;
  if (isState(state, row)) return SEARCH_MORE;
  transitions++;
  if (isMachineAs(rowOf(state))) return arrive(state, step);
  const isInOnePiece = !isHalfWay && (begun & STEP_GOES_ON) == 0;
  const isRight = isInOnePiece ? isStepRight(ret) : isPartRight();
  return isRight ? arrive(state, step) : SEARCH_FOUND;
}

/** Whether the machine is in the state of another row: what is known of orders of calls may differ. */
export function isMachineAs(other: usize): bool {
  return memory.compare(row, other, ((partsOfState() + MACHINE_PARTS) as usize) << 1) == 0;
}

/** The step led to the state that is packed in `row`. */
function arrive(state: u32, step: u32): i32 {
  const next = visit(row, state, step);
  if (next == NO_STATE) return SEARCH_STATES_FULL;
  if (!isNew) return SEARCH_MORE;
  deepest = max(deepest, depth + 1);
  if ((isQuiescent() ? isStateRight() : isStateBetweenRight()) && doCallsEnd()) return SEARCH_MORE;
  setBroken(next);
  return SEARCH_FOUND;
}

/** Whether each call that is half-way ends if it goes on alone; true if that is not asked. */
export function doCallsEnd(): bool {
  if (!isAsked(FINDING_PROGRESS)) return true;
  for (let cpu: u32 = 0; cpu < CPUS; cpu++) {
    if (!doesCallEnd(cpu)) return isEndlessAllowed();
  }
  return true;
}

function doesCallEnd(cpu: u32): bool {
  const under = suspendedOperation(cpu);
  if (under < 0) return true;
  const wasSpecified = isSpecified;
  isSpecified = false;
  const point = mark();
  for (let i: u32 = 0; i < ENDLESS && suspendedOperation(cpu) >= 0 && panicked == 0; i++) take(cpu, under as u32);
  const isEnded = suspendedOperation(cpu) < 0 || panicked != 0 || journalOverflowed();
  // What the journal has no room for ends the search with the next step.
  undoTo(point);
  isSpecified = wasSpecified;
  return isEnded;
}

/** Makes one part of an operation, by number, or the next part of the one that the CPU is in. What it answers at its end. */
export function take(cpu: u32, index: u32): i32 {
  enterCpu(cpu);
  forgetStray();
  if (isSpecified) beforePart(cpu, index);
  const before = journalLength();
  const ret = runPart(cpu, index);
  if (journalLength() != before) giveAway();
  leaveCpu(cpu);
  if (isSpecified) afterPart(cpu, ret);
  return ret;
}

function beforePart(cpu: u32, index: u32): void {
  isLastExplained = true;
  if (suspendedOperation(cpu) < 0) callBegins(cpu, operationAt(index));
  else partPasses();
}

function afterPart(cpu: u32, ret: i32): void {
  if (panicked != 0) return;
  partPasses();
  if (suspendedOperation(cpu) < 0) isLastExplained = isExplained(cpu, ret);
}

/** Writes the whole state's row. False if there is no room for another part. */
export function packAll(): bool {
  if (!packState(row)) return false;
  const to = row + ((partsOfState() as usize) << 1);
  beginPart();
  addHostEntries();
  for (let i: u32 = 0; i < CPUS; i++) {
    const vm = detachedAt(i);
    if (vm != null) addVmRecord(vm);
  }
  if (!addNumber(to, BETWEEN)) return false;
  for (let cpu: u32 = 0; cpu < CPUS; cpu++) {
    beginPart();
    addCpu(cpu);
    if (!addNumber(to + 2 + ((cpu as usize) << 1), CPU)) return false;
  }
  const isSwapped = sortPair(to + 2);
  beginPart();
  if (isSpecified) tellConfigurations(isSwapped, add);
  return addNumber(to + ((MACHINE_PARTS as usize) << 1), ORDERS);
}

function addHostEntries(): void {
  let present: u64 = 0;
  for (let i: u32 = 0; i < pages; i++) {
    if (ownerOf(i) != 0) continue;
    getLeaf(hostTable, pfnToPa(domainPfn(i)));
    if (isValid(leaf)) present |= (1 as u64) << i;
  }
  add(present);
}

function addCpu(cpu: u32): void {
  add((suspendedOperation(cpu) + 1) as u64);
  const vcpu = loadedOn(cpu);
  add(vcpu != null ? ((vcpu.vm.handle as u64) << 32) | (vcpu.index as u64) : u64.MAX_VALUE);
  const bytes = localsBytes(cpu);
  const locals = localsOf(cpu);
  for (let offset: usize = 0; offset < bytes; offset += 4) add(load<u32>(locals + offset) as u64);
  if (isSpecified) tellCall(cpu, add);
}

// Whether the two were swapped.
function sortPair(at: usize): bool {
  const one = load<u16>(at);
  const other = load<u16>(at, 2);
  if (one <= other) return false;
  store<u16>(at, other);
  store<u16>(at, one, 2);
  return true;
}

function repeatStep(step: u32): void {
  take((step & STEP_CPU) != 0 ? 1 : 0, step & STEP_OPERATION);
}
