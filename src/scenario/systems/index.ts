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
  {
    name: "pkvm-android",
    title: "pKVM, Android",
    load: async () => (await import("./pkvm-android/index.js")).pkvmAndroid,
  },
  {
    name: "kvm-gmem",
    title: "KVM, guest_memfd private",
    load: async () => (await import("./kvm-gmem/index.js")).kvmGmem,
  },
  {
    name: "kvm-gmem-shared",
    title: "KVM, guest_memfd shared",
    load: async () => (await import("./kvm-gmem/index.js")).kvmGmemShared,
  },
];

/** Names that scenarios may use, in the same order; the folders of some are still to come. */
export const SYSTEM_NAMES: readonly string[] = [
  "pkvm",
  "pkvm-android",
  "gunyah",
  "gunyah-linux-pinned",
  "gunyah-linux-memfd",
  "gunyah-linux-share",
  "kvm-gmem",
  "kvm-gmem-shared",
];

/** The system of that name, null if there is none. */
export async function loadSystem(name: string): Promise<System | null> {
  return (await SYSTEMS.find((row) => row.name === name)?.load()) ?? null;
}
