// The tables of a partition manager's page-table library: unlike those of table.ts they map blocks, and addresses to others than
// themselves (src/mm.c; reference ffa section 3, bugs section 7). Searches alone make them: what the managers of this simulator
// decide needs modes of single pages, and no more.
//
// Stage 2: the entries of table.ts at any level; one that is lent away keeps address and access bits, and is invalid. The
// manager's own stage 1 has the bits of pagetable/hyp-stage1.ts.

import { FFA_MM_NON_SECURE, FFA_MM_OWN } from "../../abi/ffa-mm";
import { MODE_ABSENT, MODE_INVALID, MODE_R, MODE_W, MODE_X } from "../../abi/ffa";
import { addressField, AF, isValid, outputAddress, SH_IS, TYPE, VALID } from "../../arch/descriptor";
import { granuleSize, isBlockLevel, pgdPages } from "../../arch/geometry";
import { reserve } from "../../memory/heap";
import { allocatePages, Pool, splitPage } from "../../memory/page-pool";
import { isHypWritable, PAGE_HYP, PAGE_HYP_EXEC } from "../../pagetable/hyp-stage1";
import { setRoot, Stage2, STAGE2_BYTES } from "../../pagetable/stage2-table";
import { descriptorOf, isAbsent, modeOf } from "./table";

// Behind a Stage2: 0 u32 FFA_MM_* | 4 u32 VMID | 8 u64 the address that the manager runs on | 16 u32 the table before
const PURPOSE: usize = STAGE2_BYTES;
const VMID: usize = STAGE2_BYTES + 4;
const IN_USE: usize = STAGE2_BYTES + 8;
const BEFORE: usize = STAGE2_BYTES + 16;
const TABLE_BYTES: usize = STAGE2_BYTES + 24;
/** AP[2:1] of EL2's own leaves: AP[1] is set in all of them, AP[2] takes the right to write. */
const OWN_AP: u64 = PAGE_HYP & PAGE_HYP_EXEC;
const OWN_READ_ONLY: u64 = 1 << 7;
const OWN_XN: u64 = PAGE_HYP & ~PAGE_HYP_EXEC;

/** A table with nothing mapped, or null if there is no memory. `tag` names the first place where its entries are kept. */
export function newMmTable(
  pool: Pool,
  before: Stage2 | null,
  number: u32,
  purpose: i32,
  vmid: u32,
  tag: u32,
): Stage2 | null {
  const at = reserve(TABLE_BYTES);
  const root = at != 0 ? allocatePages(pool, ctz(pgdPages)) : 0;
  if (root == 0) return null;
  splitPage(root);
  const table = changetype<Stage2>(at);
  table.pool = pool;
  table.vm = number;
  table.vmid = tag;
  setRoot(table, root);
  store<i32>(at, purpose, PURPOSE);
  store<u32>(at, vmid, VMID);
  store<u32>(at, changetype<usize>(before) as u32, BEFORE);
  return table;
}

/** The one that was made before it. */
export function tableBefore(table: Stage2): Stage2 | null {
  return changetype<Stage2 | null>(load<u32>(changetype<usize>(table), BEFORE) as usize);
}

/** The manager's stack lies there, in its own table. */
export function setInUse(table: Stage2, address: u64): void {
  store<u64>(changetype<usize>(table), address, IN_USE);
}

/** Whether the entry of `level` for `address` translates what the manager runs on. */
export function isInUse(table: Stage2, level: i32, address: u64): bool {
  const differing = load<u64>(changetype<usize>(table), IN_USE) ^ address;
  return isOwnTable(table) && differing < granuleSize(level);
}

export function isOwnTable(table: Stage2): bool {
  return load<i32>(changetype<usize>(table), PURPOSE) == FFA_MM_OWN;
}

export function isNonSecure(table: Stage2): bool {
  return load<i32>(changetype<usize>(table), PURPOSE) == FFA_MM_NON_SECURE;
}

export function vmidOf(table: Stage2): u32 {
  return load<u32>(changetype<usize>(table), VMID);
}

/** The leaf of `level` that gives `pa` a mode; 0 if such a mode leaves nothing behind. */
export function mmLeaf(table: Stage2, level: i32, pa: u64, mode: i32): u64 {
  if (isAbsent(mode)) return 0;
  const leaf = isOwnTable(table) ? ownLeaf(mode, pa) : descriptorOf(mode, pa);
  return level == 3 ? leaf : leaf & ~TYPE;
}

function ownLeaf(mode: i32, pa: u64): u64 {
  const rights = (mode & MODE_W ? 0 : OWN_READ_ONLY) | (mode & MODE_X ? 0 : OWN_XN);
  return OWN_AP | rights | addressField(pa) | AF | SH_IS | TYPE | (mode & MODE_INVALID ? 0 : VALID);
}

/** The mode that a leaf gives. */
export function mmModeOf(table: Stage2, leaf: u64): i32 {
  return isOwnTable(table) ? ownMode(leaf) : modeOf(leaf & ~addressField(u64.MAX_VALUE));
}

function ownMode(leaf: u64): i32 {
  if (leaf == 0) return MODE_ABSENT;
  const access = MODE_R | (isHypWritable(leaf) ? MODE_W : 0) | (leaf & OWN_XN ? 0 : MODE_X);
  return isValid(leaf) ? access : access | MODE_INVALID;
}

/** What a leaf of one level says, apart from where it leads: to be compared with that of another level. */
export function attributesOf(leaf: u64): u64 {
  return leaf & ~addressField(u64.MAX_VALUE) & ~TYPE;
}

/** Whether a leaf of `level` may lead to `pa`. */
export function isBlockAllowed(level: i32, pa: u64): bool {
  return isBlockLevel(level) && (pa & (granuleSize(level) - 1)) == 0;
}

/** Where a leaf of `level` leads from `address`. */
export function outputAt(leaf: u64, level: i32, address: u64): u64 {
  return outputAddress(leaf) + (address & (granuleSize(level) - 1));
}
