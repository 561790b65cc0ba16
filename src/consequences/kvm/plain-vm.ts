// A VM of a plain KVM host: whose it is, and what is behind its memory slots.

import type { FilePage, HostPage } from "../host-memory.js";
import type { Process } from "../processes.js";
import type { GmemFile } from "./gmem-file.js";

/** A memory slot of one page. */
export interface PlainSlot {
  /** Its number. */
  readonly id: number;
  /** Guest physical address in bytes. */
  readonly ipa: bigint;
  /** The VMM's address in bytes, as KVM was told: of no account for a slot on a file. */
  readonly va: bigint;
  /** The VMM's page that it was made for; null: there was none. */
  readonly page: HostPage | null;
  /** The guest_memfd behind it; null: memory of the VMM. */
  readonly gmem: { readonly file: GmemFile; readonly page: FilePage } | null;
}

/** Guest addresses that no scenario uses, for slots that are moved or added. */
const SPARE_IPA = 1n << 38n;

export class PlainVm {
  /** The guest's name. */
  readonly name: string;
  readonly handle: number;
  readonly vmm: Process;
  alive = true;
  #slots: PlainSlot[] = [];
  #nextId = 0;

  constructor(name: string, handle: number, vmm: Process) {
    this.name = name;
    this.handle = handle;
    this.vmm = vmm;
  }

  get slots(): readonly PlainSlot[] {
    return this.#slots;
  }

  /** A slot number that is free. */
  nextId(): number {
    return this.#nextId++;
  }

  /** A guest address in bytes at which nothing is. */
  spareIpa(id: number, pageSize: number): bigint {
    return SPARE_IPA + BigInt(id * pageSize);
  }

  /** Adds the slot, or puts it in the place of the one with its number. */
  setSlot(slot: PlainSlot): void {
    this.removeSlot(slot);
    this.#slots.push(slot);
  }

  removeSlot({ id }: PlainSlot): void {
    this.#slots = this.#slots.filter((slot) => slot.id !== id);
  }

  /** @param ipa bytes, page aligned */
  slotAt(ipa: bigint): PlainSlot | null {
    return this.#slots.find((slot) => slot.ipa === ipa) ?? null;
  }

  /** The slots that follow the VMM's address space, on this page of it. */
  followersOf(page: HostPage): readonly PlainSlot[] {
    if (page.process !== this.vmm) return [];
    return this.#slots.filter(({ gmem, va }) => gmem === null && va === page.va);
  }
}
