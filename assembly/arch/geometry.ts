// Stage-2 geometry of one machine: granule, levels, concatenated root (DDI 0487 D8.2; reference pkvm-el2 section 2.1).
// All tables of a machine share it: both the host's and every guest's VTCR_EL2 are the same in protected mode.

export let pageShift: u32 = 12;
export let pageSize: u64 = 4096;
export let pageMask: u64 = 4095;
/** Bits of input address resolved by one level; a table page has 1 << bits entries. */
export let levelBits: u32 = 9;
export let indexMask: u64 = 511;
export let iaBits: u32 = 40;
export let iaSize: u64 = 1 << 40;
export let startLevel: i32 = 1;
export let pgdPages: u32 = 2;
/** Bytes covered by a level-2 block, as a shift: also what one level-3 table covers. */
export let blockShift: u32 = 21;

/** Sets the geometry. False if the granule does not exist or no legal tree covers `width` bits. */
export function setGeometry(granuleShift: u32, width: u32): bool {
  if (granuleShift != 12 && granuleShift != 14 && granuleShift != 16) return false;
  if (width < 32 || width > 52 || (width > 48 && granuleShift != 16)) return false;
  pageShift = granuleShift;
  pageSize = (1 as u64) << granuleShift;
  pageMask = pageSize - 1;
  levelBits = granuleShift - 3;
  indexMask = ((1 as u64) << levelBits) - 1;
  iaBits = width;
  iaSize = (1 as u64) << width;
  // stage2_pgtable_levels: as few levels as fit with up to 16 concatenated root pages, two at the least.
  const levels = max(2, ((width - 4 - 3 - 1) / levelBits) as i32);
  startLevel = 4 - levels;
  const rootShift = levelShift(startLevel - 1);
  pgdPages = width > rootShift ? 1 << (width - rootShift) : 1;
  blockShift = levelShift(2);
  return pgdPages <= 16;
}

/** An entry of `level` covers 1 << levelShift(level) bytes. */
export function levelShift(level: i32): u32 {
  return levelBits * ((4 - level) as u32) + 3;
}

export function granuleSize(level: i32): u64 {
  return (1 as u64) << levelShift(level);
}

/** Whether a leaf may stand at `level`: 1, 2, 3 with 4 KiB pages, else 2 and 3. */
export function isBlockLevel(level: i32): bool {
  return level >= (pageShift == 12 ? 1 : 2);
}

/** The physical address of a page frame. All frame arithmetic goes through here: shifting 32 bits loses addresses. */
export function pfnToPa(pfn: u64): u64 {
  return pfn << pageShift;
}

/** A frame number as EL2 sees it: `pfn << PAGE_SHIFT` modulo 2^64, so high bits fall off (reference section 0). */
export function truncatePfn(pfn: u64): u64 {
  return (pfn << pageShift) >> pageShift;
}
