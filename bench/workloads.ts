// The workloads as packed operations (assembly/abi/operations.ts), one function per workload.

import {
  GUEST_SHARE_HOST,
  GUEST_UNSHARE_HOST,
  HOST_ABORT,
  HOST_DONATE_GUEST,
  HOST_DONATE_HYP,
  HOST_RECLAIM_PAGE_GUEST,
  HOST_SHARE_GUEST,
  HOST_SHARE_HYP,
  HOST_UNSHARE_GUEST,
  HOST_UNSHARE_HYP,
  OPERATION_SIZE,
} from "../assembly/abi/operations.js";
import {
  BLOCK_PAGES,
  CARVEOUT_SIZE,
  FAULT_ESR,
  FAULT_SPSR,
  GFN0,
  LOOKUPS,
  PFN0,
  REGION_SIZE,
  WIDE_CARVEOUT_SIZE,
  WIDE_REGION_SIZE,
  WINDOW_PAGES,
  WINDOW_PFN,
  windowOrder,
} from "./definitions.js";

/** Packed operations, ready to be copied into the operation window. */
export class Operations {
  readonly bytes: Uint8Array;
  readonly count: number;
  readonly #words: Uint32Array;

  constructor(count: number) {
    this.count = count;
    this.#words = new Uint32Array((count * OPERATION_SIZE) / 4);
    this.bytes = new Uint8Array(this.#words.buffer);
  }

  /** Writes record `index`: code and VM handle share the first word, then the vCPU, then a, b, c, d of 64 bits. */
  set(index: number, code: number, vm: number, vcpu: number, ...args: readonly number[]): void {
    const word = (index * OPERATION_SIZE) / 4;
    this.#words[word] = code | (vm << 16);
    this.#words[word + 1] = vcpu;
    args.forEach((value, argument) => {
      this.#words[word + 2 + 2 * argument] = value;
      this.#words[word + 3 + 2 * argument] = Math.floor(value / 2 ** 32);
    });
  }
}

/** What one phase runs: packed operations, or look-ups of prepared addresses. */
export type Phase = Operations | "look-ups";

export interface WorkloadDefinition {
  readonly id: string;
  readonly title: string;
  /** What limits it, in one line. */
  readonly bound: string;
  /** Operations of one round, and the phases it falls into. */
  readonly operations: number;
  readonly phases: number;
  /** Whose pages and leaves the digest covers. */
  readonly first: number;
  readonly pages: number;
  readonly machine: { readonly size: number; readonly carveout: number; readonly iaBits: 40 | 48 };
  /** The VM, if there is one. */
  readonly vm: "protected" | "non-protected" | null;
  /** Whether every page has contents before the first round. */
  readonly written?: boolean;
  /** Run once before the first round. `vm` is the VM's handle. */
  readonly preparation?: (vm: number) => Operations;
  /** Whether each round starts from the state behind the preparation; else from where the last one ended. */
  readonly restored?: boolean;
  readonly operationLists: (vm: number) => readonly Phase[];
}

/** A list with one operation per index. */
function each(count: number, record: (operations: Operations, index: number) => void): Operations {
  const operations = new Operations(count);
  for (let index = 0; index < count; index++) record(operations, index);
  return operations;
}

function donations(pages: number): (vm: number) => Operations {
  return (vm) => each(pages, (list, i) => list.set(i, HOST_DONATE_GUEST, vm, 0, PFN0 + i, GFN0 + i));
}

function donateAndReclaim(vm: number): Phase[] {
  const reclaim = each(16384, (list, i) => list.set(i, HOST_RECLAIM_PAGE_GUEST, vm, 0, GFN0 + i));
  return [donations(16384)(vm), reclaim];
}

function guestShareAndUnshare(vm: number): Phase[] {
  return [GUEST_SHARE_HOST, GUEST_UNSHARE_HOST].map((code) =>
    each(4096, (list, i) => list.set(i, code, vm, 0, GFN0 + i)),
  );
}

function faultAndShareWindow(): Phase[] {
  const order = windowOrder();
  const pfn = (i: number) => WINDOW_PFN + order[i]!;
  const fault = (list: Operations, i: number) =>
    list.set(i, HOST_ABORT, 0, 0, FAULT_ESR, FAULT_SPSR, pfn(i) * 4096, pfn(i) * 16);
  return [
    each(WINDOW_PAGES, fault),
    each(WINDOW_PAGES, (list, i) => list.set(i, HOST_SHARE_HYP, 0, 0, pfn(i))),
    each(WINDOW_PAGES, (list, i) => list.set(i, HOST_UNSHARE_HYP, 0, 0, pfn(i))),
  ];
}

/** EL2 takes the first page of every even 2 MiB block. */
function donateBlockHeads(): Operations {
  const step = 2 * BLOCK_PAGES;
  return each(WINDOW_PAGES / step, (list, i) => list.set(i, HOST_DONATE_HYP, 0, 0, WINDOW_PFN + i * step, 1));
}

function shareAndUnshare(vm: number): Phase[] {
  const prot = 15;
  return [
    each(16384, (list, i) => list.set(i, HOST_SHARE_GUEST, vm, 0, PFN0 + i, GFN0 + i, 1, prot)),
    each(16384, (list, i) => list.set(i, HOST_UNSHARE_GUEST, vm, 0, GFN0 + i, 1)),
  ];
}

const guestPages = {
  first: PFN0,
  pages: 16384,
  machine: { size: REGION_SIZE, carveout: CARVEOUT_SIZE, iaBits: 40 },
} as const;

export const workloads: readonly WorkloadDefinition[] = [
  {
    id: "W1",
    title: "donate to a guest and reclaim, contents wiped",
    bound: "memory bandwidth: half of the operations fill 4 KiB",
    operations: 32768,
    phases: 2,
    ...guestPages,
    vm: "protected",
    written: true,
    operationLists: donateAndReclaim,
  },
  {
    id: "W1n",
    title: "donate to a guest and reclaim, never written",
    bound: "instructions: checks and writes; Freehold remembers the last level-3 tables, the twins walk",
    operations: 32768,
    phases: 2,
    ...guestPages,
    vm: "protected",
    operationLists: donateAndReclaim,
  },
  {
    id: "W2",
    title: "guest shares with the host and back",
    bound: "instructions: checks and writes; Freehold remembers the last level-3 tables, the twins walk",
    operations: 8192,
    phases: 2,
    ...guestPages,
    pages: 4096,
    vm: "protected",
    preparation: donations(4096),
    operationLists: guestShareAndUnshare,
  },
  {
    id: "W3",
    title: "host faults, then shares with EL2 and back, in random order",
    bound: "cache misses: page states in random order, and 64 bytes of records for each operation",
    operations: 3 * WINDOW_PAGES,
    phases: 3,
    first: WINDOW_PFN,
    pages: WINDOW_PAGES,
    machine: { size: WIDE_REGION_SIZE, carveout: WIDE_CARVEOUT_SIZE, iaBits: 40 },
    vm: null,
    preparation: donateBlockHeads,
    restored: true,
    operationLists: faultAndShareWindow,
  },
  {
    id: "W4a",
    title: "leaf look-up, three levels",
    bound: "instructions: one look-up for each address; Freehold remembers level-3 tables, the twins walk",
    operations: LOOKUPS,
    phases: 1,
    ...guestPages,
    vm: "protected",
    preparation: donations(16384),
    operationLists: () => ["look-ups"],
  },
  {
    id: "W4b",
    title: "leaf look-up, four levels",
    bound: "instructions: one look-up for each address; Freehold remembers level-3 tables, the twins walk",
    operations: LOOKUPS,
    phases: 1,
    ...guestPages,
    machine: { ...guestPages.machine, iaBits: 48 },
    vm: "protected",
    preparation: donations(16384),
    operationLists: () => ["look-ups"],
  },
  {
    id: "W5",
    title: "share with a non-protected guest and back",
    bound: "instructions: checks and writes; Freehold remembers the last level-3 tables, the twins walk",
    operations: 32768,
    phases: 2,
    ...guestPages,
    vm: "non-protected",
    operationLists: shareAndUnshare,
  },
];
