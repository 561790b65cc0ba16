// The host kernel's page allocator, as far as scenarios see it: frames of memory from the bottom up, freed ones first.

import type { Frames } from "../../../consequences/host-memory.js";
import { MachineLimit } from "../../../consequences/machine-limit.js";
import type { Machine } from "../../../machine/machine.js";

export class PageAllocator implements Frames {
  readonly #machine: Machine;
  readonly #size: bigint;
  readonly #end: bigint;
  readonly #free: bigint[] = [];
  readonly #zeros: Uint8Array;
  #next: bigint;

  /** @param start @param end bytes, page aligned; the memory that is handed out */
  constructor(machine: Machine, start: bigint, end: bigint) {
    this.#machine = machine;
    this.#size = BigInt(machine.pageSize);
    this.#zeros = new Uint8Array(machine.pageSize);
    this.#next = start;
    this.#end = end;
  }

  allocate(): bigint | null {
    const freed = this.#free.pop();
    if (freed !== undefined) return freed;
    return this.#next < this.#end ? this.take(1) : null;
  }

  free(pa: bigint): void {
    this.#free.push(pa);
  }

  /**
   * Pages in one piece that the kernel keeps for itself.
   *
   * @param alignment in pages
   * @returns physical address in bytes
   * @throws MachineLimit if the machine has no memory left for them
   */
  take(pages: number, alignment = 1): bigint {
    const unit = BigInt(alignment) * this.#size;
    const start = ((this.#next + unit - 1n) / unit) * unit;
    if (start + BigInt(pages) * this.#size > this.#end) throw new MachineLimit("the modelled host is out of memory");
    this.#next = start + BigInt(pages) * this.#size;
    return start;
  }

  clear(pa: bigint): void {
    this.#machine.writePage(pa, this.#zeros);
  }

  copy(from: bigint, to: bigint): void {
    this.#machine.writePage(to, this.#machine.readPage(from));
  }
}
