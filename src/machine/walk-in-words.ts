// A stage-2 walk in words: what each level decided, and how the walk ended (reference stage2-walk sections 4 to 9).

import {
  annotationWords,
  contiguousSize,
  coveredSize,
  decodeDescriptor,
  descriptorAddress,
  descriptorKind,
  executeNever,
  s2apWords,
  xnWords,
  type AddressFormat,
  type DecodedDescriptor,
  type DescriptorContext,
} from "./descriptor-in-words.js";
import { bitRange, bits, numberAt } from "./fields.js";
import { levelShift } from "./geometry.js";
import { memoryAttributesName } from "./memory-attributes.js";
import { hex, sizeName } from "./names.js";
import type { Access, AccessKind, FaultKind, LeafUsed, Translation, WalkStep } from "./translation.js";
import type { Regime, RegimeStatus, WalkRegisters } from "./walk-machine.js";

/** A regime as it was written and as it was decoded. */
export interface WalkSetting {
  readonly registers: WalkRegisters;
  readonly regime: Regime;
}

const hcrOf = ({ registers: { hcr = 1n } }: WalkSetting) => hcr;

/** How descriptors of this regime are read. */
export function descriptorContext(setting: WalkSetting): DescriptorContext {
  const { registers, regime } = setting;
  const { paBits = 48, features = {} } = registers;
  return {
    granuleShift: regime.granuleShift,
    format: addressFormat(setting),
    paBits,
    fwb: features.s2fwb === true && numberAt(hcrOf(setting), 46) === 1,
    xnx: features.xnx === true,
  };
}

function addressFormat({ registers: { vtcr, features = {} }, regime }: WalkSetting): AddressFormat {
  if (regime.granuleShift === 16) return features.lpa === true ? "lpa" : "48";
  return features.lpa2 === true && numberAt(vtcr, 32) === 1 ? "lpa2" : "48";
}

/** `4 KiB granule, 40-bit IPA, 48-bit PA, start level 1, 2 concatenated tables at 0x48000000`. */
export function regimeWords({ regime }: WalkSetting): string {
  const { status, granuleShift, inputBits, outputBits, startLevel, base } = regime;
  if (status === "off") return "stage 2 is off: the output address is the input address";
  const sizes = `${sizeName(1n << BigInt(granuleShift))} granule, ${inputBits}-bit IPA, ${outputBits}-bit PA`;
  if (status !== "legal") return `${sizes}: illegal, ${ILLEGAL[status]}`;
  const concatenated = 2 ** Math.max(0, inputBits - levelShift(granuleShift, startLevel - 1));
  const tables = concatenated === 1 ? "table" : `${concatenated} concatenated tables`;
  return `${sizes}, start level ${startLevel}, ${tables} at ${hex(base)}`;
}

const ILLEGAL: Readonly<Record<Exclude<RegimeStatus, "legal" | "off">, string>> = {
  input_size: "VTCR_EL2.T0SZ is out of limits",
  start_level: "VTCR_EL2.SL0 and SL2 name no start level of this granule",
  inconsistent: "the start level does not fit the input size: the first table would have too few or too many entries",
};

const ACCESS_WORDS: Readonly<Record<AccessKind, string>> = {
  read: "data read",
  write: "data write",
  fetch: "instruction fetch",
  table_read: "stage-1 table read",
  table_update: "hardware update of a stage-1 descriptor",
  atomic: "atomic data read and write",
};

/** `data read at EL1`. */
export function accessWords({ kind, el = 1 }: Access): string {
  return `${ACCESS_WORDS[kind]} at EL${el}`;
}

/** A level of a walk: the descriptor that was read and what became of it. */
export interface WordedStep extends WalkStep {
  /** `IPA[38:30]`, the bits that chose the entry, and their value. */
  readonly indexBits: string;
  readonly index: bigint;
  /** Null if the read was aborted. */
  readonly decoded: DecodedDescriptor | null;
  /** `on to the level-2 table at 0x48002000`, `ends the walk`, `Translation fault`. */
  readonly decision: string;
}

/** The way of a walk, level by level. */
export function describeSteps(walk: Translation, ipa: bigint, setting: WalkSetting): WordedStep[] {
  const context = descriptorContext(setting);
  return walk.steps.map((step, i) => {
    const isLast = i === walk.steps.length - 1;
    const isAborted = isLast && walk.fault?.kind === "external_abort";
    const decoded = isAborted ? null : decodeDescriptor(step.descriptor, step.level, context);
    const decision = isLast ? lastDecision(walk, step, setting) : goesOn(step, context);
    return { ...step, ...indexOf(step.level, ipa, setting), decoded, decision };
  });
}

function goesOn({ level, descriptor }: WalkStep, context: DescriptorContext): string {
  return `on to the level-${level + 1} table at ${hex(descriptorAddress(descriptor, level, context))}`;
}

/** The first table takes all the bits that are left (section 4). */
function indexOf(level: number, ipa: bigint, { regime }: WalkSetting): { indexBits: string; index: bigint } {
  const { granuleShift, inputBits, startLevel } = regime;
  const lsb = levelShift(granuleShift, level);
  const msb = level === startLevel ? inputBits - 1 : lsb + granuleShift - 4;
  return { indexBits: `IPA[${bitRange(msb, lsb)}]`, index: bits(ipa, msb, lsb) };
}

function lastDecision(walk: Translation, step: WalkStep, setting: WalkSetting): string {
  if (walk.fault !== null) return FAULT_WORDS[walk.fault.kind];
  const leaf = walk.leaf;
  if (leaf === null || !leaf.contiguous) return "ends the walk";
  const context = descriptorContext(setting);
  const range = coveredSize(step.level, context) * BigInt(contiguousSize(step.level, context));
  return `ends the walk, in a contiguous range of ${sizeName(range)}`;
}

const FAULT_WORDS: Readonly<Record<FaultKind, string>> = {
  translation: "Translation fault",
  address_size: "Address size fault",
  access_flag: "Access flag fault",
  permission: "Permission fault",
  external_abort: "Synchronous External abort on the walk",
  alignment: "Alignment fault",
  granule_protection: "Granule protection fault",
};

/** `Translation fault, level 3: the descriptor is invalid`. */
export function faultWords(walk: Translation, access: Access, setting: WalkSetting): string {
  if (walk.fault === null) throw new Error("the walk did not fault");
  const { kind } = walk.fault;
  return `${FAULT_WORDS[kind]}, level ${walk.level}: ${causeOf(walk, kind, access, setting)}`;
}

function causeOf(walk: Translation, kind: FaultKind, access: Access, setting: WalkSetting): string {
  const step = walk.steps.at(-1);
  if (step === undefined) return causeBeforeWalk(kind, setting);
  const context = descriptorContext(setting);
  const found = descriptorKind(step.descriptor, step.level, context);
  switch (kind) {
    case "translation":
      if (found === "invalid") return invalidCause(step, context);
      if (found === "reserved") return "no block may stand at this level";
      return chosenFaultCause(step, context, setting);
    case "address_size": {
      const what = found === "table" ? "the next table" : "the output address";
      return `${what} is beyond the ${setting.regime.outputBits}-bit output`;
    }
    case "access_flag":
      return "AF is 0, and VTCR_EL2.HA does not let hardware set it";
    case "permission":
      return permissionCause(step.descriptor, access, context, setting);
    case "external_abort":
      return `nothing answers at ${hex(step.address)}`;
    case "alignment":
      return "the access is not aligned, and the memory is Device";
    case "granule_protection":
      return "the page is in another physical address space";
  }
}

/** What the implementation chose to fault on (6.9a, 6.9b). */
function chosenFaultCause({ level, descriptor }: WalkStep, context: DescriptorContext, setting: WalkSetting): string {
  const { registers, regime } = setting;
  const range = coveredSize(level, context) * BigInt(contiguousSize(level, context));
  const isTooLarge = numberAt(descriptor, 52) === 1 && range > 1n << BigInt(regime.inputBits);
  return registers.contiguousFault === true && isTooLarge
    ? "the contiguous range is larger than the input space, which the implementation does not accept"
    : "the block has nT=1, which the implementation does not accept";
}

function invalidCause({ descriptor, level }: WalkStep, context: DescriptorContext): string {
  const annotation = annotationWords(descriptor, level, context);
  return `the descriptor is invalid${annotation === null ? "" : `, to pKVM: ${annotation}`}`;
}

/** No descriptor was read (sections 6.2 to 6.5). */
function causeBeforeWalk(kind: FaultKind, { regime }: WalkSetting): string {
  const { status, inputBits, outputBits } = regime;
  if (status !== "legal" && status !== "off") return ILLEGAL[status];
  if (kind === "address_size") return `the first descriptor is beyond the ${outputBits}-bit output`;
  return `the address has bits set above its ${inputBits} bits`;
}

function permissionCause(leaf: bigint, access: Access, context: DescriptorContext, setting: WalkSetting): string {
  if (access.kind === "fetch")
    return `XN says ${xnWords(executeNever(leaf, context))}, and EL${access.el ?? 1} fetches`;
  const isTableAccess = access.kind === "table_read" || access.kind === "table_update";
  const isProtected = numberAt(hcrOf(setting), 2) === 1 && numberAt(hcrOf(setting), 27) === 0;
  if (isTableAccess && isProtected && isDevice(leaf, context))
    return "HCR_EL2.PTW forbids stage-1 tables in Device memory";
  return `S2AP says ${s2apWords(numberAt(leaf, 7, 6))}`;
}

/** MemAttr[3:2] is 00; with FWB, MemAttr[2] is 0. */
function isDevice(leaf: bigint, { fwb }: DescriptorContext): boolean {
  return fwb ? numberAt(leaf, 4) === 0 : numberAt(leaf, 5, 4) === 0;
}

/** Permissions and attributes of an access that was translated. */
export function leafWords(leaf: LeafUsed): string {
  return `${s2apWords(leaf.s2ap)}, ${xnWords(leaf.xn)}, ${memoryAttributesName(leaf.attributes)}`;
}
