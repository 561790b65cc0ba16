// A fault as the kernel's handlers see it: syndrome, address, and the instruction that made the access.

import type { Instruction } from "./instruction.js";

/** The scenario's classes of instructions, and the copy instructions of FEAT_MOPS, which have an entry type of their own. */
export type FaultingInstruction = Instruction | "mops";

/** What else the handlers look at. Ordinary faults have none of these. */
export type Circumstance =
  | "kprobe"
  | "pagefault-disabled"
  | "no-mm"
  | "efi-mm"
  | "efi-runtime"
  | "software-pan"
  | "kfence"
  | "bpf-arena"
  | "firmware-first"
  | "interrupt"
  | "init"
  | "stage1-table-lost";

export interface Fault {
  /** ESR_EL1. */
  readonly esr: bigint;
  /** FAR_EL1 in bytes. */
  readonly far: bigint;
  /** Where the exception came from (SPSR_EL1.M). */
  readonly el: 0 | 1;
  readonly instruction: FaultingInstruction;
  /** The way of the copy seen from user memory: a load reads it. Decides which side of a `mops` copy faulted. */
  readonly kind: "load" | "store" | "fetch";
  readonly circumstances: ReadonlySet<Circumstance>;
}

export const ORDINARY: ReadonlySet<Circumstance> = new Set();

const EC_IABT_CURRENT = 0x21;
const EC_DABT_CURRENT = 0x25;
const EC_IABT_LOWER = 0x20;
const EC_DABT_LOWER = 0x24;

/** ESR_ELx.FnV, S1PTW, WnR, IL. */
const FNV = 1n << 10n;
const S1PTW = 1n << 7n;
const WNR = 1n << 6n;
const IL = 1n << 25n;

export const fscOf = ({ esr }: Fault): number => Number(esr & 0x3fn);
const classOf = ({ esr }: Fault): number => Number((esr >> 26n) & 0x3fn);

export const isWrite = ({ esr }: Fault): boolean => (esr & WNR) !== 0n;
export const hasS1ptw = ({ esr }: Fault): boolean => (esr & S1PTW) !== 0n;
export const isFarInvalid = ({ esr }: Fault): boolean => (esr & FNV) !== 0n;

export function isInstructionAbort(fault: Fault): boolean {
  const ec = classOf(fault);
  return ec === EC_IABT_LOWER || ec === EC_IABT_CURRENT;
}

/** A data abort that EL1 took from EL1. */
export const isDataAbortFromEl1 = (fault: Fault): boolean => classOf(fault) === EC_DABT_CURRENT;

export function isTranslationFault(fault: Fault): boolean {
  const fsc = fscOf(fault);
  return (fsc >= 0x04 && fsc <= 0x07) || fsc === 0x2b;
}

export const isPermissionFault = (fault: Fault): boolean => fscOf(fault) >> 2 === 0x0c >> 2;

/** Whether the address is translated by TTBR0: bit 55. */
export const isUserAddress = ({ far }: Fault): boolean => (far & (1n << 55n)) === 0n;

/** The syndrome of an ordinary stage-1 fault at level 3 (reference host-and-vmm 8.1). */
export function stage1Syndrome(
  el: 0 | 1,
  kind: "load" | "store" | "fetch",
  what: "translation" | "permission",
): bigint {
  const lower = kind === "fetch" ? EC_IABT_LOWER : EC_DABT_LOWER;
  const wnr = kind === "store" ? WNR : 0n;
  return (BigInt(lower + el) << 26n) | IL | wnr | (what === "translation" ? 0x07n : 0x0fn);
}
