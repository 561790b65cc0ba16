// A descriptor as the manual draws it: bits from 63 down, cut where a field begins or ends.

/** Bits in a row: two rows fit a phone. */
const ROW = 32;

export interface BitField {
  readonly name: string;
  /** `31:26`, or `25`. */
  readonly bits: string;
}

/** Neighbouring bits of one field, or of none. */
export interface BitRun {
  readonly msb: number;
  readonly lsb: number;
  /** `0110`, the highest bit first. */
  readonly digits: string;
  /** Null: no field has them. */
  readonly field: string | null;
}

/** The 64 bits in rows, the highest first. A field that spans two rows is a run in each. */
export function bitRows(descriptor: bigint, fields: readonly BitField[]): BitRun[][] {
  const owners = ownersOf(fields);
  const rows: BitRun[][] = [];
  for (let msb = 63; msb >= 0; msb -= ROW) rows.push(runsOf(descriptor, owners, msb, msb - ROW + 1));
  return rows;
}

/** Name of the field of each bit. */
function ownersOf(fields: readonly BitField[]): ReadonlyMap<number, string> {
  const owners = new Map<number, string>();
  for (const { name, bits } of fields) {
    const [msb = 0, lsb = msb] = bits.split(":").map(Number);
    for (let bit = lsb; bit <= msb; bit++) owners.set(bit, name);
  }
  return owners;
}

function runsOf(descriptor: bigint, owners: ReadonlyMap<number, string>, msb: number, lsb: number): BitRun[] {
  const runs: BitRun[] = [];
  for (let bit = msb; bit >= lsb; bit--) {
    const digit = String((descriptor >> BigInt(bit)) & 1n);
    const field = owners.get(bit) ?? null;
    const last = runs.at(-1);
    if (last !== undefined && last.field === field) {
      runs[runs.length - 1] = { ...last, lsb: bit, digits: last.digits + digit };
    } else {
      runs.push({ msb: bit, lsb: bit, digits: digit, field });
    }
  }
  return runs;
}
