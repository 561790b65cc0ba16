// Endpoints: virtual machines, secure partitions, the normal world as the SPMC sees it, and the hypervisor's channel to the
// SPMC. Each has its stage-2 tables, an RX and a TX buffer (src/vm.c, src/api.c; reference ffa, sections 1.4 and 3).

import {
  EFFECT_FFA_MODE,
  EFFECT_FFA_RX,
  FFA_ENDPOINT_EL0,
  FFA_ENDPOINT_INIT,
  FFA_ENDPOINT_SPMC,
  FFA_ENDPOINT_TWO_TABLES,
  FFA_INVALID_PARAMETERS,
  FFA_MAX_BUFFER_PAGES,
  FFA_MAX_ENDPOINTS,
  FFA_NORMAL_WORLD_TABLE,
  MODE_ABSENT,
  MODE_NG,
  MODE_NS,
  MODE_USER,
  REASON_FFA_ENDPOINT,
} from "../../abi/ffa";
import { HF_MAILBOX_TAIL_LEAK } from "../../abi/mutations";
import { pgdPages } from "../../arch/geometry";
import { ensureFrame, frameOf } from "../../memory/dram";
import { isMutated } from "../../memory/mutation";
import { reserve } from "../../memory/heap";
import { record, recording } from "../../memory/journal";
import { allocatePages, Pool, splitPage } from "../../memory/page-pool";
import { refuse } from "../../memory/verdict";
import { setRoot, Stage2, STAGE2_BYTES } from "../../pagetable/stage2-table";
import { clearBytes, copyBytes } from "./bytes";
import { attributesAt, haveAttributes, isAbsent, modeAt, setModeAt, setModes } from "./table";

/** The normal world as one caller at the SPMC; at the hypervisor, nobody. */
export const NORMAL_WORLD: u32 = 0;
/** The hypervisor's channel to the SPMC. */
export const SPMC_CHANNEL: u32 = 0x8000;
const SECURE_WORLD: u32 = 0x8000;

@unmanaged
export class Endpoint {
  id: u32;
  version: i32;
  bufferPages: u32;
  /** FFA_ENDPOINT_*. */
  flags: u32;
  rxFull: u32;
  /** First pages of the buffers; those that follow are adjacent. 0: none registered. */
  tx: usize;
  rx: usize;
  /** `main` or `s`, and `ns`. */
  table: Stage2;
  nonSecureTable: Stage2;
  /** Bytes of the buffers that may not be zero. */
  txUsed: u32;
  rxUsed: u32;
}

export const ENDPOINT_BYTES: usize = 48;

// Their number, and behind it the endpoints: part of the machine's state like all else.
let counter: usize = 0;
let endpoints: usize = 0;
let tablePool: Pool = changetype<Pool>(0);

/** VMIDs below this one are another system's, where one is beside. */
const VMIDS_BESIDE: u32 = 0x100;
let isBeside: bool = false;

/** Whether another system has the VMIDs and the stage 2 named 0. */
export function setBeside(beside: bool): void {
  isBeside = beside;
}

/** Room for all endpoints. False if linear memory is used up. */
export function reserveEndpoints(pool: Pool): bool {
  tablePool = pool;
  counter = reserve(16 + (FFA_MAX_ENDPOINTS as usize) * ENDPOINT_BYTES);
  endpoints = counter + 16;
  return counter != 0;
}

export function endpointCount(): i32 {
  return load<i32>(counter);
}

export function endpointAt(index: i32): Endpoint {
  return changetype<Endpoint>(endpoints + (index as usize) * ENDPOINT_BYTES);
}

/** Null if there is none. */
export function findEndpoint(id: u32): Endpoint | null {
  for (let i = 0; i < endpointCount(); i++) {
    const endpoint = endpointAt(i);
    if (endpoint.id == id) return endpoint;
  }
  return null;
}

/** Adds an endpoint with empty tables. */
export function addEndpoint(id: u32, version: i32, bufferPages: u32, flags: u32): i32 {
  const isFull = endpointCount() == FFA_MAX_ENDPOINTS || bufferPages > (FFA_MAX_BUFFER_PAGES as u32);
  if (isFull || findEndpoint(id) != null) return refuse(FFA_INVALID_PARAMETERS, REASON_FFA_ENDPOINT, id, 0, 0);
  const endpoint = endpointAt(endpointCount());
  endpoint.id = id;
  endpoint.version = version;
  endpoint.bufferPages = bufferPages;
  endpoint.flags = flags;
  endpoint.rxFull = 0;
  endpoint.tx = buffer(bufferPages);
  endpoint.rx = buffer(bufferPages);
  endpoint.txUsed = 0;
  endpoint.rxUsed = 0;
  const isComplete = bufferPages == 0 || (endpoint.tx != 0 && endpoint.rx != 0);
  if (!isComplete || !addTables(endpoint)) return refuse(FFA_INVALID_PARAMETERS, REASON_FFA_ENDPOINT, id, 0, 1);
  store<i32>(counter, endpointCount() + 1);
  return 0;
}

function buffer(pages: u32): usize {
  if (pages == 0) return 0;
  const first = allocatePages(tablePool, pages == 1 ? 0 : pages == 2 ? 1 : 2);
  return first;
}

function addTables(endpoint: Endpoint): bool {
  const first = newTable(endpoint, 0);
  if (first == null) return false;
  endpoint.table = first;
  endpoint.nonSecureTable = first;
  if (!(endpoint.flags & FFA_ENDPOINT_TWO_TABLES)) return true;
  const second = newTable(endpoint, 1);
  if (second == null) return false;
  endpoint.nonSecureTable = second;
  return true;
}

function newTable(endpoint: Endpoint, which: u32): Stage2 | null {
  const at = reserve(STAGE2_BYTES);
  const root = at != 0 ? allocatePages(tablePool, ctz(pgdPages)) : 0;
  if (root == 0) return null;
  splitPage(root);
  const table = changetype<Stage2>(at);
  table.pool = tablePool;
  // Every table has a tag of its own for the walk cache and the TLB.
  table.vmid = (isBeside ? VMIDS_BESIDE : 0) + ((endpointCount() as u32) << 1) + which + 1;
  table.vm = isBeside && endpoint.id == NORMAL_WORLD ? FFA_NORMAL_WORLD_TABLE : endpoint.id;
  setRoot(table, root);
  return table;
}

export function isSpmc(endpoint: Endpoint): bool {
  return (endpoint.flags & FFA_ENDPOINT_SPMC) != 0;
}

export function isEl0(endpoint: Endpoint): bool {
  return (endpoint.flags & FFA_ENDPOINT_EL0) != 0;
}

export function isInitialising(endpoint: Endpoint): bool {
  return (endpoint.flags & FFA_ENDPOINT_INIT) != 0;
}

/** Bit 15 of an id. */
export function isSecure(id: u32): bool {
  return (id & SECURE_WORLD) != 0;
}

function hasTwoTables(endpoint: Endpoint): bool {
  return (endpoint.flags & FFA_ENDPOINT_TWO_TABLES) != 0;
}

/** A look-up asks the secure table, and the non-secure one only where the page is wholly absent from the first. */
export function endpointMode(endpoint: Endpoint, pa: u64): i32 {
  const mode = modeAt(endpoint.table, pa);
  return mode == MODE_ABSENT && hasTwoTables(endpoint) ? modeAt(endpoint.nonSecureTable, pa) : mode;
}

/** The attributes of the page that the same look-up finds. */
export function endpointAttributes(endpoint: Endpoint, pa: u64): u64 {
  const attributes = attributesAt(endpoint.table, pa);
  return attributes == 0 && hasTwoTables(endpoint) ? attributesAt(endpoint.nonSecureTable, pa) : attributes;
}

/** Whether it finds these for all pages of `count` constituents; false also where it must be made page by page. */
export function haveEndpointAttributes(endpoint: Endpoint, list: usize, count: u32, attributes: u64): bool {
  const table = endpoint.table;
  const isFirst = haveAttributes(table, list, count, attributes);
  if (!hasTwoTables(endpoint)) return isFirst;
  const second = endpoint.nonSecureTable;
  if (attributes == 0) return isFirst && haveAttributes(second, list, count, 0);
  if (isFirst) return true;
  return haveAttributes(table, list, count, 0) && haveAttributes(second, list, count, attributes);
}

/** Commits a mode: its NS bit picks the table; S-EL0 mappings are user and not-global. False if table pages ran out. */
export function setEndpointMode(endpoint: Endpoint, pa: u64, mode: i32): bool {
  return setTableMode(endpoint, tableFor(endpoint, mode), pa, fullMode(endpoint, mode));
}

function tableFor(endpoint: Endpoint, mode: i32): i32 {
  return hasTwoTables(endpoint) && (mode & MODE_NS) != 0 ? 1 : 0;
}

function tableOf(endpoint: Endpoint, which: i32): Stage2 {
  return which == 0 ? endpoint.table : endpoint.nonSecureTable;
}

function fullMode(endpoint: Endpoint, mode: i32): i32 {
  return isEl0(endpoint) ? mode | MODE_USER | MODE_NG : mode;
}

/** The same for all pages of `count` constituents while nobody observes entries. */
export function setEndpointModes(endpoint: Endpoint, list: usize, count: u32, mode: i32): bool {
  const table = tableOf(endpoint, tableFor(endpoint, mode));
  return setModes(table, list, count, fullMode(endpoint, mode));
}

/** The same for a table that is named. */
export function setTableMode(endpoint: Endpoint, which: i32, pa: u64, mode: i32): bool {
  const table = tableOf(endpoint, which);
  const before = recording ? modeAt(table, pa) : 0;
  if (!setModeAt(table, pa, mode)) return false;
  const after = isAbsent(mode) ? MODE_ABSENT : mode;
  if (recording && before != after) record(EFFECT_FFA_MODE, which, endpoint.id, pa, before, after, 0);
  return true;
}

export function setRx(endpoint: Endpoint, full: bool): void {
  if (recording && (endpoint.rxFull != 0) != full) {
    record(EFFECT_FFA_RX, 0, endpoint.id, 0, endpoint.rxFull, full ? 1 : 0, 0);
  }
  endpoint.rxFull = full ? 1 : 0;
}

/** Bytes of RX or TX. */
export function bufferBytes(endpoint: Endpoint): u32 {
  return endpoint.bufferPages << 12;
}

/** Copies from linear memory into RX; what is left of the message before becomes zero. */
export function writeRx(endpoint: Endpoint, from: usize, bytes: u32): void {
  const end = max(bytes, endpoint.rxUsed);
  for (let start: u32 = 0; start < end; start += 4096) {
    const frame = ensureFrame(endpoint.rx + ((start >> 12) << 3));
    const here = bytes > start ? min(bytes - start, 4096) : 0;
    const used = min(end - start, 4096);
    copyBytes(frame, from + start, here);
    if (used > here && !isMutated(HF_MAILBOX_TAIL_LEAK)) clearBytes(frame + here, used - here);
  }
  endpoint.rxUsed = bytes;
}

/** Copies the first `bytes` bytes of a buffer to linear memory. */
export function readBuffer(first: usize, bytes: u32, to: usize): void {
  for (let start: u32 = 0; start < bytes; start += 4096) {
    const frame = frameOf(first + ((start >> 12) << 3));
    const here = min(bytes - start, 4096);
    if (frame == 0) clearBytes(to + start, here);
    else copyBytes(to + start, frame, here);
  }
}

/** Bytes that one record carries into TX. */
export const TX_PIECE: u32 = 32;

/** Writes a piece of TX. False where no buffer is. */
export function writeTx(endpoint: Endpoint, offset: u32, from: usize): bool {
  const to = txAddress(endpoint, offset);
  if (to == 0) return false;
  copyPiece(to, from);
  noteTxWritten(endpoint, offset, offset + TX_PIECE);
  return true;
}

/** Where a piece of TX goes; those behind it on the same page follow. 0 where no buffer is. */
export function txAddress(endpoint: Endpoint, offset: u32): usize {
  if (offset >= bufferBytes(endpoint) || offset % TX_PIECE != 0) return 0;
  return ensureFrame(endpoint.tx + ((offset >> 12) << 3)) + (offset & 4095);
}

export function copyPiece(to: usize, from: usize): void {
  v128.store(to, v128.load(from));
  v128.store(to, v128.load(from, 16), 16);
}

/** TX was written from `offset` to `end`. Offset 0 begins a message: what is left of the one before is cleared. */
export function noteTxWritten(endpoint: Endpoint, offset: u32, end: u32): void {
  if (offset == 0) clearTx(endpoint, end);
  endpoint.txUsed = max(endpoint.txUsed, end);
}

// From `from` on.
function clearTx(endpoint: Endpoint, from: u32): void {
  for (let start = from; start < endpoint.txUsed; start = (start & ~4095) + 4096) {
    const frame = ensureFrame(endpoint.tx + ((start >> 12) << 3));
    clearBytes(frame + (start & 4095), min(endpoint.txUsed - start, 4096 - (start & 4095)));
  }
  endpoint.txUsed = from;
}
