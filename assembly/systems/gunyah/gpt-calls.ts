// The range maps called directly: the ownership database itself, and one map that is nobody's (reference gunyah section 11).

import { ADDR_INVALID, REASON_NOT_MAPPED } from "../../abi/gunyah";
import { EFFECT_RANGE } from "../../abi/records";
import { reserve } from "../../memory/heap";
import { record, recording } from "../../memory/journal";
import {
  ADVANCING,
  checkGptRange,
  findRun,
  foundEnd,
  foundKind,
  foundValue,
  gptInsert,
  gptRemove,
  gptUpdate,
  NOTHING,
  rangeIs,
  ROOT_BYTES,
} from "./gpt";
import { answer } from "./answer";
import { isOwnershipContiguous, memdbLookup, nextOwnedRun, ownerObject, ownerType, runEnd, runStart } from "./memdb";
import { rootPartition } from "./machine";
import { deny } from "./refusal";

// The root of a map whose values advance with the address, as those of mapping records do.
let map: usize = 0;

/** Its root. */
export function testMap(): usize {
  return map;
}

export function reserveTestMap(): bool {
  map = reserve(ROOT_BYTES);
  return map != 0;
}

export function callMemdbLookup(address: u64): i32 {
  const refused = memdbLookup(address);
  return refused != 0 ? refused : answer(ownerObject, 0, ownerType);
}

export function callIsContiguous(start: u64, end: u64, object: u32, type: u32): i32 {
  return answer(isOwnershipContiguous(start, end, object, type) ? 1 : 0, 0, 0);
}

/** memdb_walk and memdb_range_walk: an EFFECT_RANGE per run, ascending. */
export function callMemdbWalk(object: u32, type: u32, start: u64, end: u64): i32 {
  let runs: u64 = 0;
  for (let at = start; nextOwnedRun(object, type, at, end + 1); at = runEnd) {
    if (recording) record(EFFECT_RANGE, 0, 0, runStart, 0, object, runEnd - runStart);
    runs++;
  }
  return answer(runs, 0, 0);
}

export function callGptInsert(base: u64, size: u64, value: u64): i32 {
  return gptInsert(map, rootPartition.heap, base, size, ADVANCING, value);
}

export function callGptUpdate(base: u64, size: u64, old: u64, value: u64): i32 {
  return gptUpdate(map, rootPartition.heap, base, size, ADVANCING, old, value);
}

export function callGptRemove(base: u64, size: u64, value: u64): i32 {
  return gptRemove(map, rootPartition.heap, base, size, ADVANCING, value, u64.MAX_VALUE);
}

/** gpt_lookup: the value at `base`, and how far it goes on, `size` at most. */
export function callGptLookup(base: u64, size: u64): i32 {
  const refused = checkGptRange(base, size);
  if (refused != 0) return refused;
  findRun(map, base, base + size);
  if (foundKind == NOTHING) return deny(ADDR_INVALID, REASON_NOT_MAPPED, base, 0, 0);
  const run = foundEnd - base;
  return answer(foundValue, run as u32, (run >> 32) as u32);
}

export function callGptIsContiguous(base: u64, size: u64, value: u64): i32 {
  const refused = checkGptRange(base, size);
  if (refused != 0) return refused;
  return answer(rangeIs(map, base, base + size, ADVANCING, value, u64.MAX_VALUE) ? 1 : 0, 0, 0);
}

/** gpt_walk: an EFFECT_RANGE per run that holds something. */
export function callGptWalk(base: u64, size: u64): i32 {
  const refused = checkGptRange(base, size);
  if (refused != 0) return refused;
  let runs: u64 = 0;
  for (let at = base; at < base + size; at = foundEnd) {
    findRun(map, at, base + size);
    if (foundKind == NOTHING) continue;
    if (recording) record(EFFECT_RANGE, 0, 0, at, 0, foundValue, foundEnd - at);
    runs++;
  }
  return answer(runs, 0, 0);
}
