// Declared pages as a world with a Linux host has them: where the host's kernel keeps them, where a guest finds them.

import type { HostPage } from "../../../consequences/host-memory.js";
import type { PageDeclaration } from "../../scenario.js";

export interface PlacedPage {
  /** `ram[4]`. */
  readonly name: string;
  readonly declaration: PageDeclaration;
  /** Null: no host memory is behind it. */
  readonly host: HostPage | null;
  /** The guest it was declared for and its address there in bytes; null for pages of others. */
  readonly guest: { readonly name: string; readonly ipa: bigint } | null;
}

/** RAM of guests that says nothing of its address; device space below it, where nothing is. */
const RAM = 0x8000_0000n;
const HOLES = 0x0900_0000n;

/** Gives out guest addresses: per guest from one place up, around what scenarios fixed. */
export class GuestAddresses {
  readonly #pageSize: bigint;
  readonly #taken = new Map<string, Set<bigint>>();
  /** By guest and first address: below, nothing is free. */
  readonly #full = new Map<string, bigint>();

  constructor(pageSize: number, declarations: readonly PageDeclaration[]) {
    this.#pageSize = BigInt(pageSize);
    for (const { of, ipa, count } of declarations) {
      if (ipa === null) continue;
      for (let page = 0n; page < BigInt(count); page++) this.#addressesOf(of).add(ipa + page * this.#pageSize);
    }
  }

  /** The address of page `index` of a declaration. */
  place({ of, ipa, slot }: PageDeclaration, index: number): bigint {
    if (ipa !== null) return ipa + BigInt(index) * this.#pageSize;
    return this.next(of, slot ? RAM : HOLES);
  }

  /** An address at which the guest has nothing yet. */
  next(guest: string, from = RAM): bigint {
    const taken = this.#addressesOf(guest);
    const area = `${guest} ${from}`;
    let ipa = this.#full.get(area) ?? from;
    while (taken.has(ipa)) ipa += this.#pageSize;
    taken.add(ipa);
    this.#full.set(area, ipa);
    return ipa;
  }

  #addressesOf(guest: string): Set<bigint> {
    const known = this.#taken.get(guest) ?? new Set<bigint>();
    this.#taken.set(guest, known);
    return known;
  }
}
