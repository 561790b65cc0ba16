// The plain-JavaScript twin: DRAM, hyp vmemmap, page pools and stage-2 tables of a pKVM host on typed arrays.
// The same model as bench/c/machine.h. 64-bit words are two Uint32 words, low first; frame numbers stay below 2^31.

export const EPERM = 1;
export const ENOENT = 2;
export const E2BIG = 7;
export const EAGAIN = 11;
export const ENOMEM = 12;
export const EBUSY = 16;
export const EEXIST = 17;
export const EINVAL = 22;
export const ERANGE = 34;
export const EHWPOISON = 133;

export const OWNED = 0;
export const SHARED_OWNED = 1;
export const SHARED_BORROWED = 2;
export const NOPAGE = 3;
export const POISON = 4;

export const ID_HOST = 0;
export const ID_HYP = 1;
export const ID_GUEST = 2;

export const PROT_PX = 1;
export const PROT_UX = 2;
export const PROT_X = 3;
export const PROT_W = 4;
export const PROT_R = 8;
export const PROT_RWX = 15;

export const LAST_LEVEL = 3;
const MEMBLOCK_NOMAP = 4;
const WORDS_PER_PAGE = 1024;
/** End of the gap behind the last region: above every frame number in use, and still a small integer. */
const NO_LIMIT = 0x7fffffff;

// Descriptors (reference 1.6): the low word, then the high word.
export const PTE_VALID = 1;
const PTE_TABLE = 2;
const PTE_SH_AF = 0x700;
const PTE_S2AP_R = 0x40;
const PTE_S2AP_W = 0x80;
const PERMS_LOW = 0xc0;
const PERMS_HIGH = 3 << 21;
export const STATE_SHIFT = 23;
export const STATE_HIGH = 3 << STATE_SHIFT;
export const MEMATTR_HOST = 7 << 2;
export const MEMATTR_GUEST = 6 << 2;
export const TYPE_DONATION = 2 << 28;
const TYPE_POISONED = 3;

/** EL2 stops at a broken assertion (reference 0.2); so does the twin. */
export function panic(what: string): never {
  throw new Error(`twin panicked: ${what}`);
}

export interface Region {
  readonly pfn: number;
  readonly end: number;
  readonly flags: number;
}

/** Table pages at rest, by frame number. */
export class Pool {
  readonly pages: Uint32Array;
  count = 0;

  constructor(capacity: number) {
    this.pages = new Uint32Array(capacity);
  }

  put(pfn: number): void {
    this.pages[this.count++] = pfn;
  }
}

export interface Table {
  /** Index of the root's first word. */
  readonly root: number;
  readonly startLevel: number;
  readonly iaBits: number;
  /** Frames of the IPA space. */
  readonly frames: number;
}

export class Vm {
  readonly handle: number;
  readonly table: Table;
  readonly pool: Pool;
  readonly memcache: Pool;

  constructor(handle: number, table: Table, capacity: number) {
    this.handle = handle;
    this.table = table;
    this.pool = new Pool(capacity);
    this.memcache = new Pool(capacity);
  }
}

export class Machine {
  readonly base: number;
  readonly regions: readonly Region[];
  /** Contents of DRAM, tables included; a descriptor is named by the index of its low word. */
  readonly words: Uint32Array;
  readonly vmemmap: Uint32Array;
  readonly written: Uint8Array;
  readonly hostPool: Pool;
  readonly host: Table;
  /** Level of the entry that `findLeaf` or `descend` returned last. */
  level = 0;
  /** What `findMemRange` found last: frame numbers, the end exclusive, flags -1 for a gap. */
  rangeStart = 0;
  rangeEnd = 0;
  rangeFlags = 0;
  esrEl1 = 0;
  farEl1 = 0;

  constructor(region: Region, poolPages: number, iaBits: number) {
    const pages = region.end - region.pfn;
    this.base = region.pfn;
    this.regions = [region];
    this.words = new Uint32Array(pages * WORDS_PER_PAGE);
    this.vmemmap = new Uint32Array(pages * 2);
    this.written = new Uint8Array(pages);
    this.hostPool = new Pool(poolPages);
    this.host = this.tableAt(region.pfn, iaBits);
  }

  tableAt(pfn: number, iaBits: number): Table {
    return { root: this.wordsOf(pfn), startLevel: iaBits > 43 ? 0 : 1, iaBits, frames: 2 ** (iaBits - 12) };
  }

  // DRAM and the vmemmap.

  wordsOf(pfn: number): number {
    return (pfn - this.base) << 10;
  }

  pfnOf(slot: number): number {
    return this.base + (slot >>> 10);
  }

  hostState(pfn: number): number {
    return (this.vmemmap[(pfn - this.base) << 1]! >>> 24) & 15;
  }

  setHostState(pfn: number, state: number): void {
    const word = (pfn - this.base) << 1;
    this.vmemmap[word] = (this.vmemmap[word]! & ~(15 << 24)) | (state << 24);
  }

  hypState(pfn: number): number {
    return (this.vmemmap[(pfn - this.base) << 1]! >>> 28) ^ NOPAGE;
  }

  setHypState(pfn: number, state: number): void {
    const word = (pfn - this.base) << 1;
    this.vmemmap[word] = (this.vmemmap[word]! & ~(15 << 28)) | ((state ^ NOPAGE) << 28);
  }

  refcount(pfn: number): number {
    return this.vmemmap[(pfn - this.base) << 1]! & 0xffff;
  }

  getPage(pfn: number): void {
    if (this.refcount(pfn) === 0xffff) panic("hyp_page_ref_inc");
    this.vmemmap[(pfn - this.base) << 1]!++;
  }

  putPage(pfn: number): void {
    if (this.refcount(pfn) === 0) panic("hyp_page_ref_dec");
    this.vmemmap[(pfn - this.base) << 1]!--;
  }

  shareCount(pfn: number): number {
    return this.vmemmap[((pfn - this.base) << 1) + 1]!;
  }

  addShares(pfn: number, count: number): void {
    this.vmemmap[((pfn - this.base) << 1) + 1]! += count;
  }

  writeContents(pfn: number, word: number): void {
    const start = this.wordsOf(pfn);
    this.words.fill(word, start, start + WORDS_PER_PAGE);
    this.written[pfn - this.base] = 1;
  }

  /** A page that was never written is zero already. */
  wipe(pfn: number): void {
    if (this.written[pfn - this.base] === 0) return;
    const start = this.wordsOf(pfn);
    this.words.fill(0, start, start + WORDS_PER_PAGE);
  }

  // Memory regions (reference 1.2).

  findMemRange(pfn: number): void {
    this.rangeStart = 0;
    this.rangeEnd = NO_LIMIT;
    this.rangeFlags = -1;
    let low = 0;
    let high = this.regions.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const region = this.regions[middle]!;
      if (pfn < region.pfn) {
        high = middle;
        this.rangeEnd = region.pfn;
      } else if (pfn >= region.end) {
        low = middle + 1;
        this.rangeStart = region.end;
      } else {
        this.rangeStart = region.pfn;
        this.rangeEnd = region.end;
        this.rangeFlags = region.flags;
        return;
      }
    }
  }

  isMemory(pfn: number, pages: number): boolean {
    this.findMemRange(pfn);
    return this.rangeFlags !== -1 && pfn + pages <= this.rangeEnd;
  }

  /** CHK_MEM (check_range_allowed_memory). */
  checkMemory(pfn: number, pages: number): number {
    this.findMemRange(pfn);
    const last = pfn + pages - 1;
    if (last < this.rangeStart || last >= this.rangeEnd) return -EINVAL;
    return this.rangeFlags === -1 || this.rangeFlags & MEMBLOCK_NOMAP ? -EPERM : 0;
  }

  // Stage-2 tables (reference 2). A table page's refcount is 1 + its non-zero descriptors.

  /** The entry at which the walk for an IPA ends; `level` is its level. The root may be several pages. */
  findLeaf(table: Table, high: number, low: number): number {
    const words = this.words;
    let slot = table.root;
    if (table.startLevel === 0) {
      slot += (high >>> 7) * 2;
      if ((words[slot]! & 3) !== 3) return this.leafAt(slot, 0);
      slot = this.childOf(slot) + (((high << 2) | (low >>> 30)) & 511) * 2;
    } else {
      slot += ((high << 2) | (low >>> 30)) * 2;
    }
    if ((words[slot]! & 3) !== 3) return this.leafAt(slot, 1);
    slot = this.childOf(slot) + ((low >>> 21) & 511) * 2;
    if ((words[slot]! & 3) !== 3) return this.leafAt(slot, 2);
    slot = this.childOf(slot) + ((low >>> 12) & 511) * 2;
    return this.leafAt(slot, 3);
  }

  private leafAt(slot: number, level: number): number {
    this.level = level;
    return slot;
  }

  /** First word of the table that a table descriptor names. */
  childOf(slot: number): number {
    return this.wordsOf(this.outputPfn(slot));
  }

  outputPfn(slot: number): number {
    return ((this.words[slot]! >>> 12) | (this.words[slot + 1]! << 20)) & 0x7fffffff;
  }

  writeEntry(slot: number, high: number, low: number): void {
    const wasZero = (this.words[slot]! | this.words[slot + 1]!) === 0;
    const isZero = (high | low) === 0;
    this.words[slot] = low;
    this.words[slot + 1] = high;
    if (wasZero && !isZero) this.getPage(this.pfnOf(slot));
    if (!wasZero && isZero) this.putPage(this.pfnOf(slot));
  }

  /** Puts tables under an entry of level `this.level` until it stands at `level`. A block on the way is dropped. */
  descend(vm: Vm | null, entry: number, high: number, low: number, level: number): number {
    let slot = entry;
    while (this.level < level) {
      const child = this.allocTable(vm);
      this.writeEntry(slot, child >>> 20, (child << 12) | PTE_TABLE | PTE_VALID);
      this.level++;
      slot = this.wordsOf(child) + (indexAt(this.level, high, low) & 511) * 2;
    }
    return slot;
  }

  /** The host's tables come from its pool, a guest's from what the VM freed, then from its memcache. */
  private allocTable(vm: Vm | null): number {
    const pool = vm === null ? this.hostPool : vm.pool.count > 0 ? vm.pool : vm.memcache;
    if (pool.count === 0) panic("no table page");
    const pfn = pool.pages[--pool.count]!;
    this.getPage(pfn);
    this.words.fill(0, this.wordsOf(pfn), this.wordsOf(pfn) + WORDS_PER_PAGE);
    return pfn;
  }

  /** Maps one granule. -EAGAIN, and nothing written: a valid leaf that differs in permissions at most. */
  mapEntry(slot: number, high: number, low: number): number {
    const oldLow = this.words[slot]!;
    const oldHigh = this.words[slot + 1]!;
    const changed = ((oldLow ^ low) & ~PERMS_LOW) | ((oldHigh ^ high) & ~PERMS_HIGH);
    if (oldLow & low & PTE_VALID && changed === 0) return -EAGAIN;
    this.writeEntry(slot, high, low);
    return 0;
  }

  unmapEntry(table: Table, vm: Vm | null, slot: number, high: number, low: number): void {
    this.writeEntry(slot, 0, 0);
    if (this.refcount(this.pfnOf(slot)) === 1) this.freeEmptyTables(table, vm, high, low);
  }

  /** Frees the tables above a cleared entry that have become empty; the root stays. */
  private freeEmptyTables(table: Table, vm: Vm | null, high: number, low: number): void {
    const slots = [0, 0, 0, 0];
    let level = table.startLevel;
    slots[level] = table.root + indexAt(level, high, low) * 2;
    while (level < LAST_LEVEL && (this.words[slots[level]!]! & 3) === 3) {
      slots[level + 1] = this.childOf(slots[level]!) + (indexAt(level + 1, high, low) & 511) * 2;
      level++;
    }
    for (; level > table.startLevel; level--) {
      const pfn = this.pfnOf(slots[level]!);
      if (this.refcount(pfn) !== 1) break;
      this.writeEntry(slots[level - 1]!, 0, 0);
      this.putPage(pfn);
      (vm === null ? this.hostPool : vm.pool).put(pfn);
    }
  }

  guestState(slot: number): number {
    const high = this.words[slot + 1]!;
    if (this.words[slot]! & PTE_VALID) return (high >>> STATE_SHIFT) & 3;
    return high >>> 28 === TYPE_POISONED ? POISON : NOPAGE;
  }
}

/** Index of an IPA in the tables of a level; above the root's own bits the caller masks it. */
export function indexAt(level: number, high: number, low: number): number {
  if (level === 3) return low >>> 12;
  if (level === 2) return ((high << 11) | (low >>> 21)) >>> 0;
  if (level === 1) return ((high << 2) | (low >>> 30)) >>> 0;
  return high >>> 7;
}

export function isInRange(table: Table, high: number): boolean {
  return high >>> (table.iaBits - 32) === 0;
}

/** Low word of a leaf's attributes (reference 2.3), without the output address. */
export function attributesLow(memattr: number, prot: number, level: number): number {
  let low = PTE_VALID | memattr | PTE_SH_AF;
  if (prot & PROT_R) low |= PTE_S2AP_R;
  if (prot & PROT_W) low |= PTE_S2AP_W;
  return level === LAST_LEVEL ? low | PTE_TABLE : low;
}

/** High word: XN (no XNX, so all or nothing) and the page state. */
export function attributesHigh(prot: number, state: number): number {
  return ((prot & PROT_X ? 0 : 2) << 21) | (state << STATE_SHIFT);
}
