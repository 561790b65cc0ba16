// The page-table library of a partition manager to search: a block and pages in it that are mapped, mapped again, unmapped, merged
// and asked for (assembly/systems/ffa/mm-*.ts; reference ffa section 3, bugs section 7). Output addresses differ from input
// addresses, and what an operation did is compared with what it was told to do page by page.

import { MODE_ABSENT, MODE_INVALID, MODE_R, MODE_W, MODE_X } from "../../assembly/abi/ffa.js";
import * as mm from "../../assembly/abi/ffa-mm.js";
import { resolvePageTableConfig } from "../machine/config.js";
import type { Machine } from "../machine/machine.js";
import type { Operation } from "../machine/operations.js";
import { RULES } from "./rules.js";
import {
  watched,
  type Asked,
  type Broken,
  type StepAnswer,
  type SystemDomain,
  type SystemStep,
  type Watch,
} from "./system-domain.js";
import type { ExploreCore } from "./variant.js";

/** What the table is for. */
export type MmPurpose = "vm" | "secure" | "non-secure" | "own";

/** What is done. */
export type MmMoves =
  /** A block of 2 MiB is mapped and unmapped; a page in it gets fewer rights, is unmapped, leads elsewhere, comes back. */
  | "map"
  /** The same with one of 1 GiB, which is a leaf of the root. */
  | "root"
  /** A second block behind it, and two pages of which each block has one. */
  | "second"
  /** The page is lent away and comes back. */
  | "lend"
  /** Tables are merged. */
  | "defrag"
  /** The modes of single pages and of ranges are asked for. */
  | "mode"
  /** The last page of a block is mapped and unmapped; the others are there from the start. */
  | "last";

export interface MmSizes {
  readonly table: MmPurpose;
  readonly moves: readonly MmMoves[];
  /** Pages for tables below the root. Default: 4, which is enough for all that is tried. */
  readonly tablePages?: number;
}

/** The sizes by name. */
export const MM_PRESETS = {
  tables: { table: "vm", moves: ["map", "second", "lend", "defrag", "mode"] },
  "tables-few": { table: "vm", moves: ["map", "second", "defrag"], tablePages: 2 },
  "tables-root": { table: "vm", moves: ["root", "defrag", "mode"] },
  "tables-own": { table: "own", moves: ["last", "defrag"] },
} as const satisfies Readonly<Record<string, MmSizes>>;

type MmCall = Extract<Operation, { readonly op: `ffa_mm_${string}` }>;
interface MmStep extends SystemStep {
  readonly calls: readonly [MmCall];
}

const PURPOSES: Readonly<Record<MmPurpose, number>> = {
  vm: mm.FFA_MM_VM,
  secure: mm.FFA_MM_SECURE,
  "non-secure": mm.FFA_MM_NON_SECURE,
  own: mm.FFA_MM_OWN,
};

const PAGE = 0x1000n;
const BLOCK = 0x20_0000n;
const GIB = 0x4000_0000n;
/** Where all of it leads to, and where the page is led to instead. */
const PHYSICAL = 2n * GIB;
const ELSEWHERE = 5n * GIB;
const MIDDLE = 0x8_0000n;
const LAST = BLOCK - PAGE;
/** Where the manager's stack lies in its own table. */
const STACK = 7n * PAGE;
/** The VM that called has VMID 1: the table is another's. */
const VMID = 2;
const TABLE = 1;
const RWX = MODE_R | MODE_W | MODE_X;
const RW = MODE_R | MODE_W;
const LENT = RWX | MODE_INVALID;
/** Its two pages, and the lone table's beside which the library's are made. */
const ROOT_PAGES = 4;

const map = (addr: bigint, size: bigint, phys = PHYSICAL + addr, mode = RWX): MmCall => ({
  ...{ op: "ffa_mm_map", vm: TABLE, addr, size, phys },
  mode: BigInt(mode),
});
const unmap = (addr: bigint, size: bigint): MmCall => ({ op: "ffa_mm_unmap", vm: TABLE, addr, size });
const modeOf = (addr: bigint, size: bigint): MmCall => ({ op: "ffa_mm_get_mode", vm: TABLE, addr, size });

const MOVES: Readonly<Record<MmMoves, readonly MmCall[]>> = {
  map: [
    ...[map(0n, BLOCK), unmap(0n, BLOCK), map(MIDDLE, PAGE), map(MIDDLE, PAGE, PHYSICAL + MIDDLE, MODE_R)],
    ...[map(MIDDLE, PAGE, ELSEWHERE), unmap(MIDDLE, PAGE)],
  ],
  root: [map(0n, GIB), unmap(0n, GIB), map(0n, PAGE), map(MIDDLE, PAGE, PHYSICAL + MIDDLE, MODE_R)],
  second: [map(BLOCK, BLOCK), unmap(BLOCK, BLOCK), map(LAST, 2n * PAGE), unmap(LAST, 2n * PAGE)],
  lend: [map(MIDDLE, PAGE, PHYSICAL + MIDDLE, LENT)],
  defrag: [{ op: "ffa_mm_defrag", vm: TABLE }],
  mode: [
    ...[modeOf(0n, PAGE), modeOf(MIDDLE, PAGE), modeOf(MIDDLE - PAGE, 2n * PAGE), modeOf(MIDDLE, 2n * PAGE)],
    ...[modeOf(0n, BLOCK), modeOf(0n, 2n * BLOCK)],
  ],
  last: [map(LAST, PAGE, PHYSICAL + LAST, RW), unmap(LAST, PAGE)],
};

/** Rules beside `translation` and `panic`. */
export const MM_RULES: Readonly<Record<string, string>> = {
  translation: RULES.translation,
  panic: RULES.panic,
  address: "what is mapped leads to the same page until it is unmapped",
  told: "a range that is mapped leads where it was told to with its mode, one that is unmapped nowhere, and all else stays",
  merged: "a block is one entry after tables were merged, if one entry can say what all of its pages do",
  one_block: "a range has a mode where all of it is one block of memory of this mode, and only there",
};

/** The table and what is tried on it. */
export function mmDomain({ table, moves, tablePages = 4 }: MmSizes): SystemDomain<MmStep> {
  const isOwn = table === "own";
  return {
    system: "ffa",
    config: resolvePageTableConfig({ pool_pages: ROOT_PAGES + tablePages }),
    bounds: `one table of a manager's, ${tablePages} pages for tables below its root`,
    warmUp: (machine) => {
      warmUp(machine, ROOT_PAGES + tablePages);
    },
    setUp: [
      { op: "ffa_mm_table", vm: TABLE, purpose: PURPOSES[table], vmid: isOwn ? 0 : VMID, in_use: STACK },
      ...(isOwn ? [map(0n, LAST, PHYSICAL, RW)] : []),
    ],
    steps: moves.flatMap((move) => MOVES[move]).map((call) => ({ calls: [call] })),
    rules: MM_RULES,
    watch: (machine, _marks, asked) => new MmWatch(machine, asked, !isOwn),
  };
}

// Every table page has a frame, wherever it is used first: the lone table takes them all, and gives them back.
function warmUp(machine: Machine, pages: number): void {
  for (let block = 0n; block < pages; block++) {
    machine.apply({ op: "pt_map", addr: block * BLOCK, size: PAGE, phys: PHYSICAL, prot: 0xcn, mc: 1, flags: 0 });
  }
  machine.apply({ op: "pt_unmap", addr: 0n, size: BigInt(pages) * BLOCK });
}

/** Where a page leads, and its mode. */
interface Translation {
  readonly output: bigint;
  readonly mode: number;
}

/** Those of both ends, of the page in the middle and its neighbours; and beyond the block. */
const PAGES = [
  ...[0n, PAGE, STACK, MIDDLE - PAGE, MIDDLE, MIDDLE + PAGE, LAST - PAGE, LAST],
  ...[BLOCK, 2n * BLOCK - PAGE, 2n * BLOCK, GIB - PAGE, GIB],
];
const NOWHERE = (1n << 64n) - 1n;
const ABSENT: Translation = { output: NOWHERE, mode: MODE_ABSENT };

class MmWatch implements Watch<MmStep> {
  readonly #core: ExploreCore;
  readonly #asked: Asked;
  readonly #merges: boolean;
  #before: readonly Translation[] = [];

  /** `merges`: the manager merges these tables, which are not its own. */
  constructor(machine: Machine, asked: Asked, merges: boolean) {
    this.#core = machine.core as ExploreCore;
    this.#asked = asked;
    this.#merges = merges;
  }

  enter(): void {
    this.#before = PAGES.map((ipa) => this.#translation(ipa));
  }

  isPossible(): boolean {
    return true;
  }

  settle(): void {
    // Nothing follows from a call but what it does to the table.
  }

  mayKeep(): boolean {
    return false;
  }

  stateBreaks(): null {
    return null;
  }

  stepBreaks({ calls: [call] }: MmStep, { ret }: StepAnswer): Broken | null {
    if (call.op === "ffa_mm_get_mode") return this.#modeBreaks(call.addr, call.size, ret);
    for (const [index, ipa] of PAGES.entries()) {
      const before = this.#before[index] ?? ABSENT;
      const after = this.#translation(ipa);
      const isMoved = before.output !== NOWHERE && after.output !== NOWHERE && before.output !== after.output;
      if (isMoved && this.#asked("address")) return watched("address", ipa);
      const isTold = isSame(after, ret < 0 ? before : told(call, ipa, before));
      if (!isTold && this.#asked("told")) return watched("told", ipa);
    }
    return call.op === "ffa_mm_defrag" && ret === 0 ? this.#mergeBreaks() : null;
  }

  #mergeBreaks(): Broken | null {
    if (!this.#merges || !this.#asked("merged")) return null;
    const isSplit = (block: bigint) => this.#core.exports.mmLevel(TABLE, block) === PAGE_LEVEL;
    const { exports } = this.#core;
    const couldBeOne = (block: bigint) =>
      isBlock(BigInt.asUintN(64, exports.mmOutput(TABLE, block))) && this.#isOne(block, BLOCK);
    const block = [0n, BLOCK].find((each) => isSplit(each) && couldBeOne(each));
    return block === undefined ? null : watched("merged", block);
  }

  #translation(ipa: bigint): Translation {
    const { exports } = this.#core;
    return { output: BigInt.asUintN(64, exports.mmOutput(TABLE, ipa)), mode: exports.mmMode(TABLE, ipa) };
  }

  #modeBreaks(addr: bigint, size: bigint, ret: number): Broken | null {
    if (!this.#asked("one_block")) return null;
    const isRight = this.#isOne(addr, size) ? ret === this.#translation(addr).mode : ret < 0;
    return isRight ? null : watched("one_block", addr);
  }

  /** Whether all pages have one mode, and lead to pages that follow one another. */
  #isOne(addr: bigint, size: bigint): boolean {
    const first = this.#translation(addr);
    return pagesOf(addr, size).every((ipa) => {
      const { output, mode } = this.#translation(ipa);
      return mode === first.mode && (mode === MODE_ABSENT || output === first.output + (ipa - addr));
    });
  }
}

const PAGE_LEVEL = 3;
/** Nothing at all is one entry as well: an absent one. */
const isBlock = (output: bigint): boolean => output === NOWHERE || output % BLOCK === 0n;

const pagesOf = (addr: bigint, size: bigint): bigint[] =>
  Array.from({ length: Number(size / PAGE) }, (_, page) => addr + BigInt(page) * PAGE);

/** What a page should be after a call that went through. */
function told(call: MmCall, ipa: bigint, before: Translation): Translation {
  if (!("addr" in call) || ipa < call.addr || ipa >= call.addr + call.size) return before;
  if (call.op === "ffa_mm_unmap") return ABSENT;
  if (call.op !== "ffa_mm_map") return before;
  return { output: call.phys + (ipa - call.addr), mode: Number(call.mode) };
}

const isSame = (one: Translation, other: Translation): boolean =>
  one.output === other.output && one.mode === other.mode;
