// The plain-JavaScript twin of bench/c/gunyah.c: descriptors as pairs of 32-bit words, low half first; addresses as frame numbers.

import * as abi from "../../assembly/abi/gunyah-rm.js";
import { Digest, type PhaseOutcome, type RoundsOutcome, type Runner } from "../definitions.js";
import {
  acceptMessage,
  BASE,
  CARVEOUT_PAGES,
  FIRST_PFN,
  gunyahWorkload,
  HLOS,
  IPA_BASE,
  lendMessage,
  PAGES,
  pagesConcerned,
  PARCELS,
  returnMessage,
  VM,
  type GunyahWorkload,
} from "../gunyah-definitions.js";

const BASE_PFN = BASE / 4096;
const IPA_BASE_GFN = IPA_BASE / 4096;
/** 36-bit IPAs in pages. */
const GFNS = 2 ** 24;
const ADDRESS_LIMIT_HIGH = 2 ** 12;
const ENTRY_WORDS = 2;
const TABLE_WORDS = 512 * ENTRY_WORDS;
const BLOCK_PAGES = 512;

const PTE_VALID = 1;
const PTE_TABLE = 3;
const PTE_COUNT = 0xffc;
const PTE_RWX = (1 << 10) | (3 << 8) | (3 << 6) | (15 << 2) | PTE_VALID;

const NOBODY = 0;
const OWNED = 1;
/** The owner of a page in the parcel with handle h: PARCEL + h. */
const PARCEL = 2;

const NONE = -1;

class Parcel {
  used = false;
  handle = 0;
  owner = 0;
  member = 0;
  state = 0;
  shareCount = 0;
  shared = false;
  mapped = false;
  regions = 0;
  readonly pfns = new Uint32Array(abi.LIST_ENTRIES);
  readonly gfns = new Uint32Array(abi.LIST_ENTRIES);
  readonly memberGfns = new Uint32Array(abi.LIST_ENTRIES);
}

interface List {
  readonly at: number;
  readonly count: number;
}

class Gunyah {
  readonly owners = new Uint32Array(PAGES);
  readonly parcels = Array.from({ length: abi.PARCELS_PER_OWNER }, () => new Parcel());
  nextHandle = 0;
  ownedParcels = 0;
  /** Tables: those of the carve-out, then the two roots. */
  readonly words = new Uint32Array((CARVEOUT_PAGES + 2) * TABLE_WORDS);
  readonly freeTables = Uint32Array.from({ length: CARVEOUT_PAGES }, (_, index) => index);
  freeTableCount = CARVEOUT_PAGES;
  readonly hlos = CARVEOUT_PAGES * TABLE_WORDS;
  readonly vm = (CARVEOUT_PAGES + 1) * TABLE_WORDS;
  /** Ascending free ranges of the VM's addresses: base and size in pages. */
  freeBases = [IPA_BASE_GFN];
  freeSizes = [GFNS - IPA_BASE_GFN];
  /** The last handle that was given out. */
  handle = 0;

  constructor() {
    this.owners.fill(NOBODY, 0, CARVEOUT_PAGES).fill(OWNED, CARVEOUT_PAGES);
    for (let pfn = BASE_PFN + CARVEOUT_PAGES; pfn < BASE_PFN + PAGES; pfn += BLOCK_PAGES) {
      const entry = this.level2Entry(this.hlos, pfn, true);
      this.setEntry(entry, pfn, PTE_RWX);
      this.count(this.topEntry(this.hlos, pfn), 1);
    }
  }

  // Tables. The count of used entries stands in bits 11:2 of the entry above.

  setEntry(entry: number, pfn: number, low: number): void {
    this.words[entry] = (pfn << 12) | low;
    this.words[entry + 1] = pfn >>> 20;
  }

  outputPfn(entry: number): number {
    return ((this.words[entry]! >>> 12) | (this.words[entry + 1]! << 20)) >>> 0;
  }

  tableOf(entry: number): number {
    return (this.outputPfn(entry) - BASE_PFN) * TABLE_WORDS;
  }

  allocateTable(entry: number): void {
    if (this.freeTableCount === 0) throw new Error("no table page");
    const index = this.freeTables[--this.freeTableCount]!;
    this.words.fill(0, index * TABLE_WORDS, (index + 1) * TABLE_WORDS);
    this.setEntry(entry, BASE_PFN + index, PTE_TABLE);
  }

  freeTable(entry: number): void {
    this.freeTables[this.freeTableCount++] = this.outputPfn(entry) - BASE_PFN;
    this.setEntry(entry, 0, 0);
  }

  isTable(entry: number): boolean {
    return (this.words[entry]! & PTE_TABLE) === PTE_TABLE;
  }

  count(entry: number, change: number): void {
    this.words[entry]! += change * 4;
  }

  topEntry(root: number, gfn: number): number {
    return root + (gfn >>> 18) * ENTRY_WORDS;
  }

  level2Entry(root: number, gfn: number, make: boolean): number {
    const top = this.topEntry(root, gfn);
    if (this.words[top] === 0) {
      if (!make) return NONE;
      this.allocateTable(top);
    }
    return this.tableOf(top) + ((gfn >>> 9) & 511) * ENTRY_WORDS;
  }

  pageEntry(entry: number, gfn: number): number {
    return this.tableOf(entry) + (gfn & 511) * ENTRY_WORDS;
  }

  /** A 2 MiB block becomes a table of pages. */
  split(entry: number): void {
    const pfn = this.outputPfn(entry);
    this.allocateTable(entry);
    const pages = this.tableOf(entry);
    for (let i = 0; i < BLOCK_PAGES; i++) this.setEntry(pages + i * ENTRY_WORDS, pfn + i, PTE_RWX | 2);
    this.count(entry, BLOCK_PAGES);
  }

  mapPage(root: number, gfn: number, pfn: number): boolean {
    if (gfn >= GFNS) return false;
    const entry = this.level2Entry(root, gfn, true);
    if (this.words[entry] === 0) {
      this.allocateTable(entry);
      this.count(this.topEntry(root, gfn), 1);
    } else if (!this.isTable(entry)) this.split(entry);
    const page = this.pageEntry(entry, gfn);
    if (this.words[page] === 0) this.count(entry, 1);
    this.setEntry(page, pfn, PTE_RWX | 2);
    return true;
  }

  /** Only a leaf that leads to `pfn` is removed; tables that become empty go. */
  unmapPage(root: number, gfn: number, pfn: number): void {
    const entry = this.level2Entry(root, gfn, false);
    if (entry === NONE || this.words[entry] === 0) return;
    if (!this.isTable(entry)) this.split(entry);
    const page = this.pageEntry(entry, gfn);
    if ((this.words[page]! & PTE_VALID) === 0 || this.outputPfn(page) !== pfn) return;
    this.setEntry(page, 0, 0);
    this.count(entry, -1);
    if (this.words[entry]! & PTE_COUNT) return;
    this.freeTable(entry);
    const top = this.topEntry(root, gfn);
    this.count(top, -1);
    if ((this.words[top]! & PTE_COUNT) === 0) this.freeTable(top);
  }

  /** Where HLOS's page leads. */
  lookUp(gfn: number): number {
    if (gfn >= GFNS) return NONE;
    const entry = this.level2Entry(this.hlos, gfn, false);
    if (entry === NONE || this.words[entry] === 0) return NONE;
    if (!this.isTable(entry)) return this.outputPfn(entry) + (gfn & 511);
    const page = this.pageEntry(entry, gfn);
    return this.words[page]! & PTE_VALID ? this.outputPfn(page) : NONE;
  }

  // The VM's addresses.

  takeGfn(): number {
    for (let i = 0; i < this.freeBases.length; i++) {
      const gfn = this.freeBases[i]!;
      this.freeBases[i]!++;
      if (--this.freeSizes[i]! === 0) this.dropRange(i);
      return gfn;
    }
    return NONE;
  }

  dropRange(index: number): void {
    this.freeBases.splice(index, 1);
    this.freeSizes.splice(index, 1);
  }

  giveGfn(gfn: number): void {
    let i = 0;
    while (i < this.freeBases.length && this.freeBases[i]! < gfn) i++;
    const before = i > 0 && this.freeBases[i - 1]! + this.freeSizes[i - 1]! === gfn;
    const after = i < this.freeBases.length && this.freeBases[i] === gfn + 1;
    if (before) {
      this.freeSizes[i - 1]! += 1 + (after ? this.freeSizes[i]! : 0);
      if (after) this.dropRange(i);
    } else if (after) {
      this.freeBases[i] = gfn;
      this.freeSizes[i]!++;
    } else {
      this.freeBases.splice(i, 0, gfn);
      this.freeSizes.splice(i, 0, 1);
    }
  }

  // Messages.

  error = 0;
  cursor = 0;

  readList(view: DataView, entry: number, following: number): List {
    const count = view.getUint16(this.cursor, true);
    const at = this.cursor + 4;
    if (count > abi.LIST_ENTRIES) this.error ||= abi.RM_NORESOURCE;
    else if (count * entry > view.byteLength - at - 4 * following) this.error ||= abi.RM_MSG_INVALID;
    this.cursor = at + count * entry;
    return { at, count };
  }

  /** ACL, SGL and attributes; sets `error`. */
  readLists(view: DataView, fixed: number): readonly [List, List, List] | null {
    this.error = view.byteLength < fixed + 12 ? abi.RM_MSG_INVALID : 0;
    this.cursor = fixed;
    if (this.error !== 0) return null;
    const acl = this.readList(view, 4, 2);
    if (this.error !== 0) return null;
    const sgl = this.readList(view, 16, 1);
    if (this.error !== 0) return null;
    const attributes = this.readList(view, 4, 0);
    if (this.error === 0 && this.cursor !== view.byteLength) this.error = abi.RM_MSG_INVALID;
    return this.error === 0 ? [acl, sgl, attributes] : null;
  }

  findParcel(handle: number): Parcel | null {
    const parcel = this.parcels[handle % abi.PARCELS_PER_OWNER]!;
    return parcel.used && parcel.handle === handle ? parcel : null;
  }

  takePage(parcel: Parcel, view: DataView, at: number): number {
    const low = view.getUint32(at, true);
    const high = view.getUint32(at + 4, true);
    const isPage = view.getUint32(at + 8, true) === 4096 && view.getUint32(at + 12, true) === 0;
    if ((low & 4095) !== 0 || !isPage || high >= ADDRESS_LIMIT_HIGH) return abi.RM_ARGUMENT_INVALID;
    const gfn = (low >>> 12) + high * 2 ** 20;
    const pfn = this.lookUp(gfn);
    if (pfn === NONE || this.owners[pfn - BASE_PFN] !== OWNED) return abi.RM_MEM_INVALID;
    this.owners[pfn - BASE_PFN] = PARCEL + parcel.handle;
    this.unmapPage(this.hlos, gfn, pfn);
    parcel.pfns[parcel.regions] = pfn;
    parcel.gfns[parcel.regions++] = gfn;
    return 0;
  }

  lend(caller: number, view: DataView): number {
    const lists = this.readLists(view, abi.CREATE_FIXED);
    if (lists === null) return this.error;
    const [acl, sgl, attributes] = lists;
    if (acl.count === 0 || sgl.count === 0) return abi.RM_ARGUMENT_INVALID;
    if (this.ownedParcels >= abi.PARCELS_PER_OWNER) return abi.RM_DENIED;
    const parcel = this.parcels[this.nextHandle % abi.PARCELS_PER_OWNER]!;
    if (parcel.used) return abi.RM_NOMEM;
    parcel.handle = this.nextHandle++;
    parcel.owner = caller;
    parcel.member = view.getUint16(acl.at, true);
    parcel.shareCount = parcel.regions = 0;
    parcel.shared = parcel.mapped = false;
    const rights = view.getUint8(acl.at + 2);
    if (acl.count > 1 || attributes.count > 0 || parcel.member !== VM || rights !== abi.RIGHTS_RWX) {
      return abi.RM_ARGUMENT_INVALID;
    }
    for (let i = 0; i < sgl.count; i++) {
      const error = this.takePage(parcel, view, sgl.at + abi.SGL_ENTRY * i);
      if (error === 0) continue;
      this.giveBack(parcel);
      return error;
    }
    parcel.used = true;
    parcel.state = abi.PARCEL_SHARING;
    this.ownedParcels++;
    this.handle = parcel.handle;
    return 0;
  }

  giveBack(parcel: Parcel): void {
    for (let i = 0; i < parcel.regions; i++) {
      const pfn = parcel.pfns[i]!;
      this.owners[pfn - BASE_PFN] = OWNED;
      this.mapPage(this.hlos, parcel.gfns[i]!, pfn);
    }
  }

  accept(caller: number, view: DataView): number {
    const lists = this.readLists(view, abi.ACCEPT_FIXED);
    if (lists === null) return this.error;
    const parcel = this.findParcel(view.getUint32(0, true));
    if (parcel === null) return abi.RM_HANDLE_INVALID;
    const isLend = view.getUint8(4) === abi.MEM_TYPE_NORMAL && view.getUint8(5) === abi.TRANS_LEND;
    if (!isLend || view.getUint8(6) !== abi.ACCEPT_DONE || lists[1].count > 0) return abi.RM_ARGUMENT_INVALID;
    if (caller !== parcel.member) return abi.RM_VMID_INVALID;
    if (caller === parcel.owner || parcel.mapped) return abi.RM_DENIED;
    for (let i = 0; i < parcel.regions; i++) {
      const gfn = this.takeGfn();
      if (gfn === NONE) return abi.RM_NORESOURCE;
      parcel.memberGfns[i] = gfn;
    }
    for (let i = 0; i < parcel.regions; i++) {
      if (!this.mapPage(this.vm, parcel.memberGfns[i]!, parcel.pfns[i]!)) return abi.RM_MAP_FAILED;
    }
    parcel.mapped = parcel.shared = true;
    parcel.shareCount++;
    parcel.state = abi.PARCEL_SHARED;
    return 0;
  }

  release(caller: number, view: DataView): number {
    if (view.byteLength !== abi.RELEASE_FIXED) return abi.RM_MSG_INVALID;
    const parcel = this.findParcel(view.getUint32(0, true));
    if (parcel === null || caller !== parcel.member) return abi.RM_HANDLE_INVALID;
    if (caller === parcel.owner) return abi.RM_DENIED;
    if (!parcel.shared) return abi.RM_MEM_RELEASED;
    for (let i = 0; i < parcel.regions; i++) this.unmapPage(this.vm, parcel.memberGfns[i]!, parcel.pfns[i]!);
    for (let i = parcel.regions - 1; i >= 0; i--) this.giveGfn(parcel.memberGfns[i]!);
    parcel.mapped = parcel.shared = false;
    if (--parcel.shareCount === 0) parcel.state = abi.PARCEL_SHARING;
    return 0;
  }

  reclaim(caller: number, view: DataView): number {
    if (view.byteLength !== abi.RELEASE_FIXED) return abi.RM_MSG_INVALID;
    const parcel = this.findParcel(view.getUint32(0, true));
    if (parcel === null) return abi.RM_HANDLE_INVALID;
    if (caller !== parcel.owner) return abi.RM_DENIED;
    if (parcel.state === abi.PARCEL_SHARED) return abi.RM_MEM_INUSE;
    for (let i = 0; i < parcel.regions; i++) {
      if (this.owners[parcel.pfns[i]! - BASE_PFN] !== PARCEL + parcel.handle) return abi.RM_MEM_INVALID;
    }
    this.giveBack(parcel);
    parcel.used = false;
    this.ownedParcels--;
    return 0;
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export class JavaScriptGunyah implements Runner {
  #workload: GunyahWorkload | null = null;
  #machine = new Gunyah();
  #lends: DataView[] = [];
  readonly #accepts = Array.from({ length: PARCELS }, () => viewOf(acceptMessage(0)));
  readonly #returns = Array.from({ length: PARCELS }, () => viewOf(returnMessage(0)));

  setup(id: string): Promise<void> {
    const workload = gunyahWorkload(id);
    this.#workload = workload;
    this.#machine = new Gunyah();
    this.#lends = Array.from({ length: PARCELS }, (_, parcel) => viewOf(lendMessage(workload, parcel)));
    return Promise.resolve();
  }

  phase(index: number): Promise<PhaseOutcome> {
    const refused = this.#run(index);
    return Promise.resolve({ refused, digest: stateDigest(this.#machine, this.#workload!) });
  }

  rounds(count: number): Promise<RoundsOutcome> {
    const start = performance.now();
    let refused = 0;
    for (let round = 0; round < count; round++) for (let index = 0; index < 4; index++) refused += this.#run(index);
    return Promise.resolve({ nanoseconds: (performance.now() - start) * 1e6, refused });
  }

  /** One phase; how many messages were refused. */
  #run(index: number): number {
    const machine = this.#machine;
    let refused = 0;
    for (let i = 0; i < PARCELS; i++) {
      let error: number;
      if (index === 0) {
        error = machine.lend(HLOS, this.#lends[i]!);
        this.#accepts[i]!.setUint32(0, machine.handle, true);
        this.#returns[i]!.setUint32(0, machine.handle, true);
      } else if (index === 1) error = machine.accept(VM, this.#accepts[i]!);
      else if (index === 2) error = machine.release(VM, this.#returns[i]!);
      else error = machine.reclaim(HLOS, this.#returns[i]!);
      if (error !== 0) refused++;
    }
    return refused;
  }
}

// The digest, in the order of bench/c/gunyah.c: the pages' owners, HLOS's leaves, the VM's leaves.

function stateDigest(machine: Gunyah, workload: GunyahWorkload): number {
  const pages = pagesConcerned(workload);
  const digest = new Digest();
  for (let pfn = FIRST_PFN; pfn < FIRST_PFN + pages; pfn++) digest.add(machine.owners[pfn - BASE_PFN]!, 0);
  addLeaves(digest, machine, machine.hlos, FIRST_PFN, pages);
  addLeaves(digest, machine, machine.vm, IPA_BASE_GFN, pages);
  return digest.unsigned;
}

function addLeaves(digest: Digest, machine: Gunyah, root: number, first: number, pages: number): void {
  for (let gfn = first; gfn < first + pages;) {
    const entry = machine.level2Entry(root, gfn, false);
    const isTable = entry !== NONE && machine.isTable(entry);
    const leaf = isTable ? machine.pageEntry(entry, gfn) : entry;
    if (leaf !== NONE && (machine.words[leaf]! | machine.words[leaf + 1]!) !== 0) {
      digest.add(gfn << 12, gfn >>> 20);
      digest.add(machine.words[leaf]!, machine.words[leaf + 1]!);
    }
    gfn += isTable ? 1 : BLOCK_PAGES;
  }
}
