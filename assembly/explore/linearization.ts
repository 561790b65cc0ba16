// Refinement where the calls of two CPUs interleave: whatever the schedule, the answers and the state that the calls lead to are
// those of the specification machine making them in some order, each between its begin and its end (linearizability: Herlihy
// and Wing 1990). The refill of a hypercall is page by page, and so are the tables that a VM leaves (reference 3.14, 5.7).
//
// Where no operation is half-way the specification's state is the machine's. From there on all that the specification may have
// done is kept: configurations, each a state of it and what it has made of both CPUs' calls. The end of a call leaves those
// that gave the machine's answer, the end of all calls that of the machine's state; if none is left, no order explains it.
//
//   0 u32 configurations (UNKNOWN: nothing is said until no operation is half-way) | 8 call of CPU 0 | 64 call of CPU 1
//   120 per configuration: u64 pages | u64 slots | u32 what was made of the call of CPU 0 | u32 of CPU 1
//
// It is kept in journaled memory, and so undone with the machine.

import { EINVAL } from "../abi/codes";
import { DISAGREE_STATE } from "../abi/explore";
import { FINALIZE_TEARDOWN_VM } from "../abi/operations";
import { HOST_PRIVATE, HYP_PRIVATE, NO_CALLER } from "../abi/specification";
import { reserve } from "../memory/heap";
import { abstractKinds, abstractState, strangeAt } from "./abstraction";
import { CPUS, isQuiescent, loadedOn, suspendedOperation } from "./cpus";
import { copyNoted } from "./journal";
import { compared, disagrees, disagreesOnAnswer, isReady, isSame } from "./refinement";
import {
  Call,
  CALL_BYTES,
  describe,
  HANDLED,
  MAY_BE_REFUSED,
  MORE,
  NO_CHANGE,
  SILENT,
  takeStep,
} from "./specified-call";
import { pageCount, pages, rowOf, setPage, setState, slots } from "./specification/state";

const UNKNOWN: u32 = u32.MAX_VALUE;
const CALLS: usize = 8;
const LIST: usize = 120;
const CONFIGURATION: usize = 24;
const MOST: u32 = 256;
const BYTES: usize = LIST + CONFIGURATION * (MOST as usize);

// What the specification has made of a CPU's call.
const IDLE: u32 = 0;
/** So many of its steps: the number is below. */
const BEGUN: u32 = 0x1_0000;
/** All of it, with the answer below. */
const ANSWERED: u32 = 0x2_0000;
/** All of it, and the answer may be any. */
const ANYHOW: u32 = 0x3_0000;
/** It was refused, whatever the errno. */
const REFUSED: u32 = 0x4_0000;
const WHAT: u32 = 0xff_0000;

/** The tables of a VM that has ended come back. */
const TABLES_COME_BACK: u32 = BEGUN | 1;

let kept: usize = 0;
// The same, while a part of a call is made.
const work: usize = memory.data(BYTES as i32, 8);
/** More configurations than there is room for. */
export let isFull: bool = false;

/** After the machine is created, which is in the first state. False if linear memory is used up. */
export function beginLinearization(): bool {
  kept = reserve(BYTES);
  if (kept == 0) return false;
  isFull = false;
  setCount(isReady && abstractState() ? 0 : UNKNOWN);
  if (count() == 0) add(pages, slots, IDLE, IDLE);
  save();
  return true;
}

/** A CPU, which the machine is, is about to begin the operation `record`. */
export function callBegins(cpu: u32, record: usize): void {
  restore();
  describe(record, callOf(cpu));
  for (let i: u32 = 0; isKnown() && i < count(); i++) setMade(at(i), cpu, BEGUN);
  close();
  save();
}

/** Before and after a part of a call: what other calls hold back is let go between parts. */
export function partPasses(): void {
  restore();
  close();
  save();
}

/** The call of a CPU has ended with an answer. False if no order of the calls explains it: see `disagreement` of refinement.ts. */
export function isExplained(cpu: u32, ret: i32): bool {
  restore();
  const isRight = isKnown() ? keepAnswered(cpu, ret) && keepReached() : true;
  if (!isKnown() && isQuiescent() && isReady && abstractState()) beginAnew();
  memory.fill(changetype<usize>(callOf(cpu)), 0, CALL_BYTES);
  save();
  return isRight;
}

function restore(): void {
  memory.copy(work, kept, bytesInUse(kept));
}

function save(): void {
  copyNoted(kept, work, bytesInUse(work));
}

function bytesInUse(from: usize): usize {
  const length = load<u32>(from);
  return LIST + (length == UNKNOWN ? 0 : (length as usize) * CONFIGURATION);
}

function count(): u32 {
  return load<u32>(work);
}

function setCount(length: u32): void {
  store<u32>(work, length);
}

function isKnown(): bool {
  return count() != UNKNOWN;
}

function callOf(cpu: u32): Call {
  return changetype<Call>(work + CALLS + (cpu as usize) * CALL_BYTES);
}

function at(index: u32): usize {
  return work + LIST + (index as usize) * CONFIGURATION;
}

function made(configuration: usize, cpu: u32): u32 {
  return load<u32>(configuration + ((cpu as usize) << 2), 16);
}

function setMade(configuration: usize, cpu: u32, what: u32): void {
  store<u32>(configuration + ((cpu as usize) << 2), what, 16);
}

function add(pageWord: u64, slotWord: u64, first: u32, second: u32): void {
  const both = (first as u64) | ((second as u64) << 32);
  const length = count();
  for (let i: u32 = 0; i < length; i++) {
    const known = at(i);
    if (load<u64>(known) == pageWord && load<u64>(known, 8) == slotWord && load<u64>(known, 16) == both) return;
  }
  isFull = length == MOST;
  if (isFull) return;
  setCount(length + 1);
  store<u64>(at(length), pageWord);
  store<u64>(at(length), slotWord, 8);
  store<u64>(at(length), both, 16);
}

// Adds all that the specification may do now.
function close(): void {
  abstractKinds();
  for (let i: u32 = 0; isKnown() && i < count(); i++) {
    for (let cpu: u32 = 0; isKnown() && cpu < CPUS; cpu++) {
      if ((made(at(i), cpu) & WHAT) == BEGUN) goOn(at(i), cpu);
    }
  }
}

// The next step of a CPU's call.
function goOn(configuration: usize, cpu: u32): void {
  const call = callOf(cpu);
  const what = made(configuration, cpu);
  setState(load<u64>(configuration), load<u64>(configuration, 8));
  if (call.code == FINALIZE_TEARDOWN_VM && what == TABLES_COME_BACK) return tablesComeBack(configuration, cpu);
  if ((call.flags & MAY_BE_REFUSED) != 0) follow(configuration, cpu, REFUSED);
  if (call.ends != 0 && isLoadedElsewhere(cpu, call.ends)) return follow(configuration, cpu, answered(-EINVAL));
  if (call.ends != 0 && isOtherHalfWay(cpu)) follow(configuration, cpu, answered(-EINVAL));
  const verdict = takeStep(call, what & 0xffff);
  if (verdict == SILENT || (verdict >= NO_CALLER && verdict < NO_CHANGE)) setCount(UNKNOWN);
  else if (verdict == MORE) follow(configuration, cpu, what + 1);
  else if (verdict == NO_CHANGE) follow(configuration, cpu, ANYHOW);
  else {
    follow(configuration, cpu, answered(verdict == HANDLED ? 1 : verdict));
    if (call.code == FINALIZE_TEARDOWN_VM && verdict == 0) follow(configuration, cpu, TABLES_COME_BACK);
  }
}

function answered(ret: i32): u32 {
  return ANSWERED | (ret as u16 as u32);
}

// The specification's current state comes of a step of the CPU's call.
function follow(configuration: usize, cpu: u32, what: u32): void {
  add(pages, slots, cpu == 0 ? what : made(configuration, 0), cpu == 1 ? what : made(configuration, 1));
}

// Of which VM's tables a page is the specification does not know: each may come back, one after the other.
function tablesComeBack(configuration: usize, cpu: u32): void {
  for (let page: u32 = 0; page < pageCount; page++) {
    setState(load<u64>(configuration), load<u64>(configuration, 8));
    if (rowOf(page) != HYP_PRIVATE) continue;
    setPage(page, HOST_PRIVATE, 0);
    follow(configuration, cpu, TABLES_COME_BACK);
    follow(configuration, cpu, answered(0));
  }
}

// A loaded vCPU is a reference to its VM, and so is a call on it that is half-way: with either a VM is not taken down.
function isLoadedElsewhere(cpu: u32, vm: u32): bool {
  const vcpu = loadedOn(1 - cpu);
  return vcpu != null && vcpu.vm.handle == vm;
}

function isOtherHalfWay(cpu: u32): bool {
  return suspendedOperation(1 - cpu) >= 0;
}

// Leaves the configurations that gave the machine's answer, the CPU idle in them.
function keepAnswered(cpu: u32, ret: i32): bool {
  const before = count();
  const isAnyhow = callOf(cpu).code == NO_CHANGE;
  compared(!isAnyhow);
  let wanted: i32 = 0;
  setCount(0);
  for (let i: u32 = 0; i < before; i++) {
    const what = made(at(i), cpu);
    if ((what & WHAT) == ANSWERED) wanted = what as i16 as i32;
    if (!isAnswer(what, ret)) continue;
    setMade(at(i), cpu, IDLE);
    add(load<u64>(at(i)), load<u64>(at(i), 8), made(at(i), 0), made(at(i), 1));
  }
  return count() != 0 || disagreesOnAnswer(wanted, ret);
}

function isAnswer(what: u32, ret: i32): bool {
  if (what == ANYHOW || (what == REFUSED && ret < 0)) return true;
  return what == answered(ret);
}

// Where no operation is half-way, the machine's state is one that the specification has reached, and the only one.
function keepReached(): bool {
  if (!isQuiescent()) return true;
  const wantedPages = load<u64>(at(0));
  const wantedSlots = load<u64>(at(0), 8);
  if (!abstractState()) return disagrees(DISAGREE_STATE, strangeAt);
  for (let i: u32 = 0; i < count(); i++) {
    if (load<u64>(at(i)) != pages || load<u64>(at(i), 8) != slots) continue;
    beginAnew();
    return true;
  }
  return isSame(wantedPages, wantedSlots);
}

// The specification's current state is the only one.
function beginAnew(): void {
  setCount(0);
  add(pages, slots, IDLE, IDLE);
}

// What counts of it for the future

export type Tell = (word: u64) => void;

/** Tells a CPU's call, if one is half-way. */
export function tellCall(cpu: u32, tell: Tell): void {
  const from = kept + CALLS + (cpu as usize) * CALL_BYTES;
  for (let offset: usize = 0; offset < CALL_BYTES; offset += 8) tell(load<u64>(from + offset));
}

/** Tells the configurations, in an order of their own; `swapped`: as if each CPU were the other. */
export function tellConfigurations(swapped: bool, tell: Tell): void {
  restore();
  if (!isKnown()) return tell(u64.MAX_VALUE);
  for (let i: u32 = 0; swapped && i < count(); i++) {
    store<u64>(at(i), rotl<u64>(load<u64>(at(i), 16), 32), 16);
  }
  for (let i: u32 = 0; i < count(); i++) {
    const least = leastFrom(i);
    for (let offset: usize = 0; offset < CONFIGURATION; offset += 8) {
      const word = load<u64>(at(least) + offset);
      store<u64>(at(least) + offset, load<u64>(at(i) + offset));
      store<u64>(at(i) + offset, word);
      tell(word);
    }
  }
}

function leastFrom(index: u32): u32 {
  let least = index;
  for (let i = index + 1; i < count(); i++) {
    if (isLess(at(i), at(least))) least = i;
  }
  return least;
}

function isLess(one: usize, other: usize): bool {
  for (let offset: usize = 0; offset < CONFIGURATION; offset += 8) {
    const a = load<u64>(one + offset);
    const b = load<u64>(other + offset);
    if (a != b) return a < b;
  }
  return false;
}
