// What a search asks of a machine with realms: nothing here locks or changes anything.

import { GRANULE_RD, GRANULE_REC } from "../../abi/cca";
import { levelBits, levelShift, startLevel, indexMask } from "../../arch/geometry";
import { granuleAt, granuleState, paOf } from "./granule";
import { firstLeft, heldOf, lockPairs, locksLeft, takenOf } from "./lock-order";
import { realmState, rootTable } from "./realm";
import { isPending, maySetDestroyed, pendingRipas } from "./rec";
import { answered } from "./refusal";
import { entryAt } from "./rtt";
import { addressOf, isTableEntry } from "./rtt-entry";

/** What stands for "no such realm", or REC. */
const NONE: i32 = -1;

let level: i32 = 0;

/** The entry at which a walk of the realm's tables ends; 0 if there is no realm. Its level: `realmEntryLevel`. */
export function realmEntry(rdPa: u64, ipa: u64): u64 {
  const rd = granuleAt(rdPa);
  level = startLevel;
  if (granuleState(rd) != GRANULE_RD) return 0;
  let table = rootTable(rd, (ipa >> (levelShift(startLevel) + levelBits)) as u32);
  let entry = entryIn(table, ipa);
  while (isTableEntry(entry, level)) {
    table = granuleAt(addressOf(entry));
    level++;
    entry = entryIn(table, ipa);
  }
  return entry;
}

function entryIn(table: usize, ipa: u64): u64 {
  return entryAt(table, ((ipa >> levelShift(level)) & indexMask) as u32);
}

export function realmEntryLevel(): i32 {
  return level;
}

/** REALM_*; NONE if there is no realm. */
export function realmStateAt(rdPa: u64): i32 {
  const rd = granuleAt(rdPa);
  return granuleState(rd) == GRANULE_RD ? realmState(rd) : NONE;
}

/** RIPAS that the realm of this REC asks for | 4 if DESTROYED may change; NONE if it asks for nothing. */
export function pendingRequest(recPa: u64): i32 {
  const rec = granuleAt(recPa);
  if (granuleState(rec) != GRANULE_REC || !isPending(rec)) return NONE;
  return pendingRipas(rec) | (maySetDestroyed(rec) ? 4 : 0);
}

/** x1 to x4 of the last call. */
export function monitorAnswer(register: u32): u64 {
  return answered(register);
}

/** A granule that the last call has locked and not released; 0 if there is none. */
export function lockLeft(): u64 {
  return locksLeft() != 0 ? paOf(firstLeft()) : 0;
}

// Pairs of granules of which the last call locked the second while it held the first.

export function lockPairCount(): u32 {
  return lockPairs();
}

export function lockHeld(pair: u32): u64 {
  return paOf(heldOf(pair));
}

export function lockTaken(pair: u32): u64 {
  return paOf(takenOf(pair));
}
