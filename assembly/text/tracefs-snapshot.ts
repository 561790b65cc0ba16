// A snapshot of the recorded machine: runs of equal pages, then runs of equal entries of a stage-2 table (traces README:
// snapshot, page_run, s2_run). It holds the state after all steps with numbers below its own, and is compared when the
// replay is there: at once in the usual case, else its runs wait.

import {
  FIELD_LEAF_LEVEL,
  FIELD_LEAF_PTE,
  FIELD_PAGE_CNT,
  FIELD_PAGE_HOST,
  FIELD_PAGE_HYP,
  FIELD_PAGE_REF,
  FIELD_PAGES,
  FIELD_TABLE_END,
  REFUSED_COVERAGE,
  REFUSED_LEAF_ALIGN,
  REFUSED_LEAF_KIND,
  REFUSED_LEAF_RUN,
  REFUSED_PAGE_RUN,
  REFUSED_PAGE_STATES,
  REFUSED_RUN_OUTSIDE,
  REFUSED_SEQ_MISSING,
  REFUSED_SNAPSHOT_END,
  REFUSED_SNAPSHOT_ID,
  REFUSED_SNAPSHOT_OPEN,
  REFUSED_SNAPSHOT_RUNS,
  REPORT_SNAPSHOTS,
  REPORT_SNAPSHOTS_DIVERGED,
} from "../abi/tracefs";
import { NOPAGE, OWNED, SHARED_BORROWED, SHARED_OWNED } from "../abi/codes";
import { AF, PERMS, TYPE, VALID } from "../arch/descriptor";
import { hostStateOf, hypStateOf, refcountOf, shareCountOf } from "../systems/pkvm/queries";
import { leafDescriptor, leafLevel, replayedGuestLeaf, replayedHostLeaf } from "../systems/pkvm/replayed";
import { value } from "./tracefs-line";
import { count, currentLine, noteDivergence, refuse } from "./tracefs-report";
import { nextSeq } from "./tracefs-ring";
import {
  entrySize,
  forgetRuns,
  isPageRun,
  keepRun,
  runAddress,
  runAt,
  runCount,
  runDescriptor,
  runHost,
  runHyp,
  runLength,
  runLevel,
  runLine,
  runPfn,
  runRefcount,
  RUNS,
  runShareCount,
  setLeafRun,
  setPageRun,
  setRunLine,
} from "./tracefs-runs";

/** Id of a snapshot of the whole machine; that of a guest's table is the VM's handle. */
const WHOLE_MACHINE: u64 = 1;
const FIRST_HANDLE: u64 = 0x1000;
const NEVER: u64 = u64.MAX_VALUE;
const ADDRESS_LIMIT: u64 = 1 << 52;
const PFN_LIMIT: u64 = 1 << 40;

/** Steps from this number on wait until the snapshot is compared; all ones when there is none. */
export let holdSeq: u64 = NEVER;
/** Its time stamp, and the line it begins at. */
export let snapshotTime: u64 = 0;
export let snapshotLine: u32 = 0;
/** Begun and not ended. */
export let snapshotOpen: bool = false;

let id: u64 = 0;
let differing: bool = false;
let pages: u64 = 0; // in the page runs so far
let nextPfn: u64 = 0; // page runs continue at or behind it
let nextAddress: u64 = 0; // table entries continue at it
let machinePages: u64 = 0; // what every snapshot of the machine has to cover
let machineEnd: u64 = 0;

export function openSnapshots(): void {
  holdSeq = NEVER;
  snapshotOpen = false;
  machinePages = 0;
  machineEnd = 0;
}

export function isWholeMachine(): bool {
  return id == WHOLE_MACHINE;
}

/** One past the last address that the snapshot's table covers. */
export function tableEnd(): u64 {
  return nextAddress;
}

export function beginSnapshot(wantedId: u64, seq: u64, time: u64): bool {
  const line = currentLine();
  if (snapshotOpen) return refuse(REFUSED_SNAPSHOT_OPEN, line, 0, snapshotLine);
  if (holdSeq != NEVER) return refuse(REFUSED_SEQ_MISSING, line, nextSeq, 0);
  if (wantedId != WHOLE_MACHINE && (wantedId < FIRST_HANDLE || wantedId > 0xffff)) {
    return refuse(REFUSED_SNAPSHOT_ID, line, wantedId, 0);
  }
  id = wantedId;
  holdSeq = seq;
  snapshotTime = time;
  snapshotLine = line;
  snapshotOpen = true;
  differing = false;
  pages = 0;
  nextPfn = 0;
  nextAddress = 0;
  return true;
}

export function endSnapshot(endId: u64, seq: u64): bool {
  const line = currentLine();
  if (!snapshotOpen || endId != id || seq != holdSeq) return refuse(REFUSED_SNAPSHOT_END, line, endId, 0);
  if (nextAddress == 0 || popcnt(nextAddress) != 1) return refuse(REFUSED_COVERAGE, line, nextAddress, 0);
  snapshotOpen = false;
  return true;
}

/** A page_run line. `now`: the replay is where the snapshot was taken. */
export function takePageRun(now: bool): bool {
  const line = currentLine();
  const pfn = value(0);
  const length = value(1);
  const host = value(2) as i32;
  const hyp = value(3) as i32;
  if (!snapshotOpen || id != WHOLE_MACHINE) return refuse(REFUSED_RUN_OUTSIDE, line, 0, 0);
  if (nextAddress != 0 || pfn < nextPfn || length == 0 || pfn >= PFN_LIMIT || pfn + length > PFN_LIMIT) {
    return refuse(REFUSED_PAGE_RUN, line, pfn, 0);
  }
  if (!isLegal(host, hyp)) return refuse(REFUSED_PAGE_STATES, line, pfn, 0);
  nextPfn = pfn + length;
  pages += length;
  const run = runAt(runCount);
  setPageRun(run, pfn, length, host, hyp, value(4) as u32, value(5) as u32);
  return takeRun(run, line, now);
}

// The pairs of the ownership table (reference pkvm-el2 section 1.5): between two steps a page has no other.
function isLegal(host: i32, hyp: i32): bool {
  switch (hyp) {
    case NOPAGE:
      return host <= NOPAGE;
    case OWNED:
      return host == NOPAGE;
    case SHARED_BORROWED:
      return host == SHARED_OWNED;
    default:
      return false;
  }
}

/** An s2_run line. */
export function takeLeafRun(now: bool): bool {
  const line = currentLine();
  const address = value(1);
  const entries = value(2);
  const level = value(3) as i32;
  const size = entrySize(level);
  if (!snapshotOpen || value(0) != (id == WHOLE_MACHINE ? 0 : id)) return refuse(REFUSED_RUN_OUTSIDE, line, 0, 0);
  if (address != nextAddress) return refuse(REFUSED_LEAF_RUN, line, address, nextAddress);
  if (entries == 0 || (address & (size - 1)) != 0) return refuse(REFUSED_LEAF_ALIGN, line, address, 0);
  if (!isLeaf(value(4), level)) return refuse(REFUSED_LEAF_KIND, line, address, value(4));
  if (entries > (ADDRESS_LIMIT - address) / size) return refuse(REFUSED_COVERAGE, line, ADDRESS_LIMIT, 0);
  nextAddress = address + entries * size;
  const run = runAt(runCount);
  setLeafRun(run, address, entries, level, value(4));
  return takeRun(run, line, now);
}

/** Whether a walk ends at this descriptor (DDI 0487 D8.3): invalid, a block of level 1 or 2, or a page. */
function isLeaf(descriptor: u64, level: i32): bool {
  if ((descriptor & VALID) == 0) return true;
  return level == 3 ? (descriptor & TYPE) != 0 : level != 0 && (descriptor & TYPE) == 0;
}

// Compares the run just filled in, or keeps it.
function takeRun(run: usize, line: u32, now: bool): bool {
  setRunLine(run, line);
  if (now) {
    compareRun(run);
    return true;
  }
  if (runCount + 1 == RUNS) return refuse(REFUSED_SNAPSHOT_RUNS, line, RUNS, 0);
  keepRun();
  return true;
}

/** What the machine made from the first snapshot covers; every later snapshot has to cover the same. */
export function setMachineExtent(): void {
  machinePages = pages;
  machineEnd = nextAddress;
}

/** The first snapshot is the machine's initial state: there is nothing to compare. */
export function dropSnapshot(): void {
  forgetRuns();
  holdSeq = NEVER;
}

/** The replay has reached the snapshot's place: compares what waited. */
export function compareKeptRuns(): void {
  for (let i: u32 = 0; i < runCount; i++) compareRun(runAt(i));
  forgetRuns();
}

/** The snapshot has been read and compared in full. */
export function finishSnapshot(): void {
  if (id == WHOLE_MACHINE && pages != machinePages) differ(snapshotLine, FIELD_PAGES, pages, machinePages, 0);
  if (nextAddress != machineEnd) differ(snapshotLine, FIELD_TABLE_END, nextAddress, machineEnd, 0);
  count(REPORT_SNAPSHOTS);
  if (differing) count(REPORT_SNAPSHOTS_DIVERGED);
  holdSeq = NEVER;
}

/** Whether the snapshot compared last differs from the model. */
export function isDiffering(): bool {
  return differing;
}

function compareRun(run: usize): void {
  if (differing) return;
  if (isPageRun(run)) comparePages(run);
  else compareLeaves(run);
}

function comparePages(run: usize): void {
  const end = runPfn(run) + runLength(run);
  const host = runHost(run);
  const hyp = runHyp(run);
  const shares = runShareCount(run);
  for (let pfn = runPfn(run); pfn < end && !differing; pfn++) {
    const line = runLine(run);
    if (hostStateOf(pfn) != host) differ(line, FIELD_PAGE_HOST, host, hostStateOf(pfn) as u64, pfn);
    else if (hypStateOf(pfn) != hyp) differ(line, FIELD_PAGE_HYP, hyp, hypStateOf(pfn) as u64, pfn);
    else if (shareCountOf(pfn) != shares) differ(line, FIELD_PAGE_CNT, shares, shareCountOf(pfn), pfn);
    else if (hyp == SHARED_BORROWED && refcountOf(pfn) != runRefcount(run)) {
      differ(line, FIELD_PAGE_REF, runRefcount(run), refcountOf(pfn), pfn);
    }
  }
}

function compareLeaves(run: usize): void {
  const level = runLevel(run);
  const size = entrySize(level);
  const entries = runLength(run);
  let address = runAddress(run);
  for (let i: u64 = 0; i < entries && !differing; i++) {
    if (id == WHOLE_MACHINE) replayedHostLeaf(address);
    else replayedGuestLeaf(id as u32, address);
    const recorded = runDescriptor(run, i);
    if (leafLevel() != level) differ(runLine(run), FIELD_LEAF_LEVEL, level, leafLevel(), address);
    else if (!isSameLeaf(recorded, leafDescriptor())) {
      differ(runLine(run), FIELD_LEAF_PTE, recorded, leafDescriptor(), address);
    }
    address += size;
  }
}

// Permissions and access flag of a guest's leaf follow from hypercalls that are no steps of the trace.
function isSameLeaf(recorded: u64, modelled: u64): bool {
  if (recorded == modelled) return true;
  if (id == WHOLE_MACHINE || (recorded & modelled & VALID) == 0) return false;
  return ((recorded ^ modelled) & ~(PERMS | AF)) == 0;
}

function differ(line: u32, field: i32, expected: u64, found: u64, at: u64): void {
  noteDivergence(line, 0, id, field, expected, found, at);
  differing = true;
}
