// Names of the numbers that have an outside meaning, and how addresses are written: one spelling everywhere.

const PAGE_STATES = ["OWNED", "SHARED_OWNED", "SHARED_BORROWED", "NOPAGE", "POISON"] as const;
const COMPONENTS = ["the host", "EL2", "a guest"] as const;

/** `SHARED_OWNED` for 1 (nvhe/memory.h:enum pkvm_page_state). */
export function pageStateName(state: number): string {
  return PAGE_STATES[state] ?? `state ${state}`;
}

/** `EL2` for 1 (nvhe/mem_protect.h:enum pkvm_component_id). */
export function componentName(id: number): string {
  return COMPONENTS[id] ?? `component ${id}`;
}

/** `0x41000`. */
export function hex(value: bigint | number): string {
  return `0x${value.toString(16)}`;
}

/** A byte count in the largest binary unit that keeps it whole: `2 MiB`. */
export function sizeName(bytes: bigint): string {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let size = bytes;
  let unit = 0;
  while (unit < units.length - 1 && size !== 0n && size % 1024n === 0n) {
    size /= 1024n;
    unit += 1;
  }
  return `${size} ${units[unit] ?? ""}`;
}

/** `1 page`, `512 pages`. */
export function count(n: number | bigint, noun: string): string {
  return `${n} ${noun}${BigInt(n) === 1n ? "" : "s"}`;
}
