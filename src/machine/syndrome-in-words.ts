// ESR_EL2 in words (DDI 0487 D24.2.40; asm/esr.h; reference stage2-walk section 9). Exceptions other than aborts are named,
// and of those that a hypervisor meets daily the syndrome is taken apart too.

import { bits, choice, type Decoded, decodeFields, type Field, flag, numberAt } from "./fields.js";
import { hex } from "./names.js";

const IABT_LOW = 0x20;
const IABT_CURRENT = 0x21;
const DABT_LOW = 0x24;
const DABT_CURRENT = 0x25;
const SYSTEM_REGISTER = 0x18;
const WFX = 0x01;

/** Exception classes, ESR_ELx.EC. */
const CLASSES: Readonly<Record<number, string>> = {
  0x00: "Unknown reason",
  [WFX]: "Trapped WFI or WFE",
  0x03: "Trapped MCR or MRC (coproc 0b1111)",
  0x04: "Trapped MCRR or MRRC (coproc 0b1111)",
  0x05: "Trapped MCR or MRC (coproc 0b1110)",
  0x06: "Trapped LDC or STC",
  0x07: "Trapped access to SVE, Advanced SIMD or floating point",
  0x08: "Trapped VMRS",
  0x09: "Trapped pointer authentication instruction",
  0x0a: "Trapped LD64B, ST64B or other instruction",
  0x0c: "Trapped MRRC (coproc 0b1110)",
  0x0d: "Branch Target Exception",
  0x0e: "Illegal Execution state",
  0x11: "SVC instruction execution in AArch32 state",
  0x12: "HVC instruction execution in AArch32 state",
  0x13: "SMC instruction execution in AArch32 state",
  0x15: "SVC instruction execution in AArch64 state",
  0x16: "HVC instruction execution in AArch64 state",
  0x17: "SMC instruction execution in AArch64 state",
  [SYSTEM_REGISTER]: "Trapped MSR, MRS or System instruction",
  0x19: "Trapped access to SVE",
  0x1a: "Trapped ERET",
  0x1c: "Pointer authentication failure",
  0x1d: "Trapped access to SME",
  0x1e: "Granule Protection Check exception",
  [IABT_LOW]: "Instruction Abort from a lower Exception level",
  [IABT_CURRENT]: "Instruction Abort taken without a change in Exception level",
  0x22: "PC alignment fault",
  [DABT_LOW]: "Data Abort from a lower Exception level",
  [DABT_CURRENT]: "Data Abort taken without a change in Exception level",
  0x26: "SP alignment fault",
  0x27: "Memory operation exception",
  0x28: "Trapped floating-point exception in AArch32 state",
  0x2c: "Trapped floating-point exception in AArch64 state",
  0x2d: "Guarded Control Stack exception",
  0x2f: "SError exception",
  0x30: "Breakpoint exception from a lower Exception level",
  0x31: "Breakpoint exception taken without a change in Exception level",
  0x32: "Software Step exception from a lower Exception level",
  0x33: "Software Step exception taken without a change in Exception level",
  0x34: "Watchpoint exception from a lower Exception level",
  0x35: "Watchpoint exception taken without a change in Exception level",
  0x38: "BKPT instruction execution in AArch32 state",
  0x3a: "Vector Catch exception",
  0x3c: "BRK instruction execution in AArch64 state",
};

/** Fault status codes that name no level, or level -1. */
const SINGLE_CODES: Readonly<Record<number, string>> = {
  0x10: "Synchronous External abort, not on a table walk",
  0x11: "Synchronous Tag Check Fault",
  0x13: "Synchronous External abort on a table walk, level -1",
  0x18: "Synchronous parity or ECC error, not on a table walk",
  0x1b: "Synchronous parity or ECC error on a table walk, level -1",
  0x21: "Alignment fault",
  0x23: "Granule Protection Fault on a table walk, level -1",
  0x28: "Granule Protection Fault, not on a table walk",
  0x29: "Address size fault, level -1",
  0x2b: "Translation fault, level -1",
  0x30: "TLB conflict abort",
  0x31: "Unsupported atomic hardware update fault",
  0x34: "IMPLEMENTATION DEFINED fault (Lockdown)",
  0x35: "IMPLEMENTATION DEFINED fault (Unsupported Exclusive or Atomic access)",
};

/** Fault status codes whose bits 1:0 are the level, by bits 5:2. */
const LEVEL_CODES: Readonly<Record<number, string>> = {
  0x00: "Address size fault",
  0x01: "Translation fault",
  0x02: "Access flag fault",
  0x03: "Permission fault",
  0x05: "Synchronous External abort on a table walk",
  0x07: "Synchronous parity or ECC error on a table walk",
  0x09: "Granule Protection Fault on a table walk",
};

/** `Translation fault, level 3` for the fault status code 0x07. */
export function faultStatusWords(code: number): string {
  const family = LEVEL_CODES[code >> 2];
  return SINGLE_CODES[code] ?? (family === undefined ? "reserved" : `${family}, level ${code & 3}`);
}

/** The exception class of an ESR_EL2 value: `Data Abort from a lower Exception level`. */
export function exceptionClassWords(ec: number): string {
  return CLASSES[ec] ?? "reserved";
}

/** ESR_EL2, field by field. */
export function decodeEsr(value: bigint): Decoded {
  const ec = numberAt(value, 31, 26);
  return { value, summary: summaryOf(value, ec), fields: decodeFields(value, [...HEAD, ...issFields(value, ec)]) };
}

function summaryOf(value: bigint, ec: number): string {
  const name = exceptionClassWords(ec);
  if (!isInstructionAbort(ec) && !isDataAbort(ec)) return name;
  const access = isInstructionAbort(ec) ? "instruction fetch" : numberAt(value, 6) === 1 ? "write" : "read";
  const what = numberAt(value, 7) === 1 ? "stage-1 table access" : access;
  return `${name}: ${faultStatusWords(numberAt(value, 5, 0))}, on a ${what}`.replace("a instruction", "an instruction");
}

const isInstructionAbort = (ec: number) => ec === IABT_LOW || ec === IABT_CURRENT;
const isDataAbort = (ec: number) => ec === DABT_LOW || ec === DABT_CURRENT;

const HEAD: readonly Field[] = [
  { name: "EC", msb: 31, lsb: 26, words: exceptionClassWords },
  flag("IL", 25, "32-bit instruction, or none to blame", "16-bit instruction"),
];

function issFields(value: bigint, ec: number): Field[] {
  const iss2: Field[] =
    bits(value, 55, 32) === 0n ? [] : [{ name: "ISS2", msb: 55, lsb: 32, words: (field) => hex(field) }];
  if (isDataAbort(ec)) return [...iss2, ...dataAbortFields(value)];
  if (isInstructionAbort(ec)) return [...iss2, ...abortFields("IFSC", value)];
  if (ec === SYSTEM_REGISTER) return [...iss2, ...SYSTEM_REGISTER_FIELDS];
  if (ec === WFX) return [...iss2, choice("TI", 1, 0, ["WFI", "WFE", "WFIT", "WFET"])];
  if (IMMEDIATE_CLASSES.includes(ec)) {
    return [...iss2, { name: "imm16", msb: 15, lsb: 0, words: (field) => `immediate ${hex(field)}` }];
  }
  return [...iss2, { name: "ISS", msb: 24, lsb: 0, words: (field) => hex(field) }];
}

/** SVC, HVC, SMC and BRK. */
const IMMEDIATE_CLASSES = [0x11, 0x12, 0x15, 0x16, 0x17, 0x3c];

const plain = (name: string, msb: number, lsb: number): Field => ({ name, msb, lsb, words: (field) => String(field) });

const SYSTEM_REGISTER_FIELDS: readonly Field[] = [
  plain("Op0", 21, 20),
  plain("Op2", 19, 17),
  plain("Op1", 16, 14),
  plain("CRn", 13, 10),
  { name: "Rt", msb: 9, lsb: 5, words: registerName },
  plain("CRm", 4, 1),
  choice("Direction", 0, 0, ["write (MSR)", "read (MRS)"]),
];

function registerName(register: number): string {
  return register === 31 ? "the zero register" : `X${register}`;
}

const ACCESS_FIELDS: readonly Field[] = [
  choice("SAS", 23, 22, ["byte", "halfword", "word", "doubleword"]),
  flag("SSE", 21, "sign-extended", "not sign-extended"),
  { name: "SRT", msb: 20, lsb: 16, words: registerName },
  flag("SF", 15, "64-bit register", "32-bit register"),
  flag("AR", 14, "acquire or release", "no acquire or release"),
];

function dataAbortFields(value: bigint): Field[] {
  const hasSyndrome = numberAt(value, 24) === 1;
  return [
    flag("ISV", 24, "bits 23:14 describe the instruction", "no instruction syndrome: bits 23:14 have no meaning"),
    ...(hasSyndrome ? ACCESS_FIELDS : []),
    flag("VNCR", 13, "made through VNCR_EL2", "not made through VNCR_EL2"),
    ...abortFields("DFSC", value),
  ];
}

/** What both kinds of aborts have; SET has a meaning with a Synchronous External abort, CM and WnR with a data abort. */
function abortFields(code: "DFSC" | "IFSC", value: bigint): Field[] {
  const isExternal = numberAt(value, 5, 0) === 0x10;
  const set = choice("SET", 12, 11, ["recoverable", "reserved", "uncontainable", "restartable"]);
  const data = [
    flag("CM", 8, "a cache maintenance, IC or AT instruction", "no cache maintenance, IC or AT instruction"),
  ];
  return [
    ...(isExternal ? [set, flag("FnV", 10, "FAR is not valid", "FAR is valid")] : []),
    flag("EA", 9, "External abort type 1", "External abort type 0"),
    ...(code === "DFSC" ? data : []),
    flag("S1PTW", 7, "stage-2 fault on a stage-1 table access", "not on a stage-1 table access"),
    ...(code === "DFSC" ? [flag("WnR", 6, "write", "read")] : []),
    { name: code, msb: 5, lsb: 0, words: faultStatusWords },
  ];
}
