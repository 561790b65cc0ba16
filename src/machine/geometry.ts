// Shape of the stage-2 tables that pKVM builds for an IPA space (reference pkvm-el2 section 2.1).

/** Levels, root and block sizes of a stage-2 table; pages of `1 << pageShift` bytes. */
export interface TableGeometry {
  readonly pageShift: number;
  readonly iaBits: number;
  /** Level of the root's entries, 0..2. */
  readonly startLevel: number;
  /** Concatenated root pages. */
  readonly pgdPages: number;
  /** Pages a vCPU's memcache must hold before a donate or share. */
  readonly memcacheMinPages: number;
  /** Pages of a level-2 block. */
  readonly blockPages: number;
}

/** log2 of the bytes that an entry of `level` covers. */
export function levelShift(pageShift: number, level: number): number {
  return (pageShift - 3) * (4 - level) + 3;
}

/** The geometry of an `iaBits` wide IPA space. */
export function tableGeometry(pageShift: number, iaBits: number): TableGeometry {
  const levels = Math.max(2, Math.floor((iaBits - 4 - 3 - 1) / (pageShift - 3)));
  const startLevel = 4 - levels;
  const rootShift = levelShift(pageShift, startLevel - 1);
  return {
    pageShift,
    iaBits,
    startLevel,
    pgdPages: rootShift >= iaBits ? 1 : 2 ** (iaBits - rootShift),
    memcacheMinPages: levels - 1,
    blockPages: 2 ** (pageShift - 3),
  };
}

/**
 * Table pages that could be needed to map `pages` pages: a full table tree over them, counted for five levels as the kernel
 * does (reference pkvm-el2 section 2.12, "host pool budget").
 */
export function tablePagesFor(pages: number, pageShift: number): number {
  let total = 0;
  let entries = pages;
  for (let level = 0; level < 5; level++) {
    entries = Math.ceil(entries / 2 ** (pageShift - 3));
    total += entries;
  }
  return total;
}
