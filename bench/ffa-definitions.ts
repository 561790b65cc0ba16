// Workloads FFA: what the variants have in common. A lender shares memory with a borrower through a hypervisor, in so many
// transactions that are alive at once; all are shared, then retrieved, relinquished and reclaimed.

import { encodeConstituents, encodeDescriptor, encodeRelinquish } from "../src/machine/ffa-descriptor.js";

export interface FfaWorkload {
  readonly id: string;
  readonly title: string;
  /** What limits Freehold. */
  readonly bound: string;
  /** Of one transaction; pages of each; pages from the start of one to that of the next. */
  readonly constituents: number;
  readonly pages: number;
  readonly stride: number;
}

/** Transactions alive at once; the table holds no more. */
export const TRANSACTIONS = 64;
export const MAX_FRAGMENTS = 20;
export const MAX_RECEIVERS = 2;
export const BUFFER_BYTES = 4096;
export const IA_BITS = 48;
/** Endpoints: the primary VM and another. */
export const LENDER = 1;
export const BORROWER = 2;
export const VERSION = 0x10002;
/** Where the memory that is shared starts, all of it the lender's. */
export const WINDOW = 0x50000000;
/** A page of the borrower's own, so that its upper tables stay. */
export const BORROWER_OWN = 0x40000000;
/** Owned, exclusive, readable and writable. */
export const OWNED_MODE = 3;

export const PAGE = 4096;
const TAG = 0x5a17n;
/** Normal memory, write-back, inner shareable. */
const ATTRIBUTES = 0x2f;
const READ_WRITE = 2;
const TYPE_SHARE = 1 << 3;

const CALLS = "instructions: 13 records, 8 of which write TX in pieces; the twins make 5 calls and write TX at once";
const PAGES = "instructions: eight passes over the page entries, a table looked up once in each";

export const ffaWorkloads: readonly FfaWorkload[] = [
  { id: "FFA-1", title: "share, retrieve, relinquish, reclaim 1 page", bound: CALLS, ...one(1) },
  { id: "FFA-16", title: "the same, 16 pages", bound: CALLS, ...one(16) },
  { id: "FFA-512", title: "the same, 512 pages", bound: PAGES, ...one(512) },
  {
    id: "FFA-512-scattered",
    title: "the same, 512 pages one by one, in three fragments",
    bound: "instructions: 512 ranges a pass; Freehold keeps the last table, the twins walk for each range",
    constituents: 512,
    pages: 1,
    stride: 2,
  },
];

function one(pages: number): Pick<FfaWorkload, "constituents" | "pages" | "stride"> {
  return { constituents: 1, pages, stride: pages };
}

export function ffaWorkload(id: string): FfaWorkload {
  const found = ffaWorkloads.find((candidate) => candidate.id === id);
  if (found === undefined) throw new Error(`no workload ${id}`);
  return found;
}

export function windowPages({ constituents, stride }: FfaWorkload): number {
  return TRANSACTIONS * constituents * stride;
}

/** The handle of a transaction: its slot, and bit 63 for the hypervisor. Slots are taken from the lowest on. */
export function handleOf(transaction: number): bigint {
  return (1n << 63n) | BigInt(transaction);
}

/** The bytes that the endpoints write into TX for one transaction. */
export interface Script {
  readonly total: number;
  /** The message as it is cut for TX: the first is shared, the others follow by FRAG_TX. */
  readonly fragments: readonly Uint8Array[];
  readonly retrieve: Uint8Array;
  readonly relinquish: Uint8Array;
}

export function scriptOf({ constituents, pages, stride }: FfaWorkload, transaction: number): Script {
  const list = Array.from({ length: constituents }, (_, index) => {
    const page = (transaction * constituents + index) * stride;
    return { address: BigInt(WINDOW + page * PAGE), pages };
  });
  const header = { layout: "1.1", sender: LENDER, attributes: ATTRIBUTES, tag: TAG } as const;
  const receivers = [{ id: BORROWER, permissions: READ_WRITE }];
  const composite = { pageCount: constituents * pages, constituentCount: constituents };
  const prologue = encodeDescriptor({ ...header, flags: 0, receivers, composite }, PROLOGUE);
  const message = Buffer.concat([prologue, encodeConstituents(list)]);
  const fragments = [];
  for (let at = 0; at < message.length; at += BUFFER_BYTES) fragments.push(message.subarray(at, at + BUFFER_BYTES));
  const handle = handleOf(transaction);
  return {
    total: message.length,
    fragments,
    retrieve: encodeDescriptor({ ...header, flags: TYPE_SHARE, handle, receivers }, REQUEST),
    relinquish: encodeRelinquish({ handle, flags: 0, endpoints: [BORROWER] }),
  };
}

/** Bytes of a request with one receiver, and of what precedes the constituents of a send. */
const REQUEST = 48 + 32;
const PROLOGUE = REQUEST + 16;

/** Calls of one round: five for each transaction, and for each later fragment FRAG_TX, FRAG_RX and another RX_RELEASE. */
export function callsOf(workload: FfaWorkload): number {
  const later = scriptOf(workload, 0).fragments.length - 1;
  return TRANSACTIONS * (5 + 3 * later);
}
