// Small pKVM machines to search for what goes wrong in page tables: blocks that are made, split and made again, in the host's
// table and in a guest's. The calls are EL2's own functions, and table pages are there from the start: ways are short.

import type { MachineConfig } from "../machine/config.js";
import type { Operation } from "../machine/operations.js";
import type { Domain, Step } from "./domain.js";
import {
  configOf,
  FIRST_GFN,
  handleOf,
  hostKvm,
  makeVm,
  pagesOfVm,
  shareDescriptors,
  TABLE_PFN,
  TRACER,
  type PkvmSizes,
} from "./pkvm-domain.js";

/** What is done with the block and with a page in its middle. */
export type TableMoves =
  /** The host touches them, gives them to EL2 and gets them back. */
  | "hyp"
  /** The host shares them with a guest that is not protected, and takes them back. */
  | "share"
  /** The host changes what that guest may do with them, and flushes. */
  | "update"
  /** The host donates the page to a protected guest, which shares it. */
  | "donate"
  /** The VM ends. */
  | "end";

export interface TableSizes {
  readonly moves: readonly TableMoves[];
  /** Whether the one VM is protected. Default: false. */
  readonly isProtected?: boolean;
  /** Of the CPU; what decides how EL2 invalidates. */
  readonly features?: NonNullable<MachineConfig["features"]>;
}

const PAGE = 0x1000n;
const BLOCK_PAGES = 512n;
/** A block of DRAM that changes hands as a whole, and the page in its middle that does so alone. */
const BLOCK_PFN = 0x4_0200n;
const MIDDLE = 5n;
const VM = handleOf(0);
const RWX = 0xfn;
const RW = 0xcn;
const RX = 0xbn;
/** EL2's table pages for the vCPU: one for the guest's table, and one that must always be left. */
const TABLE_PAGES = [TABLE_PFN, TABLE_PFN + 1n] as const;

interface Extent {
  readonly pfn: bigint;
  readonly gfn: bigint;
  readonly nr: bigint;
}

const BLOCK: Extent = { pfn: BLOCK_PFN, gfn: FIRST_GFN, nr: BLOCK_PAGES };
const PAGE_IN_BLOCK: Extent = { pfn: BLOCK_PFN + MIDDLE, gfn: FIRST_GFN + MIDDLE, nr: 1n };
const EXTENTS = [BLOCK, PAGE_IN_BLOCK] as const;

/**
 * The machine and what is tried on it. All pages of the block but the one in its middle do the same all the time: the first stands
 * for them.
 */
export function tableDomain({ moves, isProtected = false, features = {} }: TableSizes): Domain {
  const sizes: PkvmSizes = { pages: 1, tablePages: TABLE_PAGES.length, vms: [isProtected], gfns: 1 };
  const config = configOf(sizes);
  return {
    config: {
      ...config,
      features,
      regions: [...config.regions, { base: BLOCK_PFN * PAGE, size: BLOCK_PAGES * PAGE }],
    },
    pages: [...[BLOCK_PFN, BLOCK_PFN + MIDDLE, ...TABLE_PAGES].map((pfn) => ({ pfn })), ...pagesOfVm(0)],
    gfns: [FIRST_GFN, FIRST_GFN + MIDDLE],
    contents: [hostKvm(0, isProtected)],
    setUp: [
      ...shareDescriptors(0),
      ...makeVm(0, isProtected),
      ...giveTablePages(),
      { op: "vcpu_load", vm: VM, vcpu: 0 },
    ],
    steps: moves.flatMap((move) => STEPS[move]),
    tracer: TRACER,
    longestList: 2,
  };
}

function giveTablePages(): Operation[] {
  return [
    ...TABLE_PAGES.map((pfn): Operation => ({ op: "host_memcache_push", vm: VM, vcpu: 0, pfn })),
    { op: "refill_memcache", vm: VM, vcpu: 0 },
  ];
}

const STEPS: Readonly<Record<TableMoves, readonly Step[]>> = {
  hyp: EXTENTS.flatMap(({ pfn, nr }): Step[] => [
    { op: "access", access: { stage2: "host", ipa: pfn * PAGE, kind: "read" } },
    { op: "host_donate_hyp", pfn, nr },
    { op: "hyp_donate_host", pfn, nr },
  ]),
  share: EXTENTS.flatMap(({ pfn, gfn, nr }): Step[] => [
    { op: "host_share_guest", vm: VM, vcpu: 0, pfn, gfn, nr, prot: RWX },
    { op: "host_share_guest", vm: VM, vcpu: 0, pfn, gfn, nr, prot: RX },
    { op: "host_unshare_guest", vm: VM, gfn, nr },
  ]),
  update: [
    ...EXTENTS.flatMap(({ gfn, nr }): Step[] => [
      { op: "host_wrprotect_guest", vm: VM, gfn, nr },
      { op: "host_test_clear_young_guest", vm: VM, gfn, nr, mkold: 1 },
      { op: "host_mkyoung_guest", vm: VM, vcpu: 0, gfn },
      { op: "host_relax_perms_guest", vm: VM, vcpu: 0, gfn, prot: RW },
      { op: "access", access: { stage2: VM, ipa: gfn * PAGE, kind: "read" } },
    ]),
    { op: "hcall_tlb_flush_vmid", vm: VM },
  ],
  donate: [
    { op: "host_donate_guest", vm: VM, vcpu: 0, pfn: PAGE_IN_BLOCK.pfn, gfn: PAGE_IN_BLOCK.gfn },
    { op: "guest_share_host", vm: VM, vcpu: 0, gfn: PAGE_IN_BLOCK.gfn },
    { op: "guest_unshare_host", vm: VM, vcpu: 0, gfn: PAGE_IN_BLOCK.gfn },
    { op: "host_force_reclaim_page_guest", phys: PAGE_IN_BLOCK.pfn * PAGE },
  ],
  end: [
    { op: "vcpu_put" },
    { op: "start_teardown_vm", vm: VM },
    ...EXTENTS.map(({ gfn }): Step => ({ op: "reclaim_dying_guest_page", vm: VM, gfn })),
    { op: "finalize_teardown_vm", vm: VM },
  ],
};
