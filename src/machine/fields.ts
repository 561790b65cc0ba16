// Registers and descriptors as tables of bit fields: one row per field of the Arm manual, with what a value of it means.

/** A field of a 64-bit value. */
export interface Field {
  /** As the Arm manual spells it. */
  readonly name: string;
  readonly msb: number;
  readonly lsb: number;
  /** What the field says, `whole` being the value that it is part of. */
  readonly words: (field: number, whole: bigint) => string;
}

/** A field with its value. */
export interface DecodedField {
  readonly name: string;
  /** `31:26`, or `25`. */
  readonly bits: string;
  /** The field alone, as a number. */
  readonly value: bigint;
  readonly words: string;
}

/** A value taken apart. */
export interface Decoded {
  readonly value: bigint;
  /** All of it in one sentence. */
  readonly summary: string;
  readonly fields: readonly DecodedField[];
}

/** The bits `msb` to `lsb` of a value. */
export function bits(value: bigint, msb: number, lsb: number = msb): bigint {
  return BigInt.asUintN(msb - lsb + 1, value >> BigInt(lsb));
}

/** A field that is small enough to be looked up by. */
export function numberAt(value: bigint, msb: number, lsb: number = msb): number {
  return Number(bits(value, msb, lsb));
}

/** Takes `whole` apart. */
export function decodeFields(whole: bigint, fields: readonly Field[]): DecodedField[] {
  return fields.map(({ name, msb, lsb, words }) => {
    const value = bits(whole, msb, lsb);
    return { name, bits: bitRange(msb, lsb), value, words: words(Number(value), whole) };
  });
}

/** `31:26`, or `25` for one bit. */
export function bitRange(msb: number, lsb: number): string {
  return msb === lsb ? `${msb}` : `${msb}:${lsb}`;
}

/** A one-bit field. */
export function flag(name: string, bit: number, set: string, clear: string): Field {
  return { name, msb: bit, lsb: bit, words: (value) => (value === 1 ? set : clear) };
}

/** A field whose values are numbered meanings. */
export function choice(name: string, msb: number, lsb: number, meanings: readonly string[]): Field {
  return { name, msb, lsb, words: (value) => meanings[value] ?? "reserved" };
}

/** `0b01` for up to four bits, else hexadecimal. */
export function fieldValue({ bits: range, value }: DecodedField): string {
  const [msb = 0, lsb = msb] = range.split(":").map(Number);
  const width = msb - lsb + 1;
  return width <= 4 ? `0b${value.toString(2).padStart(width, "0")}` : `0x${value.toString(16)}`;
}
