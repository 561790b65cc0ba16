// A machine's whole state at several moments. Each image is a list of blocks; images share the blocks that are equal, and going
// back to one writes only those that differ from what is there.
//
// Which differ is told by hashes, but for the arrays over all of DRAM: of a machine of 64 GiB they are 192 MiB. There the core
// takes notes while effects are recorded ("cards": assembly/memory/cards.ts).

import { BLOCK_SHIFT, BLOCK_SIZE } from "../../assembly/abi/blocks.js";
import type { Machine } from "../machine/machine.js";

/** Null: all zeros. */
type Block = Uint8Array<ArrayBuffer> | null;

export interface Image {
  /** Bytes of the state. */
  readonly size: number;
  readonly blocks: readonly Block[];
  /** Two halves of each block's hash; of blocks inside the arrays over DRAM in the first image only. */
  readonly hashes: Uint32Array;
}

/** Which blocks of the arrays over DRAM may have been written since an image was taken. */
export type Written = Uint32Array;

/** Blocks that one call can hash: as many as fit the core's window. */
const HASHED = 65536;

export class Images {
  readonly #machine: Machine;
  /** Linear address of the notes. */
  readonly #cards: number;
  /** Blocks that lie in the arrays over DRAM as a whole. */
  readonly #firstDense: number;
  readonly #endDense: number;
  #bytes = 0;

  /** The notes were reserved before the machine was made. */
  constructor(machine: Machine) {
    const { exports } = machine.core;
    this.#machine = machine;
    this.#cards = exports.reserveCards() >>> 0;
    const base = exports.snapshotBase() >>> 0;
    this.#firstDense = Math.ceil(((exports.denseStart() >>> 0) - base) / BLOCK_SIZE);
    this.#endDense = Math.max(this.#firstDense, Math.floor(((exports.denseEnd() >>> 0) - base) / BLOCK_SIZE));
  }

  /** Bytes of all blocks that images were made of, shared ones once. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Takes the first image, and starts to take notes. */
  first(): Image {
    const size = this.#machine.core.exports.snapshotSize() >>> 0;
    const hashes = this.#hashes(size, true);
    const blocks = Array.from({ length: hashes.length / 2 }, (_, index) => this.#copy(index, size));
    this.#machine.core.exports.clearCards();
    return { size, blocks, hashes };
  }

  /**
   * Takes an image of the state as it is.
   *
   * @param before the image after which effects have been recorded all the time
   * @param written what `takeNotes` said
   */
  next(before: Image, written: Written): Image {
    const size = this.#machine.core.exports.snapshotSize() >>> 0;
    const hashes = this.#hashes(size, false);
    const blocks = Array.from({ length: hashes.length / 2 }, (_, index) => {
      return this.#isEqual(before, hashes, index, size) ? (before.blocks[index] ?? null) : this.#copy(index, size);
    });
    for (const index of written) blocks[index] = this.#copy(index, size);
    return { size, blocks, hashes };
  }

  /** What was written since the last call, while effects were recorded. */
  takeNotes(): Written {
    const { exports, memory } = this.#machine.core;
    const first = ((exports.snapshotBase() >>> 0) >>> BLOCK_SHIFT) + this.#firstDense;
    const cards = new Uint8Array(memory.buffer, this.#cards + first, this.#endDense - this.#firstDense);
    const written: number[] = [];
    for (let at = cards.indexOf(1); at >= 0; at = cards.indexOf(1, at + 1)) written.push(this.#firstDense + at);
    exports.clearCards();
    return Uint32Array.from(written);
  }

  /**
   * Puts the machine into the state of an image.
   *
   * @param from the image from which the machine was run on, and what may be written behind it; null: nothing is known of the
   * machine's state, and `image` is the first
   * @throws RangeError if the memory cannot be had
   */
  restore(image: Image, from: { readonly image: Image; readonly written: Written } | null): void {
    const { exports } = this.#machine.core;
    if (exports.beginPatch(image.size) === 0) throw new RangeError("the engine refuses the memory");
    const hashes = this.#hashes(image.size, from === null);
    image.blocks.forEach((block, index) => {
      const isEqual = this.#isDense(index) && from !== null ? from.image.blocks[index] === block : null;
      if (!(isEqual ?? this.#isEqual(image, hashes, index, image.size))) this.#write(index, block);
    });
    for (const index of from?.written ?? []) this.#write(index, image.blocks[index] ?? null);
    exports.finishRestore(image.size);
    if (from === null) exports.clearCards();
  }

  #isDense(index: number): boolean {
    return index >= this.#firstDense && index < this.#endDense;
  }

  /** Hashes of all blocks; zeros for those of the arrays over DRAM, unless they are wanted, too. */
  #hashes(size: number, withDense: boolean): Uint32Array {
    const hashes = new Uint32Array(2 * Math.ceil(size / BLOCK_SIZE));
    if (withDense) this.#hash(hashes, 0, hashes.length / 2, size);
    else {
      this.#hash(hashes, 0, this.#firstDense, size);
      this.#hash(hashes, this.#endDense, hashes.length / 2, size);
    }
    return hashes;
  }

  #hash(hashes: Uint32Array, first: number, end: number, size: number): void {
    const { exports, memory } = this.#machine.core;
    const base = exports.snapshotBase() >>> 0;
    for (let index = first; index < end; index += HASHED) {
      const count = Math.min(HASHED, end - index);
      exports.hashState(base + index * BLOCK_SIZE, base + Math.min((index + count) * BLOCK_SIZE, size));
      hashes.set(new Uint32Array(memory.buffer, exports.dumpWindow(), 2 * count), 2 * index);
    }
  }

  /** Whether a block is as in the image. The last block of states of different sizes is another one. */
  #isEqual({ hashes, size }: Image, others: Uint32Array, index: number, otherSize: number): boolean {
    const end = (index + 1) * BLOCK_SIZE;
    if (Math.min(end, size) !== Math.min(end, otherSize)) return false;
    return hashes[2 * index] === others[2 * index] && hashes[2 * index + 1] === others[2 * index + 1];
  }

  #copy(index: number, size: number): Block {
    const block = this.#blockAt(index, Math.min(BLOCK_SIZE, size - index * BLOCK_SIZE));
    if (isZero(block)) return null;
    this.#bytes += block.length;
    return block.slice();
  }

  #write(index: number, block: Block): void {
    if (block === null) this.#blockAt(index, BLOCK_SIZE).fill(0);
    else this.#blockAt(index, block.length).set(block);
  }

  #blockAt(index: number, size: number): Uint8Array<ArrayBuffer> {
    const { exports, memory } = this.#machine.core;
    return new Uint8Array(memory.buffer, (exports.snapshotBase() >>> 0) + index * BLOCK_SIZE, size);
  }
}

function isZero(block: Uint8Array<ArrayBuffer>): boolean {
  const words = new Uint32Array(block.buffer, block.byteOffset, block.length >> 2);
  for (let i = 0; i < words.length; i++) if (words[i] !== 0) return false;
  return true;
}
