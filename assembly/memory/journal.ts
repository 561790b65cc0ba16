// What an operation did, in order: page words, descriptors, maintenance. Written only while someone asks for it.
// Layout of the records: abi/records.ts. Chunks are kept and filled again for the next batch.

import {
  EFFECT_ADDRESS,
  EFFECT_AFTER,
  EFFECT_BEFORE,
  EFFECT_CHUNK_HEADER,
  EFFECT_CHUNK_RECORDS,
  EFFECT_DCACHE,
  EFFECT_DESCRIPTOR,
  EFFECT_EXTRA,
  EFFECT_FLAGS,
  EFFECT_HYP_MAP,
  EFFECT_ICACHE,
  EFFECT_KIND,
  EFFECT_LEVEL,
  EFFECT_OWNER,
  EFFECT_PAGE,
  EFFECT_POC,
  EFFECT_SIZE,
  EFFECT_TABLE,
  EFFECT_TLBI_IPA,
  EFFECT_TLBI_IPA_NSH,
  EFFECT_TLBI_RANGE,
  EFFECT_TLBI_VMID,
  EFFECT_WIPE,
} from "../abi/records";
import { LIMIT_CONTENTS } from "../abi/codes";
import { pfnToPa } from "../arch/geometry";
import { touch } from "./cards";
import { reserve } from "./heap";
import { pfnOf } from "./regions";
import { reachLimit } from "./verdict";

/** Whether effects are being recorded; writers look at it before they call. */
export let recording: bool = false;
/** Whether anyone looks at table changes and maintenance: effects are recorded, or a TLB is on. */
export let observing: bool = false;
let watched: bool = false;

let first: usize = 0;
let chunk: usize = 0;
/** First and last of the chunks that no machine's state holds, 0 if there are none. */
let firstKept: usize = 0;
let lastKept: usize = 0;

/**
 * Takes `count` chunks before a machine is made: as long as they suffice, recording leaves no trace in the machine's state.
 * False if linear memory is used up.
 */
export function reserveChunks(count: i32): bool {
  for (let i = 0; i < count; i++) if (!nextChunk()) return false;
  firstKept = first;
  lastKept = chunk;
  startRecording(false);
  return true;
}

/** Starts a batch: forgets the effects of the one before. */
export function startRecording(on: bool): void {
  recording = on;
  observing = on || watched;
  for (let at = first; at != 0 && load<u32>(at, 4) != 0; at = load<u32>(at) as usize) store<u32>(at, 0, 4);
  chunk = first;
}

/** The first chunk, 0 if nothing was recorded. */
export function recorded(): usize {
  return first != 0 && load<u32>(first, 4) != 0 ? first : 0;
}

/** A machine is made anew, or another state of it, where chunks may have been. */
export function forgetChunks(): void {
  first = firstKept;
  if (lastKept != 0) store<u32>(lastKept, 0);
  for (let at = first; at != 0; at = load<u32>(at) as usize) store<u32>(at, 0, 4);
  chunk = first;
  recording = false;
  observing = watched;
}

/** A TLB was switched on or off. */
export function setWatched(on: bool): void {
  watched = on;
  observing = recording || on;
}

function nextChunk(): bool {
  let next = chunk != 0 ? (load<u32>(chunk) as usize) : first;
  if (next == 0) {
    next = reserve(EFFECT_CHUNK_HEADER + EFFECT_CHUNK_RECORDS * EFFECT_SIZE);
    if (next == 0) {
      reachLimit(LIMIT_CONTENTS);
      return false;
    }
    if (chunk != 0) store<u32>(chunk, next as u32);
    else first = next;
  }
  store<u32>(next, 0, 4);
  chunk = next;
  return true;
}

/** Appends a record; 0 if linear memory is used up, which the machine reports as a limit. */
function append(kind: i32, level: i32, owner: u32): usize {
  if (chunk == 0 || load<u32>(chunk, 4) == EFFECT_CHUNK_RECORDS) {
    if (!nextChunk()) return 0;
  }
  const count = load<u32>(chunk, 4);
  store<u32>(chunk, count + 1, 4);
  const at = chunk + EFFECT_CHUNK_HEADER + (count as usize) * EFFECT_SIZE;
  store<u16>(at, kind as u16, EFFECT_KIND);
  store<u8>(at, level as u8, EFFECT_LEVEL);
  store<u8>(at, 0, EFFECT_FLAGS);
  store<u32>(at, owner, EFFECT_OWNER);
  return at;
}

/** Any effect whose fields are known at once. */
export function record(kind: i32, level: i32, owner: u32, address: u64, before: u64, after: u64, extra: u64): void {
  const at = append(kind, level, owner);
  if (at == 0) return;
  store<u64>(at, address, EFFECT_ADDRESS);
  store<u64>(at, before, EFFECT_BEFORE);
  store<u64>(at, after, EFFECT_AFTER);
  store<u64>(at, extra, EFFECT_EXTRA);
}

/** A page's word has changed from `before` to what it is now. */
export function recordPage(page: usize, before: u64): void {
  touch(page);
  record(EFFECT_PAGE, 0, 0, pfnToPa(pfnOf(page)), before, load<u64>(page), 0);
}

export function recordDescriptor(vm: u32, level: i32, ipa: u64, before: u64, after: u64): void {
  record(EFFECT_DESCRIPTOR, level, vm, ipa, before, after, 0);
}

export function recordTable(vm: u32, level: i32, ipa: u64, present: bool): void {
  record(EFFECT_TABLE, level, vm, ipa, present ? 0 : 1, present ? 1 : 0, 0);
}

export function recordHypMap(pa: u64, before: u64, after: u64): void {
  record(EFFECT_HYP_MAP, 3, 0, pa, before, after, 0);
}

export function recordTlbiIpa(vmid: u32, ipa: u64, level: i32): void {
  record(EFFECT_TLBI_IPA, level, vmid, ipa, 0, 0, 0);
}

export function recordTlbiIpaNsh(vmid: u32, ipa: u64, level: i32): void {
  record(EFFECT_TLBI_IPA_NSH, level, vmid, ipa, 0, 0, 0);
}

export function recordTlbiRange(vmid: u32, ipa: u64, pages: u64): void {
  record(EFFECT_TLBI_RANGE, 0, vmid, ipa, 0, 0, pages);
}

export function recordTlbiVmid(vmid: u32): void {
  record(EFFECT_TLBI_VMID, 0, vmid, 0, 0, 0, 0);
}

export function recordDataCache(pa: u64, size: u64): void {
  record(EFFECT_DCACHE, 0, 0, pa, 0, 0, size);
}

export function recordInstructionCache(pa: u64, size: u64): void {
  record(EFFECT_ICACHE, 0, 0, pa, 0, 0, size);
}

export function recordPointOfCoherency(pa: u64, size: u64): void {
  record(EFFECT_POC, 0, 0, pa, 0, 0, size);
}

export function recordWipe(pa: u64, size: u64): void {
  record(EFFECT_WIPE, 0, 0, pa, 0, 0, size);
}
