// The systems that take part in scenarios and in the matrix. A system is a folder beside this file and a row here.

import type { System } from "../system.js";

export interface SystemRow {
  readonly name: string;
  readonly title: string;
  /** Loads the system's code: what is not asked for stays on disk. */
  readonly load: () => Promise<System>;
  /** It has participants of the role `partition`. Default: false. */
  readonly hasPartitions?: boolean;
}

/** In the order of the matrix's columns. */
export const SYSTEMS: readonly SystemRow[] = [
  { name: "pkvm", title: "pKVM, Linux 7.3", load: async () => (await import("./pkvm/index.js")).pkvm },
  {
    name: "pkvm-android",
    title: "pKVM, Android",
    load: async () => (await import("./pkvm-android/index.js")).pkvmAndroid,
  },
  { name: "gunyah", title: "Gunyah, memory parcels", load: async () => (await import("./gunyah/index.js")).gunyah },
  {
    name: "gunyah-linux-pinned",
    title: "Gunyah, Linux driver, pinned user pages lent",
    load: async () => (await import("./gunyah-linux/index.js")).gunyahLinuxPinned,
  },
  {
    name: "gunyah-linux-memfd",
    title: "Gunyah, Linux driver, own memory file lent",
    load: async () => (await import("./gunyah-linux/index.js")).gunyahLinuxMemfd,
  },
  {
    name: "gunyah-linux-share",
    title: "Gunyah, Linux driver, own memory file shared",
    load: async () => (await import("./gunyah-linux/index.js")).gunyahLinuxShare,
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
  {
    name: "pkvm-ffa",
    title: "pKVM, FF-A lend, open",
    load: async () => (await import("./pkvm-ffa/index.js")).pkvmFfa,
  },
  {
    name: "pkvm-ffa-pas",
    title: "pKVM, FF-A lend, PAS",
    load: async () => (await import("./pkvm-ffa/index.js")).pkvmFfaPas,
  },
  {
    name: "ffa",
    title: "FF-A, Hafnium",
    load: async () => (await import("./ffa/index.js")).ffa,
    hasPartitions: true,
  },
  {
    name: "ffa-pas",
    title: "FF-A, Hafnium, protected spaces",
    load: async () => (await import("./ffa/index.js")).ffaPas,
    hasPartitions: true,
  },
];

/** Names that scenarios may use. */
export const SYSTEM_NAMES: readonly string[] = SYSTEMS.map(({ name }) => name);

/** Whether participants of the role `partition` can take part. */
export function hasPartitions(name: string): boolean {
  return SYSTEMS.find((row) => row.name === name)?.hasPartitions === true;
}

/** The system of that name, null if there is none. */
export async function loadSystem(name: string): Promise<System | null> {
  return (await SYSTEMS.find((row) => row.name === name)?.load()) ?? null;
}
