// A stage-2 table by itself to search: the page-table library without ownership, for what no call of EL2's leads to. Pages and
// blocks at one address, mapped, mapped again with less or elsewhere, split, and unmapped with what lies behind them.

import { resolvePageTableConfig, type PageTableConfig } from "../machine/config.js";
import type { Operation } from "../machine/operations.js";
import { RULES } from "./rules.js";
import type { SystemDomain } from "./system-domain.js";

/** What is done to the address. */
export type LoneTableMoves =
  /** Two pages, and a block in their place that leads to the same. */
  | "merge"
  /** A page with all rights and with fewer. */
  | "rights"
  /** One page, and two of which it is the first. */
  | "extend"
  /** A block of 1 GiB, split into pages for which there is no room. */
  | "split"
  /** A block of 1 GiB, unmapped with the 7 GiB behind it. */
  | "far";

export interface LoneTableSizes {
  readonly moves: readonly LoneTableMoves[];
  readonly features?: NonNullable<PageTableConfig["features"]>;
}

const PAGE = 0x1000n;
const BLOCK = 0x20_0000n;
const GIB = 0x4000_0000n;
const ADDRESS = GIB;
const PHYSICAL = 2n * GIB;
const RWX = 0xfn;
const RX = 0xbn;
/** KVM_PGTABLE_WALK_IGNORE_EAGAIN: what is mapped already stays, and the walk goes on. */
const IGNORE_EAGAIN = 16;
const SPLIT_PAGES = 513;
/** The root's two, and some for the tables below. */
const POOL_PAGES = 8;

const map = (size: bigint, prot = RWX, flags = 0): Operation => ({
  ...{ op: "pt_map", addr: ADDRESS, size, phys: PHYSICAL },
  ...{ prot, mc: 1, flags },
});
const unmap = (size: bigint): Operation => ({ op: "pt_unmap", addr: ADDRESS, size });

const MOVES: Readonly<Record<LoneTableMoves, readonly Operation[]>> = {
  merge: [map(2n * PAGE), map(BLOCK), unmap(BLOCK)],
  rights: [map(PAGE), map(PAGE, RX), unmap(PAGE)],
  extend: [map(PAGE), map(2n * PAGE, RWX, IGNORE_EAGAIN), unmap(2n * PAGE)],
  split: [map(GIB), { op: "pt_split", addr: ADDRESS, size: GIB, nobjs: SPLIT_PAGES }],
  far: [map(GIB), unmap(8n * GIB)],
};

/** The table and what is tried on it. */
export function loneTableDomain({ moves, features = {} }: LoneTableSizes): SystemDomain {
  return {
    system: "page-table",
    config: resolvePageTableConfig({ pool_pages: POOL_PAGES, features }),
    bounds: `one address, ${POOL_PAGES} table pages`,
    warmUp: () => undefined,
    setUp: [],
    steps: moves.flatMap((move) => MOVES[move]).map((call) => ({ calls: [call] })),
    rules: { translation: RULES.translation, panic: RULES.panic },
    watch: () => ({
      enter: () => undefined,
      isPossible: () => true,
      settle: () => undefined,
      stepBreaks: () => null,
      // A walk that fails leaves the tables that it has made.
      mayKeep: () => true,
      stateBreaks: () => null,
    }),
  };
}
