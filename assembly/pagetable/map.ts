// stage2_map and stage2_annotate: one visitor (kvm/hyp/pgtable.c:stage2_map_walker; reference 2.4, 2.5).

import {
  E2BIG,
  EAGAIN,
  EINVAL,
  ENOMEM,
  PANIC_PGTABLE_NULL_HOOK,
  PANIC_STAGE2_MAP_IDENTITY,
  REASON_ANNOTATION,
  REASON_PERMS_ONLY,
  REASON_TABLE_PAGES,
} from "../abi/codes";
import { MAP_LOWERS_PERMISSIONS, PA_IPA_DRIFT, VALID_UPDATE_LEAKS_TABLE_REF } from "../abi/mutations";
import { addressField, isExecutable, isTable, isValid, PERMS, SW, TABLE, TYPE, VALID } from "../arch/descriptor";
import { granuleSize, isBlockLevel, pageMask, pageSize, pfnToPa } from "../arch/geometry";
import { TLBI_BREAK_LEAF } from "../abi/tlb";
import { entryBroken } from "../arch/tlb-checks";
import { observing } from "../memory/journal";
import { isMutated } from "../memory/mutation";
import { isMemoryRange, pfnOf } from "../memory/regions";
import { panic, refuse } from "../memory/verdict";
import { incrementRefcount } from "../memory/vmemmap";
import { attributes, isNormal, PROT_RW, PROT_RWX, setAttributes } from "./attributes";
import { freeUnlinked } from "./destroy";
import { cleanMapped, flushIpa, flushTable, invalidateInstructions } from "./maintenance";
import { cacheBelow, expectMapped } from "./protocol";
import {
  allocateTablePage,
  childPage,
  FORCE_PTE,
  FORCE_PTE_BY_REGION,
  FREE_UNLINKED,
  IDMAP,
  setEntry,
  Stage2,
} from "./stage2-table";
import {
  address,
  end,
  entry,
  flags,
  LEAF,
  level,
  old,
  SKIP_BBM_TLBI,
  SKIP_CMO,
  start,
  table,
  TABLE_PRE,
  tablePage,
  walk,
} from "./walk";
import { leafTable, pageEntry } from "./walk-cache";
import { INVALID_ANNOTATION, INVALID_TYPE_SHIFT, TYPE_LOCKED } from "./invalid-entry";

// What is being mapped (struct stage2_map_data).
let leafAttributes: u64 = 0;
let physical: u64 = 0;
let annotation: u64 = 0;
let annotating: bool = false;
let pagesOnly: bool = false;
let mayAllocate: bool = false;

/**
 * kvm_pgtable_stage2_map: maps [addr, addr + size) to `phys`. What was mapped before an error stays mapped.
 *
 * @param prot PROT_* and SW bits
 * @param allocate false = no memcache: any need for a table page fails
 * @returns 0, -EINVAL, -EPERM, -ERANGE, -ENOMEM, or -EAGAIN where nothing but permissions would change
 */
export function stage2Map(
  pgt: Stage2,
  addr: u64,
  size: u64,
  phys: u64,
  prot: u64,
  allocate: bool,
  walkFlags: u32,
): i32 {
  if (pgt.flags & IDMAP && addr != phys) return panic(PANIC_STAGE2_MAP_IDENTITY);
  const invalid = setAttributes(pgt, prot);
  if (invalid != 0) return invalid;
  const at = size == pageSize && walkFlags == 0 ? pageEntry(pgt, addr) : 0;
  if (at != 0) {
    return installLeaf(pgt, at, leafTable, 3, addr, attributes | addressField(phys) | VALID | TYPE, 0);
  }
  leafAttributes = attributes;
  physical = phys & ~pageMask;
  annotating = false;
  pagesOnly = forcesPages(pgt, addr, addr + size, prot);
  mayAllocate = allocate;
  const ret = walk(pgt, addr, size, walkFlags | LEAF | TABLE_PRE, visit);
  if (isDefined(EXPLORING) && ret == 0) expectMapped(pgt, addr, size, phys & ~pageMask);
  return ret;
}

/** kvm_pgtable_stage2_annotate: writes an invalid entry of `type` to every page of the range. */
export function stage2Annotate(pgt: Stage2, addr: u64, size: u64, type: u64, annot: u64, allocate: bool): i32 {
  if ((annot & ~INVALID_ANNOTATION) != 0 || type == 0 || type == TYPE_LOCKED) {
    return refuse(EINVAL, REASON_ANNOTATION, annot, 0, type as u32);
  }
  annotation = annot | (type << INVALID_TYPE_SHIFT);
  const at = size == pageSize ? pageEntry(pgt, addr) : 0;
  if (at != 0) return installLeaf(pgt, at, leafTable, 3, addr, annotation, 0);
  annotating = true;
  pagesOnly = true;
  mayAllocate = allocate;
  return walk(pgt, addr, size, LEAF | TABLE_PRE, visit);
}

// The host maps blocks only with its default permissions (mem_protect.c:host_stage2_force_pte_cb).
function forcesPages(pgt: Stage2, from: u64, to: u64, prot: u64): bool {
  if (pgt.flags & FORCE_PTE) return true;
  if (!(pgt.flags & FORCE_PTE_BY_REGION)) return false;
  return prot != (isMemoryRange(from, to) ? PROT_RWX : PROT_RW);
}

function visit(kind: u32): i32 {
  return kind == LEAF ? visitLeaf() : visitTable();
}

function visitLeaf(): i32 {
  const ret = tryLeaf();
  if (ret != -E2BIG) return ret;
  if (!mayAllocate) return refuse(ENOMEM, REASON_TABLE_PAGES, address, 0, 0);
  const child = allocateTablePage(table);
  if (child == 0) return refuse(ENOMEM, REASON_TABLE_PAGES, address, 0, 0);
  if (observing) breakEntry(table, entry, level, address, old, flags);
  setEntry(table, entry, tablePage, level, address, addressField(pfnToPa(pfnOf(child))) | TABLE);
  return 0;
}

// A leaf takes the place of a whole table: the subtree goes when nothing points to it any more.
function visitTable(): i32 {
  const replaced = old;
  const replacedLevel = level;
  const ret = tryLeaf();
  if (ret == -E2BIG) return 0;
  if (ret != 0) return ret;
  if (!(table.flags & FREE_UNLINKED)) return panic(PANIC_PGTABLE_NULL_HOOK);
  return freeUnlinked(table, childPage(replaced), replacedLevel + 1, address);
}

// stage2_map_walker_try_leaf. -E2BIG: no leaf is allowed here.
function tryLeaf(): i32 {
  const target = physical + (address - start);
  if (!leafAllowed(granuleSize(level), target)) return -E2BIG;
  const leaf = annotating ? annotation : leafAttributes | addressField(target) | VALID | (level == 3 ? TYPE : 0);
  const ret = installLeaf(table, entry, tablePage, level, address, leaf, flags);
  if (isMutated(PA_IPA_DRIFT) && ret == -EAGAIN) physical -= granuleSize(level);
  return ret;
}

// Where a leaf is allowed: nothing, software bits only, or break before make with the maintenance of the new mapping.
function installLeaf(pgt: Stage2, at: usize, page: usize, atLevel: i32, addr: u64, leaf: u64, walkFlags: u32): i32 {
  const before = load<u64>(at);
  const change = before ^ leaf;
  if ((before & leaf & VALID) != 0 && (change & ~PERMS) == 0 && !isMutated(MAP_LOWERS_PERMISSIONS)) {
    return refuse(EAGAIN, REASON_PERMS_ONLY, addr, 0, 0);
  }
  // Nothing the hardware looks at changes: no break, no invalidation, no cache maintenance.
  if ((change & ~SW) != 0 && observing) maintain(pgt, at, atLevel, addr, before, leaf, walkFlags);
  setEntry(pgt, at, page, atLevel, addr, leaf);
  if (isMutated(VALID_UPDATE_LEAKS_TABLE_REF) && isValid(before) && isValid(leaf)) incrementRefcount(page);
  return 0;
}

function maintain(pgt: Stage2, at: usize, atLevel: i32, addr: u64, before: u64, leaf: u64, walkFlags: u32): void {
  breakEntry(pgt, at, atLevel, addr, before, walkFlags);
  if (!isValid(leaf) || walkFlags & SKIP_CMO) return;
  if (isNormal(pgt, leaf)) cleanMapped(pgt, leaf, atLevel);
  if (isExecutable(leaf)) invalidateInstructions(pgt, leaf, atLevel);
}

function leafAllowed(granule: u64, target: u64): bool {
  if (level == 3) return true;
  if (pagesOnly || !isBlockLevel(level)) return false;
  return granule <= end - address && ((target | address) & (granule - 1)) == 0;
}

// Break before make: the invalidation between the two. Only the TLB is told of the LOCKED entry, which nobody else sees.
function breakEntry(pgt: Stage2, at: usize, atLevel: i32, addr: u64, before: u64, walkFlags: u32): void {
  if (isDefined(EXPLORING)) cacheBelow(pgt.vmid, before, atLevel, addr);
  entryBroken(pgt.vmid, atLevel, addr, before, at);
  if (walkFlags & SKIP_BBM_TLBI) return;
  if (isTable(before, atLevel)) flushTable(pgt, addr, atLevel);
  else if (isValid(before)) flushIpa(pgt, addr, atLevel, TLBI_BREAK_LEAF);
}
