// What the endpoints of a world know of the sends among them: which handle stands for which pages, and who was meant. In real
// systems partitions tell each other; what the managers know is asked of the machine.

import type { FfaRegion } from "../../../machine/ffa-endpoint.js";

export interface Transaction {
  readonly region: FfaRegion;
  /** Page addresses in bytes, in the order of the send. */
  readonly pages: readonly bigint[];
  /** Whether the receivers were meant to execute. */
  readonly executable: boolean;
}

/** A handle that no manager gives out (reference ffa 2.7). */
const NO_HANDLE = 0xffff_ffff_ffff_ffffn;

export class Transactions {
  #known: readonly Transaction[] = [];
  /** Endpoints to which a page was ever sent. */
  readonly #given = new Map<bigint, Set<number>>();

  /** A send that got a handle. Managers use handles again: whoever had it before cannot be named any more. */
  add(transaction: Transaction): void {
    const { region, pages } = transaction;
    this.#known = [...this.#known.filter(({ region: { handle } }) => handle !== region.handle), transaction];
    for (const page of pages) {
      const given = this.#given.get(page) ?? new Set();
      for (const { id } of region.receivers) given.add(id);
      this.#given.set(page, given);
    }
  }

  /** The latest send of a page; null if it was never sent. */
  ofPage(page: bigint): Transaction | null {
    return this.#known.findLast(({ pages }) => pages.includes(page)) ?? null;
  }

  withHandle(handle: bigint): Transaction | null {
    return this.#known.find(({ region }) => region.handle === handle) ?? null;
  }

  wasGiven(page: bigint, id: number): boolean {
    return this.#given.get(page)?.has(id) === true;
  }

  /** The sends behind pages, each with those pages of it that are named. Pages that were never sent: one of their own. */
  behind(pages: readonly bigint[], caller: number): readonly { sent: Transaction; named: readonly bigint[] }[] {
    const groups = new Map<Transaction, bigint[]>();
    const unsent: Transaction = { region: strangeRegion(NO_HANDLE, caller), pages: [], executable: false };
    for (const page of pages) {
      const sent = this.ofPage(page) ?? unsent;
      groups.set(sent, [...(groups.get(sent) ?? []), page]);
    }
    return [...groups].map(([sent, named]) => ({ sent, named }));
  }
}

/** What a caller must write who knows nothing but a handle. */
export function strangeRegion(handle: bigint, caller: number): FfaRegion {
  return { handle, verb: "share", sender: caller, tag: 0n, receivers: [{ id: caller, data: "RW" }] };
}
