// What a search is about: a small machine, the operations that make its first state, and those that are tried in every state.
// Packed for the core as assembly/abi/explore.ts says.

import * as abi from "../../assembly/abi/explore.js";
import {
  OPERATION_A,
  OPERATION_B,
  OPERATION_SIZE,
  OPERATION_VCPU,
  OPERATION_VM,
} from "../../assembly/abi/operations.js";
import { encodeAccess, handleOf, type MemoryAccess } from "../machine/accesses.js";
import type { MachineConfig } from "../machine/config.js";
import { encodeOperation, type Operation } from "../machine/operations.js";
import type { RuleName } from "./rules.js";
import { NO_SYMMETRY, type Symmetry } from "./symmetry.js";
import { encodeUserCall, isUserCall, type UserCall } from "./user-calls.js";

/** A page whose state counts. */
export interface DomainPage {
  readonly pfn: bigint;
  /** Slot of the VM that it is part of; left out for a page of its own. */
  readonly slot?: number;
  /** It holds the host's struct kvm. */
  readonly kvm?: boolean;
}

/** An access by the host or by a VM's vCPU 0, which runs it while it is loaded. */
export interface DomainAccess {
  readonly op: "access";
  readonly access: MemoryAccess;
}

/** Fields of the descriptor that EL2's proxy asks an SPMC for before a reclaim. */
export const FALSE_ANSWERS = {
  range_count: abi.FALSE_RANGE_COUNT,
  composite_offset: abi.FALSE_COMPOSITE_OFFSET,
  first_address: abi.FALSE_FIRST_ADDRESS,
} as const;

/** No call: what an SPMC that is not to be trusted will say wrongly when the call behind this makes EL2 ask it. */
export interface FalseAnswer {
  readonly op: "false_answer";
  readonly field: keyof typeof FALSE_ANSWERS;
  readonly value: bigint;
}

/** Whose turn a step is in a search with two CPUs. */
export interface Turn {
  readonly cpu?: 0 | 1;
  /**
   * The part of the operation: its begin, up to where it releases its locks and the other CPU comes in; what it goes on with, up
   * to another such place; its end. Left out: the whole of it.
   */
  readonly part?: "begin" | "middle" | "end";
  /** How often it releases its locks in this part; the last time at its end, where another part follows. Left out: 0. */
  readonly releases?: number;
}

/** One thing that is tried in every state; on the way to a finding, whose turn it is. */
export type Step = (Operation | DomainAccess | UserCall | FalseAnswer) & Turn;

/** A step as a text that tells it from all others. */
export function stepKey(step: Step): string {
  return JSON.stringify(step, (_, value: unknown) => (typeof value === "bigint" ? `${value}n` : value));
}

export interface Domain {
  readonly config: MachineConfig;
  readonly pages: readonly DomainPage[];
  /** Guest frames that operations name. */
  readonly gfns: readonly bigint[];
  /** Words that are in memory from the start; addresses in bytes. */
  readonly contents: readonly { readonly pa: bigint; readonly word: bigint }[];
  /** What a trace did before, refused or not. */
  readonly history?: readonly Operation[];
  /** Lead from a fresh machine, or from where the history ends, to the first state; all must succeed. */
  readonly setUp: readonly Operation[];
  /** EL2's boot is looked at: it maps a stack, and a page of its own once more, beside its linear map. Default: false. */
  readonly privateRange?: boolean;
  readonly steps: readonly Step[];
  /** Byte offset of the word of a page that tells whose contents it holds. */
  readonly tracer: number;
  /** The longest list of table pages that the host makes for a vCPU. */
  readonly longestList: number;
  /** The host ends VMs also while pages are mapped in them, and nobody has these then. Default: false. */
  readonly abandons?: boolean;
  /** What is looked after unless a search says otherwise. Default: all that costs little. */
  readonly rules?: readonly RuleName[];
}

/** Numbers that a packed state has: one for each page of its own, four for each VM slot, one for EL2. */
export function partsOf(domain: Domain): number {
  return domain.pages.filter(({ slot }) => slot === undefined).length + 4 * (domain.config.max_vms ?? 255) + 1;
}

/**
 * Writes the domain to the core's window.
 *
 * @param symmetry what is interchangeable. Default: nothing
 * @throws RangeError if it does not fit
 */
export function packDomain(domain: Domain, view: DataView, at: number, symmetry: Symmetry = NO_SYMMETRY): void {
  const { pages, gfns, steps } = domain;
  if (pages.length > abi.DOMAIN_MAX_PAGES) throw new RangeError(`${pages.length} pages are too many to search`);
  if (gfns.length > abi.DOMAIN_MAX_FRAMES) throw new RangeError(`${gfns.length} guest frames are too many to search`);
  if (steps.length > abi.DOMAIN_MAX_OPERATIONS)
    throw new RangeError(`${steps.length} operations are too many to search`);
  view.setUint32(at + abi.DOMAIN_PAGES, pages.length, true);
  view.setUint32(at + abi.DOMAIN_FRAMES, gfns.length, true);
  view.setUint32(at + abi.DOMAIN_OPERATIONS, steps.length, true);
  view.setUint32(at + abi.DOMAIN_TRACER, domain.tracer, true);
  view.setUint32(at + abi.DOMAIN_HOST_LIST, domain.longestList, true);
  view.setUint32(at + abi.DOMAIN_FLAGS, domain.abandons === true ? abi.DOMAIN_ABANDONS : 0, true);
  pages.forEach((page, index) => {
    packPage(page, groupOf(page, symmetry), view, at + abi.DOMAIN_PAGE_LIST + index * abi.DOMAIN_PAGE_SIZE);
  });
  gfns.forEach((gfn, index) => {
    view.setBigUint64(at + abi.DOMAIN_FRAME_LIST + index * 8, gfn, true);
  });
  const pageSize = 2 ** (domain.config.page_shift ?? 12);
  steps.forEach((step, index) => {
    packStep(step, pageSize, view, at + abi.DOMAIN_OPERATION_LIST + index * OPERATION_SIZE);
  });
}

/** From 1, for pages of their own and for VMs each; 0: interchangeable with nothing. */
function groupOf({ pfn, slot }: DomainPage, { pages, vms }: Symmetry): number {
  const index =
    slot === undefined ? pages.findIndex((pfns) => pfns.includes(pfn)) : vms.findIndex((slots) => slots.includes(slot));
  return index + 1;
}

function packPage({ pfn, slot, kvm = false }: DomainPage, group: number, view: DataView, at: number): void {
  view.setBigUint64(at, pfn, true);
  view.setUint32(at + abi.DOMAIN_PAGE_OWNER, slot === undefined ? 0 : slot + 1, true);
  view.setUint32(at + abi.DOMAIN_PAGE_FLAGS, (kvm ? abi.DOMAIN_KVM : 0) | (group << abi.DOMAIN_GROUP_SHIFT), true);
}

/** Writes one step as a record of 40 bytes. */
export function packStep(step: Step, pageSize: number, view: DataView, at: number): void {
  if (step.op === "false_answer") {
    view.setUint16(at, abi.EXPLORE_FALSE_ANSWER, true);
    view.setBigUint64(at + OPERATION_A, BigInt(FALSE_ANSWERS[step.field]), true);
    view.setBigUint64(at + OPERATION_B, step.value, true);
    return;
  }
  if (isUserCall(step)) {
    encodeUserCall(step, view, at);
    return;
  }
  if (step.op !== "access") {
    encodeOperation(step, view, at);
    return;
  }
  view.setUint16(at, abi.EXPLORE_ACCESS, true);
  view.setUint16(at + OPERATION_VM, handleOf(step.access.stage2), true);
  view.setUint32(at + OPERATION_VCPU, 0, true);
  encodeAccess(step.access, pageSize, view, at + OPERATION_A);
}
