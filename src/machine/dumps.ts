// Listings of a machine's state, read from the core window by window (layout: assembly/abi/records.ts, "Dumps").

import * as abi from "../../assembly/abi/records.js";
import { decodePageWord, type PageState } from "./effects.js";
import { decodeOwner, type Owner } from "./gunyah-names.js";
import type { Core } from "./module.js";

/** Consecutive pages with the same state. */
export interface PageRun extends PageState {
  readonly pfn: bigint;
  readonly pages: bigint;
}

/** A non-zero entry at which a stage-2 walk ends, valid or not. `ipa` in bytes. */
export interface Leaf {
  readonly ipa: bigint;
  readonly level: number;
  readonly descriptor: bigint;
}

/** A stage-2 table page: the address it covers from (bytes) and the level of its entries. */
export interface Table {
  readonly ipa: bigint;
  readonly level: number;
  readonly isRoot: boolean;
}

/** The records of the dump window, as long as they are read at once. */
function window(core: Core): DataView {
  return new DataView(core.memory.buffer, core.exports.dumpWindow(), core.exports.dumpCapacity());
}

/** Visits the runs of equal vmemmap words in ascending order, pages that were never touched included. */
export function eachPageRun(core: Core, visit: (pfn: bigint, word: bigint, pages: bigint) => void): void {
  let index = 0;
  for (;;) {
    const records = core.exports.dumpPages(index);
    if (records === 0) return;
    const view = window(core);
    for (let at = 0; at < records * abi.DUMP_PAGE_SIZE; at += abi.DUMP_PAGE_SIZE) {
      const pages = view.getBigUint64(at + 16, true);
      visit(view.getBigUint64(at, true), view.getBigUint64(at + 8, true), pages);
      index += Number(pages);
    }
  }
}

/** Visits the leaves of a table in ascending order. */
export function eachLeaf(
  core: Core,
  vm: number,
  levelSize: (level: number) => bigint,
  visit: (ipa: bigint, level: number, descriptor: bigint) => void,
): void {
  let from = 0n;
  for (;;) {
    const records = core.exports.dumpLeaves(vm, from);
    if (records === 0) return;
    const view = window(core);
    for (let at = 0; at < records * abi.DUMP_LEAF_SIZE; at += abi.DUMP_LEAF_SIZE) {
      const ipa = view.getBigUint64(at, true);
      const level = view.getUint32(at + 16, true);
      visit(ipa, level, view.getBigUint64(at + 8, true));
      from = ipa + levelSize(level);
    }
  }
}

/** All table pages of a stage 2, in the core's order. */
export function listTables(core: Core, vm: number): Table[] {
  const tables: Table[] = [];
  for (;;) {
    const records = core.exports.dumpTables(vm, tables.length);
    if (records === 0) return tables;
    const view = window(core);
    for (let at = 0; at < records * abi.DUMP_TABLE_SIZE; at += abi.DUMP_TABLE_SIZE) {
      tables.push({
        ipa: view.getBigUint64(at, true),
        level: view.getUint32(at + 8, true),
        isRoot: view.getUint32(at + 12, true) !== 0,
      });
    }
  }
}

/** The page runs as objects. */
export function listPages(core: Core): PageRun[] {
  const runs: PageRun[] = [];
  eachPageRun(core, (pfn, word, pages) => runs.push({ pfn, pages, ...decodePageWord(word) }));
  return runs;
}

/** Memory of one owner; address and size in bytes. */
export interface OwnerRun {
  readonly pa: bigint;
  readonly size: bigint;
  readonly owner: Owner;
}

/** A record of an extent: this memory is mapped there, as far as the extent owns it. */
export interface MappingRecord {
  readonly extent: Owner;
  readonly slot: number;
  readonly pa: bigint;
  readonly size: bigint;
  /** VMID of the address space. */
  readonly vm: number;
  readonly ipa: bigint;
  /** As in a map call (layout: assembly/abi/gunyah.ts). */
  readonly attributes: number;
}

/** Who owns which memory, by Gunyah's ownership database. */
export function listOwners(core: Core): OwnerRun[] {
  const runs: OwnerRun[] = [];
  for (let from = 0n; ;) {
    const records = core.exports.dumpOwners(from);
    if (records === 0) return runs;
    const view = window(core);
    for (let at = 0; at < records * abi.DUMP_OWNER_SIZE; at += abi.DUMP_OWNER_SIZE) {
      const pa = view.getBigUint64(at, true);
      const size = view.getBigUint64(at + 8, true);
      runs.push({ pa, size, owner: decodeOwner(view.getBigUint64(at + 16, true)) });
      from = pa + size;
    }
  }
}

/** The records of all of Gunyah's extents. */
export function listRecords(core: Core): MappingRecord[] {
  const list: MappingRecord[] = [];
  for (;;) {
    const records = core.exports.dumpRecords(list.length);
    if (records === 0) return list;
    const view = window(core);
    for (let at = 0; at < records * abi.DUMP_RECORD_SIZE; at += abi.DUMP_RECORD_SIZE) {
      list.push({
        extent: decodeOwner(view.getBigUint64(at + 40, true)),
        slot: view.getUint32(at + 32, true),
        pa: view.getBigUint64(at, true),
        size: view.getBigUint64(at + 8, true),
        vm: view.getUint32(at + 28, true),
        ipa: view.getBigUint64(at + 16, true),
        attributes: view.getUint32(at + 24, true),
      });
    }
  }
}
