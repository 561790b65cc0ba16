// Who owns pages, by index: page classes carry the index, the map its name.

import { PARTIES } from "./page-class.js";

const OTHERS = "others";

export class Parties {
  readonly #names: string[];
  readonly #indexes = new Map<number, number>();
  readonly #nameOf: (id: number) => string;

  /** `first` have the first indexes; all others are numbered as they come. */
  constructor(first: readonly string[], nameOf: (id: number) => string) {
    this.#names = [...first];
    this.#nameOf = nameOf;
  }

  get names(): readonly string[] {
    return this.#names;
  }

  /** Index of the party with a handle or id. */
  indexOf(id: number): number {
    const known = this.#indexes.get(id);
    if (known !== undefined) return known;
    const isLast = this.#names.length >= PARTIES - 1;
    if (!isLast) this.#names.push(this.#nameOf(id));
    else this.#names[PARTIES - 1] = OTHERS;
    const index = isLast ? PARTIES - 1 : this.#names.length - 1;
    this.#indexes.set(id, index);
    return index;
  }
}
