// Register values in a log: `ESR: 0x92000087`, `esr=0x92000087`, `HPFAR:0000000000410310`, `VTCR_EL2 = 0x80023558`, as the kernel,
// EL2's panic message and people write them.

import { REGISTERS, type RegisterName } from "./registers-in-words.js";

/** A value that a line of a log names. */
export interface NamedValue {
  readonly register: RegisterName;
  /** As the line writes it. */
  readonly text: string;
  /** Null if the text is no 64-bit number. */
  readonly value: bigint | null;
}

/** A name, then a number: with 0x anything that stands there, bare 8 to 16 digits behind `:` or `=` (EL2's panic message). */
const NAMED =
  /(?<![a-z0-9])(esr|vtcr|vttbr|hcr|hpfar)(?:_el[12])?(?![a-z0-9_])(?:[\s:="'(]*(0x\w+)|\s*[:=]\s*([0-9a-f]{8,16})(?!\w))/gi;

/** The values of registers that a line names, in its order. */
export function findNamedValues(line: string): NamedValue[] {
  return [...line.matchAll(NAMED)].map(([, name = "", prefixed, bare = ""]) => {
    const text = prefixed ?? `0x${bare}`;
    const isNumber = /^0x[0-9a-f]{1,16}$/i.test(text);
    return { register: name.toLowerCase() as RegisterName, text, value: isNumber ? BigInt(text) : null };
  });
}

/** A register by the name people use: `esr`, `ESR_EL2`; null if it is none of those that are known. */
export function registerOf(text: string): RegisterName | null {
  const name = text.toLowerCase().replace(/_el[12]$/, "");
  return Object.hasOwn(REGISTERS, name) ? (name as RegisterName) : null;
}
