// The word of a page by which a search knows whose data it holds: SECRET, GIVEN_AWAY or HOST_DATA of assembly/abi/explore.ts, and in
// the low half who wrote it (a VM's handle or VMID, an endpoint's id). 0: nobody has written it, or it was wiped.

import { GIVEN_AWAY, SECRET } from "../../assembly/abi/explore.js";

const WRITER = 0xffffn;

/** What a writer keeps to itself. */
export const secretOf = (writer: number): bigint => BigInt(SECRET + writer);

/** The same once it means it for others too. */
export const givenAway = (word: bigint): bigint => BigInt(GIVEN_AWAY) | (word & WRITER);

export const isSecret = (word: bigint): boolean => kindOf(word) === BigInt(SECRET);

/** SECRET, GIVEN_AWAY, HOST_DATA. */
export const kindOf = (word: bigint): bigint => word & ~WRITER;

export const writerOf = (word: bigint): number => Number(word & WRITER);
