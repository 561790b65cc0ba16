// Names of the numbers that have an outside meaning, and how addresses are written: one spelling everywhere.

import { GUEST_MMIO, MODULE_NOPAGE, MODULE_OWNED, PKVM_ID_PROTECTED } from "../../assembly/abi/android.js";
import { PKVM_ID_GUEST, PKVM_ID_HOST, PKVM_ID_HYP } from "../../assembly/abi/codes.js";

const PAGE_STATES = ["OWNED", "SHARED_OWNED", "SHARED_BORROWED", "NOPAGE", "POISON"] as const;
/** What Android's pKVM has besides (assembly/abi/android.ts). */
const ANDROID_STATES: ReadonlyMap<number, string> = new Map([
  [GUEST_MMIO, "MMIO"],
  [MODULE_OWNED, "MODULE_OWNED"],
  [MODULE_NOPAGE, "MODULE_NOPAGE"],
]);
const COMPONENTS: Readonly<Record<number, string>> = {
  [PKVM_ID_HOST]: "the host",
  [PKVM_ID_HYP]: "EL2",
  [PKVM_ID_GUEST]: "a guest",
  [PKVM_ID_PROTECTED]: "a module of EL2",
};

/** `SHARED_OWNED` for 1 (nvhe/memory.h:enum pkvm_page_state). */
export function pageStateName(state: number): string {
  return PAGE_STATES[state] ?? ANDROID_STATES.get(state) ?? `state ${state}`;
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
