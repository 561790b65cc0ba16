// A breadth-first search as one would write it first: every call in every state, states in a Set of strings. It takes the protocol's
// word for each call, and nothing else: enumeration, canonical forms, the visited set and the counts are its own.

import * as operation from "../../assembly/abi/operations.js";
import * as abi from "../../assembly/abi/specification.js";
import { type SearchOptions } from "../../src/explore/specification-search.js";
import {
  lifeOf,
  pageOf,
  slotOf,
  Specification,
  type Call,
  type PackedState,
  type PageState,
  type SlotState,
} from "../../src/explore/specification.js";

interface Plain {
  readonly pages: readonly PageState[];
  /** By guest, then gfn. */
  readonly slots: readonly (readonly SlotState[])[];
  readonly lives: readonly number[];
}

const PAGE_CALLS = [
  operation.HOST_SHARE_HYP,
  operation.HOST_UNSHARE_HYP,
  operation.HOST_DONATE_HYP,
  operation.HYP_DONATE_HOST,
  operation.HYP_PIN_SHARED_MEM,
  operation.HYP_UNPIN_SHARED_MEM,
  operation.HOST_FORCE_RECLAIM_PAGE_GUEST,
];
const SLOT_CALLS = [
  operation.HOST_UNSHARE_GUEST,
  operation.GUEST_SHARE_HOST,
  operation.GUEST_UNSHARE_HOST,
  operation.RECLAIM_DYING_GUEST_PAGE,
  abi.GUEST_WRITE,
];
const PAGE_SLOT_CALLS = [operation.HOST_SHARE_GUEST, operation.HOST_DONATE_GUEST];
const GUEST_CALLS = [operation.INIT_VM, operation.START_TEARDOWN_VM, operation.FINALIZE_TEARDOWN_VM];

export async function exploreNaively(
  options: SearchOptions,
): Promise<{ states: number; transitions: number; depth: number }> {
  const machine = await Specification.create(options);
  const calls = allCalls(options);
  const seen = new Set([keyOf(plain(machine.state, options), options)]);
  let transitions = 0;
  let depth = -1;
  for (let level = [machine.state]; level.length > 0; depth++) {
    const next: PackedState[] = [];
    for (const state of level) {
      for (const successor of successorsOf(machine, state, calls, options)) {
        transitions++;
        const key = keyOf(plain(successor, options), options);
        if (!seen.has(key)) next.push(successor);
        seen.add(key);
      }
    }
    level = next;
  }
  return { states: seen.size, transitions, depth };
}

function allCalls({ pages, guests, gfns }: SearchOptions): Call[] {
  const upTo = (count: number) => Array.from({ length: count }, (_, index) => index);
  const slots = upTo(guests.length * gfns);
  return [
    ...PAGE_CALLS.flatMap((code) => upTo(pages).map((a) => ({ operation: code, a, b: 0 }))),
    ...SLOT_CALLS.flatMap((code) => slots.map((a) => ({ operation: code, a, b: 0 }))),
    ...PAGE_SLOT_CALLS.flatMap((code) => upTo(pages).flatMap((a) => slots.map((b) => ({ operation: code, a, b })))),
    ...GUEST_CALLS.flatMap((code) => guests.map((_, a) => ({ operation: code, a, b: 0 }))),
  ];
}

/** What accepted calls make of a state, where they make something of it. */
function successorsOf(machine: Specification, state: PackedState, calls: readonly Call[], options: SearchOptions) {
  const successors: PackedState[] = [];
  for (const call of calls) {
    if (!options.abandons && abandonsPages(call, state, options)) continue;
    machine.state = state;
    if (machine.step(call) !== 0) continue;
    const after = machine.state;
    if (after.pages !== state.pages || after.slots !== state.slots) successors.push(after);
  }
  return successors;
}

function abandonsPages({ operation: code, a }: Call, state: PackedState, options: SearchOptions): boolean {
  if (code !== operation.FINALIZE_TEARDOWN_VM) return false;
  return plain(state, options).slots[a]!.some((slot) => isMapped(slot));
}

/** OWNED, SHARED_OWNED, SHARED_BORROWED: neither NOPAGE nor POISON. */
function isMapped({ state }: SlotState): boolean {
  return state < 3;
}

function plain(state: PackedState, { pages, guests, gfns }: SearchOptions): Plain {
  return {
    pages: Array.from({ length: pages }, (_, page) => pageOf(state, page)),
    slots: guests.map((_, guest) => Array.from({ length: gfns }, (_, gfn) => slotOf(state, guest * gfns + gfn))),
    lives: guests.map((_, guest) => lifeOf(state, guest)),
  };
}

/** The least of the texts that a state can be written as when names do not matter. */
function keyOf(state: Plain, { pages, guests, gfns, symmetry }: SearchOptions): string {
  const pageNames = symmetry === undefined ? [identity(pages)] : permutations(pages);
  const guestNames = permutations(guests.length).filter((names) =>
    symmetry === "guests"
      ? names.every((to, from) => guests[to] === guests[from])
      : names.every((to, from) => to === from),
  );
  const texts = guestNames.flatMap((guest) =>
    pageNames.map((page) => JSON.stringify(renamed(state, page, guest, gfns))),
  );
  return texts.sort()[0]!;
}

/** `page[i]` and `guest[i]` are the new names of page and guest i. */
function renamed(state: Plain, page: readonly number[], guest: readonly number[], gfns: number): Plain {
  const pages: PageState[] = [];
  const slots: SlotState[][] = [];
  const lives: number[] = [];
  state.pages.forEach(({ row, argument, secret }, index) => {
    const namesSlot = row === abi.GUEST_PRIVATE || row === abi.GUEST_SHARED || row === abi.LEFT_BEHIND;
    const newSlot = guest[Math.floor(argument / gfns)]! * gfns + (argument % gfns);
    const newSecret = secret === 0 ? 0 : guest[secret - 1]! + 1;
    pages[page[index]!] = { row, argument: namesSlot ? newSlot : argument, secret: newSecret };
  });
  state.slots.forEach((own, index) => {
    slots[guest[index]!] = own.map((slot) => (isMapped(slot) ? { ...slot, page: page[slot.page]! } : slot));
  });
  state.lives.forEach((life, index) => (lives[guest[index]!] = life));
  return { pages, slots, lives };
}

function identity(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

function permutations(count: number): number[][] {
  if (count === 0) return [[]];
  return permutations(count - 1).flatMap((shorter) =>
    Array.from({ length: count }, (_, at) => [...shorter.slice(0, at), count - 1, ...shorter.slice(at)]),
  );
}
