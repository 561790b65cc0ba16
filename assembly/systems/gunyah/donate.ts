// Donation: memory moves between extents, and with it what is mapped (reference gunyah section 3.5;
// memextent.c:memextent_donate_child, memextent_donate_sibling, memextent_sparse.c:donate_memextents_common).
// Contents are never touched. A donation that is refused leaves ownership, records and page tables as they were.

import {
  ARGUMENT_ALIGNMENT,
  ARGUMENT_INVALID,
  ARGUMENT_SIZE,
  EXTENT_SPARSE,
  MEMDB_EXTENT,
  MEMDB_NOT_OWNER,
  MEMDB_PARTITION,
  MEMEXTENT_TYPE,
  REASON_EMPTY_RANGE,
  REASON_EXTENT_BASIC,
  REASON_EXTENT_NOT_SPARSE,
  REASON_NO_PARENT,
  REASON_OTHER_PARENT,
  REASON_OUTSIDE_EXTENT,
  REASON_PAGE_ALIGNMENT,
  REASON_SAME_EXTENT,
  REASON_WRAPS,
} from "../../abi/gunyah";
import { GUNYAH_ATTACH_KEEPS_ACCESS } from "../../abi/mutations";
import { pageMask } from "../../arch/geometry";
import { isMutated } from "../../memory/mutation";
import { Extent } from "./extent";
import { synchronize } from "./extent-life";
import { commit } from "./leaves";
import { changeOwner, checkMemdbUpdate } from "./memdb";
import { Partition } from "./object";
import { deny } from "./refusal";
import { checkTransfer, prepareTransfer, transfer } from "./transfer";

/** memextent_donate_sibling. */
export function donateSibling(from: Extent, to: Extent, pa: u64, size: u64): i32 {
  const refused = checkRange(from, pa, size) || checkWindow(to, pa, size) || checkSiblings(from, to);
  if (refused != 0) return refused;
  if (from.kind != EXTENT_SPARSE) return deny(MEMEXTENT_TYPE, REASON_EXTENT_BASIC, from.id, 0, 0);
  if (to.kind != EXTENT_SPARSE) return deny(ARGUMENT_INVALID, REASON_EXTENT_NOT_SPARSE, to.id, 0, 0);
  return move(from, to, from.id, MEMDB_EXTENT, to.id, MEMDB_EXTENT, pa, size);
}

/** memextent_donate_child: from the parent to its child. */
export function donateChild(parent: Extent, child: Extent, pa: u64, size: u64): i32 {
  const refused = checkChild(parent, child, pa, size);
  return refused != 0 ? refused : move(parent, child, parent.id, MEMDB_EXTENT, child.id, MEMDB_EXTENT, pa, size);
}

/** memextent_donate_child, reverse: back to the parent. */
export function donateParent(child: Extent, parent: Extent, pa: u64, size: u64): i32 {
  const refused = checkChild(parent, child, pa, size);
  return refused != 0 ? refused : move(child, parent, child.id, MEMDB_EXTENT, parent.id, MEMDB_EXTENT, pa, size);
}

/** From a root extent's partition: all its records for the memory take effect. */
export function donateFromPartition(to: Extent, pa: u64, size: u64): i32 {
  const refused = checkRoot(to, pa, size);
  if (refused != 0) return refused;
  return move(null, to, (to.partition as Partition).id, MEMDB_PARTITION, to.id, MEMDB_EXTENT, pa, size);
}

/** Back to a root extent's partition: all its records for the memory are withdrawn. */
export function donateToPartition(from: Extent, pa: u64, size: u64): i32 {
  const refused = checkRoot(from, pa, size);
  if (refused != 0) return refused;
  return move(from, null, from.id, MEMDB_EXTENT, (from.partition as Partition).id, MEMDB_PARTITION, pa, size);
}

// Alignment, wrap of the physical address, size, window: the order of 3.5.
function checkRange(me: Extent, pa: u64, size: u64): i32 {
  const offset = pa - me.base;
  if ((offset | size) & pageMask) return deny(ARGUMENT_ALIGNMENT, REASON_PAGE_ALIGNMENT, offset | size, 0, 0);
  if (pa < me.base || pa + size < pa) return deny(ARGUMENT_INVALID, REASON_WRAPS, pa, 0, 0);
  if (size == 0) return deny(ARGUMENT_SIZE, REASON_EMPTY_RANGE, pa, 0, 0);
  return checkWindow(me, pa, size);
}

function checkWindow(me: Extent, pa: u64, size: u64): i32 {
  const isInside = pa >= me.base && size <= me.size && pa - me.base <= me.size - size;
  return isInside ? 0 : deny(ARGUMENT_INVALID, REASON_OUTSIDE_EXTENT, pa + size, 0, 0);
}

function checkSiblings(from: Extent, to: Extent): i32 {
  if (from == to) return deny(ARGUMENT_INVALID, REASON_SAME_EXTENT, from.id, 0, 0);
  if (from.parent == null) return deny(ARGUMENT_INVALID, REASON_NO_PARENT, from.id, 0, 0);
  if (from.parent == to.parent) return 0;
  const other = to.parent;
  const found = other == null ? 0 : other.id;
  return deny(ARGUMENT_INVALID, REASON_OTHER_PARENT, to.id, (from.parent as Extent).id, found);
}

function checkChild(parent: Extent, child: Extent, pa: u64, size: u64): i32 {
  const refused = checkRange(child, pa, size);
  if (refused != 0) return refused;
  if (child.kind != EXTENT_SPARSE) return deny(MEMEXTENT_TYPE, REASON_EXTENT_BASIC, child.id, 0, 0);
  if (parent.kind == EXTENT_SPARSE) return 0;
  return deny(ARGUMENT_INVALID, REASON_EXTENT_NOT_SPARSE, parent.id, 0, 0);
}

function checkRoot(me: Extent, pa: u64, size: u64): i32 {
  const refused = checkRange(me, pa, size);
  if (refused != 0) return refused;
  return me.kind == EXTENT_SPARSE ? 0 : deny(MEMEXTENT_TYPE, REASON_EXTENT_BASIC, me.id, 0, 0);
}

// Ownership first, page tables after. A dying extent may still own the memory: one grace period, then the second refusal counts.
function move(
  x: Extent | null,
  y: Extent | null,
  from: u32,
  fromType: u32,
  to: u32,
  toType: u32,
  pa: u64,
  size: u64,
): i32 {
  const end = pa + size;
  let refused = checkMemdbUpdate(pa, end - 1, from, fromType);
  if (refused == MEMDB_NOT_OWNER && synchronize()) refused = checkMemdbUpdate(pa, end - 1, from, fromType);
  const isOrdinary = refused == 0 && prepareTransfer(x, y, pa, end);
  if (refused == 0 && !isOrdinary) refused = checkTransfer(x, y, pa, end);
  if (refused != 0) return refused;
  changeOwner(pa, end - 1, to, toType, from, fromType);
  // The mistake: what the last owner says of the memory stays in force.
  if (isMutated(GUNYAH_ATTACH_KEEPS_ACCESS)) transfer(null, y, pa, end);
  else if (isOrdinary) commit();
  else transfer(x, y, pa, end);
  return 0;
}
