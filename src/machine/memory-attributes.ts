// Memory attributes as text: `dev-nGnRE/osh`, `norm-iwb-owb/ish` (packed form: assembly/abi/walk.ts).

import {
  ATTRIBUTE_INNER_SHIFT,
  ATTRIBUTE_OUTER_SHIFT,
  ATTRIBUTE_SH,
  INNER_SHAREABLE,
  NON_SHAREABLE,
  OUTER_SHAREABLE,
} from "../../assembly/abi/walk.js";

/** By the two bits of a Device type. */
const DEVICE_TYPES = ["nGnRnE", "nGnRE", "nGRE", "GRE"] as const;
/** By the two bits of a cacheability; 0 is Device. */
const CACHES = ["", "nc", "wt", "wb"] as const;
const SHAREABILITIES: ReadonlyMap<number, string> = new Map([
  [NON_SHAREABLE, "nsh"],
  [OUTER_SHAREABLE, "osh"],
  [INNER_SHAREABLE, "ish"],
]);

/** The attributes in words, as the recorded vectors spell them. */
export function memoryAttributesName(packed: number): string {
  const outer = packed >> ATTRIBUTE_OUTER_SHIFT;
  const inner = (packed >> ATTRIBUTE_INNER_SHIFT) & 3;
  const type = outer === 0 ? `dev-${DEVICE_TYPES[inner]}` : `norm-i${CACHES[inner]}-o${CACHES[outer]}`;
  return `${type}/${SHAREABILITIES.get(packed & ATTRIBUTE_SH) ?? "reserved"}`;
}

const PACKED: ReadonlyMap<string, number> = new Map(
  allAttributes().map((packed) => [memoryAttributesName(packed), packed]),
);

function allAttributes(): number[] {
  const types = Array.from({ length: 16 }, (_, type) => type).filter((type) => type < 4 || (type & 3) !== 0);
  return types.flatMap((type) => [...SHAREABILITIES.keys()].map((sh) => (type << ATTRIBUTE_INNER_SHIFT) | sh));
}

/** The packed form of what `memoryAttributesName` writes; null if it is no such text. */
export function parseMemoryAttributes(name: string): number | null {
  return PACKED.get(name) ?? null;
}
