// The machine a trace begins with, from its first snapshot: memory map and geometry, then the initial state. A trace that
// has every step from number 0 starts where EL2 handed over at boot: the steps before the snapshot are undone on the
// snapshot's pages, and replayed from there. A trace that begins with the snapshot starts in the snapshot's state.

import {
  REFUSED_GUEST_PAGES,
  REFUSED_HAND_OVER,
  REFUSED_LEAF_OWNER,
  REFUSED_LEVEL,
  REFUSED_NO_PAGES,
  REFUSED_REGIONS,
  REFUSED_TABLES,
  STEP_NR,
  STEP_OPERATION,
  STEP_PFN,
  STEP_RET,
} from "../abi/tracefs";
import { NOPAGE, OWNED, SHARED_BORROWED, SHARED_OWNED } from "../abi/codes";
import {
  CONFIG_FEATURES,
  CONFIG_FRAMES,
  CONFIG_HANDLE_BASE,
  CONFIG_HEADER_SIZE,
  CONFIG_HOST_S2_POOL_PAGES,
  CONFIG_IA_BITS,
  CONFIG_KIND,
  CONFIG_MAX_VMS,
  CONFIG_PAGE_SHIFT,
  CONFIG_REGION_SIZE,
  CONFIG_REGIONS,
  FEATURE_EL2_DEBUG,
  FEATURE_FWB,
  HYP_MEMBLOCK_REGIONS,
  KIND_REPLAYED,
} from "../abi/config";
import {
  GUEST_SHARE_HOST,
  GUEST_UNSHARE_HOST,
  HOST_ABORT,
  HOST_DONATE_GUEST,
  HOST_DONATE_HYP,
  HOST_FORCE_RECLAIM_PAGE_GUEST,
  HOST_RECLAIM_PAGE_GUEST,
  HOST_SHARE_FFA,
  HOST_SHARE_GUEST,
  HOST_SHARE_HYP,
  HOST_UNSHARE_FFA,
  HOST_UNSHARE_GUEST,
  HOST_UNSHARE_HYP,
  HYP_DONATE_HOST,
  HYP_PIN_SHARED_MEM,
  HYP_UNPIN_SHARED_MEM,
} from "../abi/operations";
import { MEMATTR, S2AP_W, VALID } from "../arch/descriptor";
import { startLevel } from "../arch/geometry";
import { limitReached } from "../memory/verdict";
import { hostStateOf, hypStateOf, refcountOf, shareCountOf } from "../systems/pkvm/queries";
import { leafDescriptor, replayedHostLeaf, replayedSetHostLeaf, replayedSetPages } from "../systems/pkvm/replayed";
import { refuse } from "./tracefs-report";
import { stepAt } from "./tracefs-ring";
import {
  entrySize,
  isPageRun,
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
  runShareCount,
} from "./tracefs-runs";
import { PFN_UNKNOWN } from "./tracefs-step";

const PAGE_SHIFT: u64 = 12;
const ENTRIES: u64 = 512;
const GIB_PAGES: u64 = 262144;
const HANDLE_BASE: u32 = 0x1000;
/** Pointers in EL2's VM table, one page. */
const VMS: u32 = 255;
/** DONATION to EL2 (reference pkvm-el2 section 1.6.3). */
const HYP_ANNOTATION: u64 = 0x2000_0000_0000_0002;
const MEMATTR_NORMAL: u64 = 0x3c; // without FWB; 7 with it (reference pkvm-el2 section 2.3)

/** Writes the machine's configuration (abi/config.ts) to `config`. `end`: one past the last address the host's table covers. */
export function describeMachine(config: usize, line: u32, end: u64): bool {
  memory.fill(config, 0, CONFIG_HEADER_SIZE);
  store<u32>(config, KIND_REPLAYED, CONFIG_KIND);
  store<u32>(config, PAGE_SHIFT as u32, CONFIG_PAGE_SHIFT);
  store<u32>(config, ctz(end) as u32, CONFIG_IA_BITS);
  store<u32>(config, FEATURE_EL2_DEBUG | (forcesWriteBack() ? FEATURE_FWB : 0), CONFIG_FEATURES);
  store<u32>(config, HANDLE_BASE, CONFIG_HANDLE_BASE);
  store<u32>(config, VMS, CONFIG_MAX_VMS);
  if (!describeRegions(config)) return refuse(REFUSED_REGIONS, line, HYP_MEMBLOCK_REGIONS, 0);
  if (load<u32>(config, CONFIG_REGIONS) == 0) return refuse(REFUSED_NO_PAGES, line, 0, 0);
  const pool = hostPoolPages(config);
  store<u32>(config, pool as u32, CONFIG_HOST_S2_POOL_PAGES);
  store<u32>(config, (pool + guestTablePages(config)) as u32, CONFIG_FRAMES);
  return true;
}

// Pages that follow each other are one region: the trace does not say where memblock regions touch.
function describeRegions(config: usize): bool {
  let region = config + CONFIG_HEADER_SIZE - CONFIG_REGION_SIZE;
  let regions = 0;
  for (let i: u32 = 0; i < runCount; i++) {
    const run = runAt(i);
    if (!isPageRun(run)) continue;
    const base = runPfn(run) << PAGE_SHIFT;
    const size = runLength(run) << PAGE_SHIFT;
    if (regions != 0 && base == load<u64>(region) + load<u64>(region, 8)) {
      store<u64>(region, load<u64>(region, 8) + size, 8);
      continue;
    }
    if (regions == HYP_MEMBLOCK_REGIONS) return false;
    regions++;
    region += CONFIG_REGION_SIZE;
    store<u64>(region, base);
    store<u64>(region, size, 8);
    store<u64>(region, 0, 16);
  }
  store<u32>(config, regions, CONFIG_REGIONS);
  return true;
}

function forcesWriteBack(): bool {
  for (let i: u32 = 0; i < runCount; i++) {
    const run = runAt(i);
    if (isPageRun(run)) continue;
    const descriptor = runDescriptor(run, 0);
    if (descriptor & VALID) return (descriptor & MEMATTR) != MEMATTR_NORMAL;
  }
  return false;
}

/** What the host reserves for its stage-2 tables: every region and 1 GiB of device space in pages (reference 2.12). */
function hostPoolPages(config: usize): u64 {
  let pages: u64 = 16 + tablePages(GIB_PAGES);
  const regions = load<u32>(config, CONFIG_REGIONS);
  for (let i: u32 = 0; i < regions; i++) pages += tablePages(regionPages(config, i));
  return pages;
}

function regionPages(config: usize, index: u32): u64 {
  return load<u64>(config + CONFIG_HEADER_SIZE + (index as usize) * CONFIG_REGION_SIZE, 8) >> PAGE_SHIFT;
}

/** Tables that map `pages` in single pages, over five levels. */
function tablePages(pages: u64): u64 {
  let tables: u64 = 0;
  for (let level = 0; level < 5; level++) {
    pages = (pages + ENTRIES - 1) / ENTRIES;
    tables += pages;
  }
  return tables;
}

// Room for the guests' tables. In a real machine the host gives these pages; here they are taken from frames outside of
// memory, which cost nothing while unused. Even scattered guest pages rarely need a table for every 16 of them.
function guestTablePages(config: usize): u64 {
  let pages: u64 = 0;
  const regions = load<u32>(config, CONFIG_REGIONS);
  for (let i: u32 = 0; i < regions; i++) pages += regionPages(config, i);
  return pages / 16 + 65536;
}

/** The snapshot's state as the initial one: pages, entries, empty tables. */
export function startFromSnapshot(): bool {
  setSnapshotPages();
  for (let i: u32 = 0; i < runCount; i++) {
    const run = runAt(i);
    if (isPageRun(run)) continue;
    const level = runLevel(run);
    const size = entrySize(level);
    let address = runAddress(run);
    if (level < startLevel) return refuse(REFUSED_LEVEL, runLine(run), address, level);
    for (let index: u64 = 0; index < runLength(run); index++) {
      replayedSetHostLeaf(address, level, runDescriptor(run, index));
      if (limitReached != 0) return refuse(REFUSED_TABLES, runLine(run), address, 0);
      address += size;
    }
  }
  return checkOwners();
}

function setSnapshotPages(): void {
  for (let i: u32 = 0; i < runCount; i++) {
    const run = runAt(i);
    if (!isPageRun(run)) continue;
    replayedSetPages(runPfn(run), runLength(run), runHost(run), runHyp(run), runShareCount(run), runRefcount(run));
  }
}

// Page states and host entries say the same thing twice (invariants I11, I12); a snapshot in which they differ is broken.
function checkOwners(): bool {
  for (let i: u32 = 0; i < runCount; i++) {
    const run = runAt(i);
    if (!isPageRun(run)) continue;
    const address = runPfn(run) << PAGE_SHIFT;
    if (runShareCount(run) != 0 || runHost(run) == SHARED_BORROWED || isGuests(run)) {
      return refuse(REFUSED_GUEST_PAGES, runLine(run), address, 0);
    }
    for (let index: u64 = 0; index < runLength(run); index++) {
      replayedHostLeaf(address + (index << PAGE_SHIFT));
      if (isHosts(leafDescriptor()) != (runHost(run) != NOPAGE)) {
        return refuse(REFUSED_LEAF_OWNER, runLine(run), address + (index << PAGE_SHIFT), 0);
      }
    }
  }
  return true;
}

function isGuests(run: usize): bool {
  return runHost(run) == NOPAGE && runHyp(run) == NOPAGE;
}

/** Whether the entry is one of a page that the host may write: empty, or valid and writable. Hyp text is readable only. */
function isHosts(descriptor: u64): bool {
  return descriptor == 0 || (descriptor & (VALID | S2AP_W)) == (VALID | S2AP_W);
}

/** The state before step 0: the first `steps` steps are undone on the snapshot's pages. */
export function startFromSteps(steps: u64): bool {
  setSnapshotPages();
  for (let seq = steps; seq > 0; seq--) undo(stepAt(seq - 1));
  if (!checkHandOver()) return false;
  for (let i: u32 = 0; i < runCount; i++) {
    const run = runAt(i);
    if (isPageRun(run)) annotatePages(run);
    else mapHypText(run);
  }
  return true;
}

// At hand-over a page is the host's alone or EL2's alone (reference pkvm-el2 section 1.7). A page that would have begun
// otherwise had something done to it that the recorded results deny.
function checkHandOver(): bool {
  for (let i: u32 = 0; i < runCount; i++) {
    const run = runAt(i);
    if (!isPageRun(run)) continue;
    const end = runPfn(run) + runLength(run);
    for (let pfn = runPfn(run); pfn < end; pfn++) {
      const isHost = hostStateOf(pfn) == OWNED && hypStateOf(pfn) == NOPAGE;
      const isHyp = hostStateOf(pfn) == NOPAGE && hypStateOf(pfn) == OWNED;
      if ((isHost || isHyp) && shareCountOf(pfn) == 0) continue;
      return refuse(REFUSED_HAND_OVER, runLine(run), pfn << PAGE_SHIFT, 0);
    }
  }
  return true;
}

// What EL2 owns at hand-over is annotated in the host's table, which holds nothing else (reference pkvm-el2 section 1.7).
function annotatePages(run: usize): void {
  const end = runPfn(run) + runLength(run);
  for (let pfn = runPfn(run); pfn < end; pfn++) {
    if (hypStateOf(pfn) == OWNED) replayedSetHostLeaf(pfn << PAGE_SHIFT, 3, HYP_ANNOTATION);
  }
}

// All but the hypervisor's text, which the host may read. The snapshot has the page runs first.
function mapHypText(run: usize): void {
  if (runLevel(run) != 3 || (runDescriptor(run, 0) & VALID) == 0) return;
  for (let index: u64 = 0; index < runLength(run); index++) {
    const pfn = (runAddress(run) >> PAGE_SHIFT) + index;
    if (hypStateOf(pfn) == OWNED) replayedSetHostLeaf(pfn << PAGE_SHIFT, 3, runDescriptor(run, index));
  }
}

// Pages return to the state that the step needed. Where that leaves a choice (a guest's page may have been shared with the
// host when it was reclaimed) any will do: the page got there by earlier steps, which are undone next.
function undo(step: usize): void {
  const operation: i32 = load<u8>(step, STEP_OPERATION);
  const first = load<u64>(step, STEP_PFN);
  if (operation == HOST_ABORT || load<i32>(step, STEP_RET) != 0 || first == PFN_UNKNOWN) return;
  const end = first + load<u64>(step, STEP_NR);
  for (let pfn = first; pfn < end && hostStateOf(pfn) >= 0; pfn++) undoPage(operation, pfn);
}

function undoPage(operation: i32, pfn: u64): void {
  switch (operation) {
    case HOST_SHARE_HYP:
    case HOST_DONATE_HYP:
      return setStates(pfn, OWNED, NOPAGE);
    case HOST_UNSHARE_HYP:
      return setStates(pfn, SHARED_OWNED, SHARED_BORROWED);
    case HYP_DONATE_HOST:
      return setStates(pfn, NOPAGE, OWNED);
    case HYP_PIN_SHARED_MEM:
      return addReference(pfn, -1);
    case HYP_UNPIN_SHARED_MEM:
      return addReference(pfn, 1);
    case HOST_SHARE_FFA:
    case HOST_DONATE_GUEST:
      return setStates(pfn, OWNED, hypStateOf(pfn));
    case HOST_UNSHARE_FFA:
      return setStates(pfn, SHARED_OWNED, hypStateOf(pfn));
    case HOST_SHARE_GUEST:
      return addShare(pfn, -1);
    case HOST_UNSHARE_GUEST:
      return addShare(pfn, 1);
    case GUEST_UNSHARE_HOST:
      return setStates(pfn, SHARED_BORROWED, hypStateOf(pfn));
    case GUEST_SHARE_HOST:
    case HOST_RECLAIM_PAGE_GUEST:
    case HOST_FORCE_RECLAIM_PAGE_GUEST:
      return setStates(pfn, NOPAGE, hypStateOf(pfn));
  }
}

function setStates(pfn: u64, host: i32, hyp: i32): void {
  replayedSetPages(pfn, 1, host, hyp, shareCountOf(pfn), refcountOf(pfn));
}

function addReference(pfn: u64, change: i32): void {
  const references = (refcountOf(pfn) as i32) + change;
  replayedSetPages(pfn, 1, hostStateOf(pfn), hypStateOf(pfn), shareCountOf(pfn), max(references, 0) as u32);
}

function addShare(pfn: u64, change: i32): void {
  const shares = max((shareCountOf(pfn) as i32) + change, 0);
  replayedSetPages(pfn, 1, shares == 0 ? OWNED : SHARED_OWNED, hypStateOf(pfn), shares as u32, refcountOf(pfn));
}
