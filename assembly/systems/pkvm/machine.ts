// The pKVM machine: host stage 2, EL2's pools, VM slots, and its state at hand-over to the host
// (nvhe/setup.c; reference pkvm-el2 section 1.7, golden vectors section 4).

import { NOPAGE, OWNED, PANIC_EL2_FAULT, PANIC_INIT_FINALISE } from "../../abi/codes";
import {
  CONFIG_CARVEOUT_BASE,
  CONFIG_CARVEOUT_SIZE,
  CONFIG_FEATURES,
  CONFIG_FRAMES,
  CONFIG_HANDLE_BASE,
  CONFIG_HOST_KVM_BYTES,
  CONFIG_HOST_S2_POOL_PAGES,
  CONFIG_HOST_VCPU_BYTES,
  CONFIG_KIND,
  CONFIG_MAX_VMS,
  CONFIG_TEXT_BASE,
  CONFIG_TEXT_SIZE,
  CONFIG_VCPU_BYTES,
  CONFIG_VM_BYTES,
  CONFIG_VM_BYTES_PER_VCPU,
  FEATURE_ANDROID,
  FEATURE_EL2_DEBUG,
  KIND_REPLAYED,
} from "../../abi/config";
import { CREATE_CARVEOUT, CREATE_OK, CREATE_POOL, CREATE_TOO_LARGE, PKVM_ID_HYP, REGION_FRAMES } from "../../abi/codes";
import {
  FINALISE_BEFORE_FIXMAP,
  HOST_PGD_TAIL_REFCOUNT,
  INIT_WALK_TWO_ALIASES,
  TEXT_BY_PERMISSION,
} from "../../abi/mutations";
import { indexMask, pageShift, pageSize, pfnToPa, pgdPages } from "../../arch/geometry";
import { reserve } from "../../memory/heap";
import { isMutated } from "../../memory/mutation";
import { allocatePages, initPool, Pool, POOL_BYTES, splitPage } from "../../memory/page-pool";
import { isMemoryRange, pageOf, pfnOf, regionAt, regionCount } from "../../memory/regions";
import { panic } from "../../memory/verdict";
import { hostState, hypState, setHostState, setHypState } from "../../memory/vmemmap";
import { PROT_R, PROT_RWX } from "../../pagetable/attributes";
import { hypMapPage, initHypStage1, PAGE_HYP, PAGE_HYP_EXEC } from "../../pagetable/hyp-stage1";
import { stage2Annotate, stage2Map } from "../../pagetable/map";
import {
  AS_S1,
  FORCE_PTE_BY_REGION,
  FREE_UNLINKED,
  IDMAP,
  setRoot,
  Stage2,
  STAGE2_BYTES,
} from "../../pagetable/stage2-table";
import { aliasPfn, isForgotten, isOtherCode, mapPrivateRange } from "./private-range";
import { reserveVms } from "./vm";
import { TYPE_DONATION, donationAnnotation } from "./annotation";

export let hostTable: Stage2 = changetype<Stage2>(0);
export let hostPool: Pool = changetype<Pool>(0);
export let hypPool: Pool = changetype<Pool>(0);
export let textBase: u64 = 0;
export let textSize: u64 = 0;

/** Sizes of EL2's and the host's descriptors (bytes); they depend on the kernel's configuration. */
export let vmBytes: u64 = 0;
export let vmBytesPerVcpu: u64 = 0;
export let vcpuBytes: u64 = 0;
export let hostKvmBytes: u64 = 0;
export let hostVcpuBytes: u64 = 0;

/** CONFIG_NVHE_EL2_DEBUG: extra assertions. */
export let el2Debug: bool = false;
/** Rebuilt from a trace: table frames are the simulator's, VMs come into being when named. */
export let isReplayed: bool = false;
/** Android's variant: android.ts, and where checks say so. */
export let isAndroid: bool = false;

/** The host table's flags: reference section 2.10. */
const HOST_TABLE_FLAGS: u32 = IDMAP | AS_S1 | FORCE_PTE_BY_REGION | FREE_UNLINKED;
const SELFTEST_PAGES: u64 = 32;

/** Builds the machine in fresh memory; regions, vmemmap, frames and walk cache are there. CREATE_*. */
export function createPkvm(config: usize): i32 {
  readConfig(config);
  const tables = reserve(STAGE2_BYTES + 2 * POOL_BYTES);
  if (tables == 0) return CREATE_TOO_LARGE;
  hostTable = changetype<Stage2>(tables);
  hostPool = changetype<Pool>(tables + STAGE2_BYTES);
  hypPool = changetype<Pool>(tables + STAGE2_BYTES + POOL_BYTES);
  if (!reserveVms(load<u32>(config, CONFIG_MAX_VMS), load<u32>(config, CONFIG_HANDLE_BASE))) return CREATE_TOO_LARGE;
  hostTable.flags = HOST_TABLE_FLAGS;
  hostTable.pool = hostPool;
  const poolPages = load<u32>(config, CONFIG_HOST_S2_POOL_PAGES) as u64;
  return isReplayed ? createFromFrames(config, poolPages) : createFromCarveout(config, poolPages);
}

function readConfig(config: usize): void {
  isReplayed = load<u32>(config, CONFIG_KIND) == KIND_REPLAYED;
  isAndroid = (load<u32>(config, CONFIG_FEATURES) & FEATURE_ANDROID) != 0;
  el2Debug = (load<u32>(config, CONFIG_FEATURES) & FEATURE_EL2_DEBUG) != 0;
  textBase = load<u64>(config, CONFIG_TEXT_BASE);
  textSize = load<u64>(config, CONFIG_TEXT_SIZE);
  vmBytes = load<u32>(config, CONFIG_VM_BYTES) as u64;
  vmBytesPerVcpu = load<u32>(config, CONFIG_VM_BYTES_PER_VCPU) as u64;
  vcpuBytes = load<u32>(config, CONFIG_VCPU_BYTES) as u64;
  hostKvmBytes = load<u32>(config, CONFIG_HOST_KVM_BYTES) as u64;
  hostVcpuBytes = load<u32>(config, CONFIG_HOST_VCPU_BYTES) as u64;
}

// The carve-out, in EL2's order: text (where it lies inside), selftest pages, VM table, EL2's stage-1 tables, host
// stage-2 tables. The vmemmap is kept in linear memory and takes no simulated pages.
function createFromCarveout(config: usize, poolPages: u64): i32 {
  const base = load<u64>(config, CONFIG_CARVEOUT_BASE);
  const size = load<u64>(config, CONFIG_CARVEOUT_SIZE);
  if (size == 0 || !isMemoryRange(base, base + size)) return CREATE_CARVEOUT;
  const endPfn = (base + size) >> pageShift;
  let pfn = base >> pageShift;
  if (textBase == base) pfn += textSize >> pageShift;
  pfn += (el2Debug ? SELFTEST_PAGES : 0) + 1;
  // The root is one block of concatenated pages: the pool begins aligned to it, as a PMD-aligned carve-out would have it.
  const poolPfn = (endPfn - poolPages) & ~((pgdPages - 1) as u64);
  if (poolPages < pgdPages || poolPages > endPfn || poolPfn < pfn + 8) return CREATE_CARVEOUT;
  initPool(hypPool, pfn, min(poolPfn - pfn, hypStage1Budget()), 0);
  initPool(hostPool, poolPfn, poolPages, 0);
  if (!initHypStage1(hypPool) || !takeHostRoot()) return CREATE_POOL;
  if (isDefined(EXPLORING) && !mapPrivateRange(hypPool, pfn - 1)) return CREATE_POOL;
  if (!fixOwnership(base >> pageShift, endPfn)) return CREATE_POOL;
  return !isAndroid || prepopulate() ? CREATE_OK : CREATE_POOL;
}

// Android maps what is the host's at boot, in the largest blocks that fit.
function prepopulate(): bool {
  for (let i = 0; i < regionCount; i++) {
    const region = regionAt(i);
    if (region.flags & REGION_FRAMES) continue;
    let pages: u64 = 0;
    for (let first: u64 = 0; first < region.pages; first += pages + 1) {
      pages = 0;
      while (first + pages < region.pages && hostState(region.words + (((first + pages) as usize) << 3)) == OWNED)
        pages++;
      const pa = region.base + pfnToPa(first);
      if (pages != 0 && stage2Map(hostTable, pa, pfnToPa(pages), pa, PROT_RWX, true, 0) != 0) return false;
    }
  }
  return true;
}

// A replayed machine starts empty; its pages and leaves are set one by one.
function createFromFrames(config: usize, poolPages: u64): i32 {
  const frames = regionAt(regionCount - 1);
  if (!(frames.flags & REGION_FRAMES)) return CREATE_POOL;
  const total = load<u32>(config, CONFIG_FRAMES) as u64;
  const hypPages = hypStage1Budget();
  if (total < poolPages + hypPages + 16) return CREATE_POOL;
  initPool(hostPool, frames.firstPfn, poolPages, 0);
  const hypPfn = frames.firstPfn + ((poolPages + 15) & ~15);
  initPool(hypPool, hypPfn, hypPages, 0);
  guestFrames = hypPfn + hypPages;
  guestFramesEnd = frames.firstPfn + frames.pages;
  return initHypStage1(hypPool) && takeHostRoot() ? CREATE_OK : CREATE_POOL;
}

/** Frames of a replayed machine that guests' tables may take. */
export let guestFrames: u64 = 0;
export let guestFramesEnd: u64 = 0;

function takeHostRoot(): bool {
  const root = allocatePages(hostPool, rootOrder());
  if (root == 0) return false;
  if (!isMutated(HOST_PGD_TAIL_REFCOUNT)) splitPage(root);
  setRoot(hostTable, root);
  return true;
}

/** Order of a root's block: pgdPages is a power of two. */
export function rootOrder(): u32 {
  return ctz(pgdPages);
}

// hyp_s1_pgtable_pages: for every region and 1 GiB of device space, the tables of five levels (reference 2.12).
function hypStage1Budget(): u64 {
  let pages = tablesFor((1 << 30) >> pageShift);
  for (let i = 0; i < regionCount; i++) {
    const region = regionAt(i);
    if (!(region.flags & REGION_FRAMES)) pages += tablesFor(region.pages);
  }
  return pages;
}

function tablesFor(pages: u64): u64 {
  let total: u64 = 0;
  let left = pages;
  for (let level = 0; level < 5; level++) {
    left = (left + indexMask) / (indexMask + 1);
    total += left;
  }
  return total;
}

// fix_host_ownership: what EL2 maps is EL2's. The host keeps a read-only view of EL2's text, to inspect it after a panic.
function fixOwnership(firstPfn: u64, endPfn: u64): bool {
  const textFirst = textBase >> pageShift;
  const textPages = textSize >> pageShift;
  for (let pfn = firstPfn; pfn < endPfn; pfn++) {
    if (isDefined(EXPLORING) && isForgotten(pfn)) continue;
    if (!giveToHyp(pfn, pfn - textFirst < textPages)) return false;
  }
  for (let pfn = textFirst; pfn < textFirst + textPages; pfn++) {
    if (pfn - firstPfn < endPfn - firstPfn) continue;
    if (pageOf(pfn) == 0 || !giveToHyp(pfn, true)) return false;
  }
  // The walk is over the linear map alone: what the private range maps once more is EL2's by then.
  if (isDefined(EXPLORING) && isMutated(INIT_WALK_TWO_ALIASES)) return aliasPfn == 0 || giveToHyp(aliasPfn, false);
  return true;
}

/** Makes a page EL2's, as at hand-over. False if a table page is missing. */
export function giveToHyp(pfn: u64, isText: bool): bool {
  const page = pageOf(pfn);
  const pa = pfnToPa(pfn);
  let executes = isText;
  if (isDefined(EXPLORING) && isOtherCode(pfn)) executes = true;
  if (!hypMapPage(pa, executes ? PAGE_HYP_EXEC : PAGE_HYP)) return false;
  // Every page's state is written once.
  if (isDefined(EXPLORING) && hypState(page) == OWNED) panic(PANIC_INIT_FINALISE);
  if (isDefined(EXPLORING) && isMutated(FINALISE_BEFORE_FIXMAP)) panic(PANIC_EL2_FAULT);
  setHypState(page, OWNED);
  setHostState(page, NOPAGE);
  if (isMutated(TEXT_BY_PERMISSION) ? executes : isText)
    return stage2Map(hostTable, pa, pageSize, pa, PROT_R, true, 0) == 0;
  return stage2Annotate(hostTable, pa, pageSize, TYPE_DONATION, donationAnnotation(PKVM_ID_HYP, 0), true) == 0;
}

/** addr_is_hyp_text: within EL2's text. */
export function isHypText(page: usize): bool {
  return pfnToPa(pfnOf(page)) - textBase < textSize;
}
