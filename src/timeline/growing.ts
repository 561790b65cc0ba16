// Typed arrays that grow by doubling, and are cut to size once.

type Column = Uint8Array | Uint16Array | Uint32Array | Int32Array;

const FIRST_CAPACITY = 1024;

export class Growing<T extends Column> {
  readonly #make: (length: number) => T;
  #values: T;
  #length = 0;

  constructor(make: (length: number) => T) {
    this.#make = make;
    this.#values = make(FIRST_CAPACITY);
  }

  get length(): number {
    return this.#length;
  }

  push(value: number): void {
    if (this.#length === this.#values.length) this.#grow();
    this.#values[this.#length++] = value;
  }

  at(index: number): number {
    return this.#values[index] ?? 0;
  }

  /** The values, with memory of their own. */
  finish(): T {
    return this.#values.slice(0, this.#length) as T;
  }

  #grow(): void {
    const larger = this.#make(this.#length * 2);
    larger.set(this.#values);
    this.#values = larger;
  }
}

export const growingU8 = (): Growing<Uint8Array<ArrayBuffer>> => new Growing((length) => new Uint8Array(length));
export const growingU16 = (): Growing<Uint16Array<ArrayBuffer>> => new Growing((length) => new Uint16Array(length));
export const growingU32 = (): Growing<Uint32Array<ArrayBuffer>> => new Growing((length) => new Uint32Array(length));
export const growingI32 = (): Growing<Int32Array<ArrayBuffer>> => new Growing((length) => new Int32Array(length));
