// Two CPUs that take turns on one machine: what each has of its own, and operations that are left where they release their
// locks and gone on with later. All of it is in journaled memory, and so undone with the machine.
//
//   CPU: 0 u32 operation it is in, + 1 (0 = none) | 4 u32 bytes of saved locals | 8 u32 its loaded vCPU | 12 u32 the locks it released
//        16 the locals

import { reserve } from "../memory/heap";
import { panicked } from "../memory/verdict";
import { loadedVcpu, setLoadedVcpu, Vcpu } from "../systems/pkvm/vm";
import { start_rewind, start_unwind, stop_rewind, stop_unwind } from "./asyncify";
import { copyNoted, noteStore } from "./journal";
import { perform } from "./interruptible";

export const CPUS: u32 = 2;

const BYTES: usize = 4;
const LOADED: usize = 8;
const RELEASED: usize = 12;
const LOCALS: usize = 16;
const LOCALS_BYTES: usize = 1008;
const CPU_BYTES: usize = LOCALS + LOCALS_BYTES;

let cpus: usize = 0;
// What Asyncify writes and reads: header and locals.
const HEADER: usize = 8;
const stack: usize = memory.data(1016, 8);

/** Whether operations are suspended at all: not those that set up the machine. */
let isRunning: bool = false;
let isUnwinding: bool = false;
let isRewinding: bool = false;
/** The locks that the operation released when it was left. */
let released: i32 = 0;

/** After the machine is created. False if linear memory is used up. */
export function reserveCpus(): bool {
  cpus = reserve((CPUS as usize) * CPU_BYTES);
  if (cpus != 0) memory.fill(cpus, 0, (CPUS as usize) * CPU_BYTES);
  return cpus != 0;
}

function cpuAt(cpu: u32): usize {
  return cpus + (cpu as usize) * CPU_BYTES;
}

/** The operation that the CPU is in the middle of; -1 if none. */
export function suspendedOperation(cpu: u32): i32 {
  return (load<u32>(cpuAt(cpu)) as i32) - 1;
}

/** Whether no CPU is in the middle of an operation. */
export function isQuiescent(): bool {
  for (let cpu: u32 = 0; cpu < CPUS; cpu++) {
    if (suspendedOperation(cpu) >= 0) return false;
  }
  return true;
}

/** LOCK_* that a suspended operation released last. */
export function releasedLocks(cpu: u32): i32 {
  return load<u32>(cpuAt(cpu), RELEASED) as i32;
}

/** The saved locals of a suspended operation, and how many bytes they are. */
export function localsOf(cpu: u32): usize {
  return cpuAt(cpu) + LOCALS;
}

export function localsBytes(cpu: u32): usize {
  return load<u32>(cpuAt(cpu), BYTES) as usize;
}

/** From here on the machine is this CPU: its vCPU is the loaded one. */
export function enterCpu(cpu: u32): void {
  setLoadedVcpu(changetype<Vcpu | null>(load<u32>(cpuAt(cpu), LOADED) as usize));
}

/** The machine is no CPU any more. */
export function leaveCpu(cpu: u32): void {
  noteWord(cpuAt(cpu), LOADED, changetype<usize>(loadedVcpu()) as u32);
  setLoadedVcpu(null);
}

export function loadedOn(cpu: u32): Vcpu | null {
  return changetype<Vcpu | null>(load<u32>(cpuAt(cpu), LOADED) as usize);
}

function noteWord(at: usize, offset: usize, value: u32): void {
  store<u32>(noteStore(at, offset, 4) + offset, value);
}

/**
 * Does an operation on the CPU that the machine is, or goes on with the one that it is in, up to where it releases its locks
 * or to its end.
 *
 * @returns what the operation answered; meaningless if the CPU is still in it
 */
export function runPart(cpu: u32, operation: u32): i32 {
  const at = cpuAt(cpu);
  if (suspendedOperation(cpu) >= 0) {
    const bytes = localsBytes(cpu);
    memory.copy(stack + HEADER, localsOf(cpu), bytes);
    setStack(bytes);
    isRewinding = true;
    start_rewind(stack);
  }
  isRunning = true;
  const ret = perform(operation);
  isRunning = false;
  if (isUnwinding) {
    stop_unwind();
    isUnwinding = false;
    const bytes = (load<u32>(stack) as usize) - (stack + HEADER);
    noteWord(at, 0, operation + 1);
    noteWord(at, BYTES, bytes as u32);
    noteWord(at, RELEASED, released);
    copyNoted(localsOf(cpu), stack + HEADER, bytes);
  } else if (load<u32>(at) != 0) {
    noteWord(at, 0, 0);
    noteWord(at, BYTES, 0);
  }
  return ret;
}

function setStack(bytes: usize): void {
  store<u32>(stack, (stack + HEADER + bytes) as u32);
  store<u32>(stack, (stack + HEADER + LOCALS_BYTES) as u32, 4);
}

/** What lockReleased does where CPUs interleave (scripts/suspend-calls.js). A machine that has stopped is not left any more. */
export function suspend(locks: i32): void {
  if (isRewinding) {
    isRewinding = false;
    stop_rewind();
  } else if (isRunning && panicked == 0) {
    isUnwinding = true;
    released = locks;
    setStack(0);
    start_unwind(stack);
  }
}
