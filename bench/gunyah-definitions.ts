// What the variants of workloads G1 have in common: HLOS lends parcels of single pages to one VM, which accepts and releases
// them, and HLOS reclaims. An operation is one message with its answer looked at.

import * as abi from "../assembly/abi/gunyah-rm.js";
import { encodeAccept, encodeCreate, encodeReturn } from "../src/machine/gunyah-messages.js";

export interface GunyahWorkload {
  readonly id: string;
  /** Pages of a parcel, each a region of its own. */
  readonly pages: number;
}

export const gunyahWorkloads: readonly GunyahWorkload[] = [1, 16, 512].map((pages) => ({ id: `G1-${pages}`, pages }));

export function gunyahWorkload(id: string): GunyahWorkload {
  const found = gunyahWorkloads.find((candidate) => candidate.id === id);
  if (found === undefined) throw new Error(`no workload ${id}`);
  return found;
}

/** Parcels of one round. */
export const PARCELS = 32;
/** Lend, accept, release, reclaim: one phase each. */
export const PHASES = 4;
export const HLOS = 3;
export const VM = 0x80;
/** Memory: one region, with the hypervisor's carve-out at its start (bytes). */
export const BASE = 0x40000000;
export const PAGES = 65536;
export const CARVEOUT_PAGES = 8192;
/** The first lent page. Every second one is lent, so that no two regions make one. */
export const FIRST_PFN = 0x48000;
/** Where the resource manager's choice of addresses begins: behind the device window. */
export const IPA_BASE = 2 ** 30;

/** Pages that the lent ones lie among. */
export function pagesConcerned({ pages }: GunyahWorkload): number {
  return 2 * PARCELS * pages;
}

/** The message that lends parcel `parcel` of a round. */
export function lendMessage({ pages }: GunyahWorkload, parcel: number): Uint8Array {
  const sgl = Array.from({ length: pages }, (_, page) => ({
    ipa: BigInt((FIRST_PFN + 2 * (parcel * pages + page)) * 4096),
    size: 4096n,
  }));
  const acl = [{ vmid: VM, rights: abi.RIGHTS_RWX }];
  return encodeCreate({ memType: abi.MEM_TYPE_NORMAL, flags: 0, label: 0, acl, sgl, attributes: [] });
}

/** The other messages; their first four bytes are the handle. */
export function acceptMessage(handle: number): Uint8Array {
  return encodeAccept({
    handle,
    memType: abi.MEM_TYPE_NORMAL,
    transType: abi.TRANS_LEND,
    flags: abi.ACCEPT_DONE,
    label: 0,
    acl: [],
    sgl: [],
    mapVmid: 0,
    attributes: [],
  });
}

export function returnMessage(handle: number): Uint8Array {
  return encodeReturn({ handle, flags: 0 });
}
