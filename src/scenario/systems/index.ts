// The systems that take part in scenarios and in the matrix. A system is a folder beside this file and a row here.

import type { System } from "../system.js";

export interface SystemRow {
  readonly name: string;
  readonly title: string;
  /** Loads the system's code: what is not asked for stays on disk. */
  readonly load: () => Promise<System>;
}

/** In the order of the matrix's columns. */
export const SYSTEMS: readonly SystemRow[] = [
  { name: "pkvm", title: "pKVM, Linux 7.3", load: async () => (await import("./pkvm/index.js")).pkvm },
];

/** Systems that scenarios speak of and whose folders are still to come. */
const TO_COME = [
  "pkvm-android",
  "gunyah",
  "gunyah-linux-pinned",
  "gunyah-linux-memfd",
  "gunyah-linux-share",
  "kvm-gmem",
  "kvm-gmem-shared",
];

/** Names that scenarios may use. */
export const SYSTEM_NAMES: readonly string[] = [...new Set([...SYSTEMS.map(({ name }) => name), ...TO_COME])];

/** The system of that name, null if there is none. */
export async function loadSystem(name: string): Promise<System | null> {
  return (await SYSTEMS.find((row) => row.name === name)?.load()) ?? null;
}
