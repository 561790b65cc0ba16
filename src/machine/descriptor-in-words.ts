// A stage-2 descriptor in words: which kind it is at its level, and every field of it (DDI 0487 D8.3; reference stage2-walk
// section 5). What software keeps in it is told as pKVM writes it.

import { describeDescriptor, describeEntry } from "./describe.js";
import { bits, choice, type Decoded, decodeFields, type DecodedField, type Field, flag, numberAt } from "./fields.js";
import { levelShift } from "./geometry.js";
import { hex, pageStateName, sizeName } from "./names.js";
import { SHAREABILITY } from "./registers-in-words.js";

/**
 * Where a descriptor keeps address bits 51:48: nowhere; in bits 15:12 (64 KiB pages with FEAT_LPA); 51:50 in bits 9:8 and 49:48
 * in place (DS=1).
 */
export type AddressFormat = "48" | "lpa" | "lpa2";

/** What one has to know to read a descriptor. */
export interface DescriptorContext {
  readonly granuleShift: number;
  readonly format: AddressFormat;
  /** Implemented physical address bits. */
  readonly paBits: number;
  /** HCR_EL2.FWB. */
  readonly fwb: boolean;
  /** FEAT_XNX: without it bit 53 counts as 0. */
  readonly xnx: boolean;
}

/** `reserved` is bit 0 set where no block may be: it counts as invalid. */
export type DescriptorKind = "invalid" | "reserved" | "table" | "block" | "page";

export interface DecodedDescriptor extends Decoded {
  readonly kind: DescriptorKind;
}

/** What the descriptor is at `level`. */
export function descriptorKind(descriptor: bigint, level: number, context: DescriptorContext): DescriptorKind {
  if ((descriptor & 1n) === 0n) return "invalid";
  const isTableOrPage = (descriptor & 2n) !== 0n;
  if (level === 3) return isTableOrPage ? "page" : "reserved";
  if (isTableOrPage) return "table";
  return level >= firstBlockLevel(context) && level < 3 ? "block" : "reserved";
}

/** AArch64_BlockDescSupported: one level more with 52-bit addresses. */
function firstBlockLevel({ granuleShift, format, paBits }: DescriptorContext): number {
  const isLarge = granuleShift === 16 ? paBits >= 52 : format === "lpa2";
  return (granuleShift === 12 ? 1 : 2) - (isLarge ? 1 : 0);
}

/** Bytes that an entry of `level` covers. */
export function coveredSize(level: number, { granuleShift }: DescriptorContext): bigint {
  return 1n << BigInt(levelShift(granuleShift, level));
}

/** The address field, from bit `shift` up. */
function addressField(descriptor: bigint, shift: number, format: AddressFormat): bigint {
  const low = bits(descriptor, 47, shift) << BigInt(shift);
  if (format === "48") return low;
  if (format === "lpa") return low | (bits(descriptor, 15, 12) << 48n);
  return low | (bits(descriptor, 49, 48) << 48n) | (bits(descriptor, 9, 8) << 50n);
}

/** The next table, or the start of the page or block as the descriptor has it (Contiguous not considered). */
export function descriptorAddress(descriptor: bigint, level: number, context: DescriptorContext): bigint {
  const isTable = descriptorKind(descriptor, level, context) === "table";
  const shift = isTable ? context.granuleShift : levelShift(context.granuleShift, level);
  return addressField(descriptor, shift, context.format);
}

/** A descriptor of a level, field by field. */
export function decodeDescriptor(value: bigint, level: number, context: DescriptorContext): DecodedDescriptor {
  const kind = descriptorKind(value, level, context);
  return {
    value,
    kind,
    summary: summaryOf(value, level, kind, context),
    fields: fieldsOf(value, level, kind, context),
  };
}

function summaryOf(value: bigint, level: number, kind: DescriptorKind, context: DescriptorContext): string {
  const address = hex(descriptorAddress(value, level, context));
  switch (kind) {
    case "invalid":
      return value === 0n ? "invalid: empty" : `invalid: ${softwareWords(value, level, context)}`;
    case "reserved":
      return `reserved encoding: no block at level ${level}, counts as invalid`;
    case "table":
      return `table at ${address}`;
    default: {
      const words = [
        s2apWords(numberAt(value, 7, 6)),
        xnWords(executeNever(value, context)),
        memAttrOf(value, context),
      ];
      const old = numberAt(value, 10) === 0 ? ["access flag clear"] : [];
      return [`${sizeName(coveredSize(level, context))} ${kind} at ${address}`, ...words, ...old].join(", ");
    }
  }
}

const asPkvm = ({ granuleShift }: DescriptorContext) =>
  ({ pageShift: granuleShift, config: { kind: "pkvm" } }) as const;

/** An invalid descriptor as pKVM annotates it. */
function softwareWords(value: bigint, level: number, context: DescriptorContext): string {
  return describeDescriptor(value, level, 0, asPkvm(context));
}

/** `donated to VM 0x1000`: what entries of one range have in common; null if it is none of pKVM's annotations. */
export function annotationWords(value: bigint, level: number, context: DescriptorContext): string | null {
  if (value === 0n || (value & 1n) !== 0n) return null;
  const words = describeEntry(value, level, 0, asPkvm(context));
  return words.startsWith("invalid") ? null : words;
}

function fieldsOf(value: bigint, level: number, kind: DescriptorKind, context: DescriptorContext): DecodedField[] {
  const type = choice(
    "type",
    1,
    0,
    [0, 1, 2, 3].map((low) => typeWords(low, kind)),
  );
  switch (kind) {
    case "table":
      return [...decodeFields(value, [type]), addressRow(value, "next-level table", context.granuleShift, context)];
    case "block":
    case "page":
      return [...decodeFields(value, leafFields(value, level, kind, context)), oaRow(value, level, context)].sort(
        byBit,
      );
    case "reserved":
      return decodeFields(value, [
        type,
        { name: "ignored", msb: 63, lsb: 2, words: () => "no meaning in this encoding" },
      ]);
    case "invalid":
      return decodeFields(value, [
        type,
        { name: "software", msb: 63, lsb: 2, words: () => softwareRow(value, level, context) },
      ]);
  }
}

function softwareRow(value: bigint, level: number, context: DescriptorContext): string {
  return `free for software; to pKVM: ${softwareWords(value, level, context)}`;
}

function typeWords(low: number, kind: DescriptorKind): string {
  return (low & 1) === 0 ? "invalid" : kind;
}

const lowestBit = ({ bits: range }: DecodedField) => Number(range.split(":").at(-1));
const byBit = (a: DecodedField, b: DecodedField) => lowestBit(a) - lowestBit(b);

/** The address is in up to three places: one row, with the address put together as its value. */
function addressRow(value: bigint, name: string, shift: number, { format }: DescriptorContext): DecodedField {
  const high = { "48": "", lpa: ",15:12", lpa2: ",9:8,49:48" }[format];
  const address = addressField(value, shift, format);
  return { name, bits: `47:${shift}${high}`, value: address, words: hex(address) };
}

function oaRow(value: bigint, level: number, context: DescriptorContext): DecodedField {
  const shift = levelShift(context.granuleShift, level);
  const row = addressRow(value, "OA", shift, context);
  return { ...row, bits: row.bits.replace(/^47:(\d+).*$/, "47:$1") };
}

function leafFields(value: bigint, level: number, kind: DescriptorKind, context: DescriptorContext): Field[] {
  const { format } = context;
  const contiguous = contiguousSize(level, context);
  const merged = `one of ${contiguous} entries that map a contiguous range`;
  return [
    choice("type", 1, 0, ["", kind, "", kind]),
    { name: "MemAttr", msb: 5, lsb: 2, words: () => memAttrOf(value, context) },
    { name: "S2AP", msb: 7, lsb: 6, words: s2apWords },
    format === "lpa2"
      ? { name: "OA[51:50]", msb: 9, lsb: 8, words: () => "part of the output address; SH is VTCR_EL2.SH0" }
      : choice("SH", 9, 8, SHAREABILITY),
    flag("AF", 10, "accessed", "not accessed: a fault, unless hardware sets it"),
    flag("FnXS", 11, "1 (FEAT_XS)", "0 (FEAT_XS)"),
    ...(format === "lpa" ? [{ name: "OA[51:48]", msb: 15, lsb: 12, words: () => "part of the output address" }] : []),
    ...(kind === "block" ? [flag("nT", 16, "not to be cached by TLBs as it is (FEAT_BBM)", "an ordinary block")] : []),
    ...(format === "lpa2" ? [{ name: "OA[49:48]", msb: 49, lsb: 48, words: () => "part of the output address" }] : []),
    flag("DBM", 51, "S2AP[1] is the dirty state, if VTCR_EL2.HD is 1", "S2AP[1] is a permission"),
    flag("Contiguous", 52, contiguous === 1 ? "ignored at this level" : merged, "stands alone"),
    { name: "XN", msb: 54, lsb: 53, words: () => xnWords(executeNever(value, context)) },
    {
      name: "software",
      msb: 58,
      lsb: 55,
      words: (field) => `page state, if a guest's table of pKVM: ${pageStateName(field & 3)}`,
    },
    { name: "ignored", msb: 63, lsb: 59, words: () => "ignored, or for PBHA and HWU (62:59)" },
  ];
}

/** Entries of a contiguous range; 1 where the bit is ignored. */
export function contiguousSize(level: number, { granuleShift }: DescriptorContext): number {
  if (level < (granuleShift === 12 ? 1 : 2)) return 1;
  if (granuleShift === 12) return 16;
  return granuleShift === 14 && level === 3 ? 128 : 32;
}

/** S2AP[1:0]: bit 0 read, bit 1 write. */
export function s2apWords(s2ap: number): string {
  return ["no data access", "read-only", "write-only", "read/write"][s2ap] ?? "";
}

/** XN[1:0] of a leaf as it counts. */
export function executeNever(descriptor: bigint, { xnx }: DescriptorContext): number {
  return numberAt(descriptor, 54, 53) & (xnx ? 3 : 2);
}

/** XN[1:0], bits 54:53. */
export function xnWords(xn: number): string {
  return ["executable", "executable at EL0 only", "not executable", "executable at EL1 only"][xn] ?? "";
}

const DEVICE = ["Device-nGnRnE", "Device-nGnRE", "Device-nGRE", "Device-GRE"];
const CACHES = ["reserved", "Non-cacheable", "Write-Through", "Write-Back"];

function memAttrOf(descriptor: bigint, { fwb }: DescriptorContext): string {
  return memAttrWords(numberAt(descriptor, 5, 2), fwb);
}

/** Section 8: MemAttr[3:0] by itself, or MemAttr[2:0] over stage 1's. */
function memAttrWords(memAttr: number, fwb: boolean): string {
  const low = memAttr & 3;
  if (fwb) return (memAttr & 4) === 0 ? (DEVICE[low] ?? "") : (FORCED[low] ?? "");
  const outer = memAttr >> 2;
  if (outer === 0) return DEVICE[low] ?? "";
  // Inner 00 is reserved; Non-cacheable is what the model makes of it.
  const inner = low === 0 ? "Non-cacheable (reserved)" : CACHES[low];
  return outer === low ? `Normal ${inner}` : `Normal, outer ${CACHES[outer]}, inner ${inner}`;
}

const FORCED = [
  "Normal Non-cacheable unless Device at stage 1 (reserved)",
  "Normal Non-cacheable unless Device at stage 1",
  "Normal Write-Back whatever stage 1 says",
  "as stage 1",
];
