// A guest_memfd of a plain KVM host: the machine below has the file, its pages and what it answers; here is what the host
// kernel's memory management knows of it (virt/kvm/guest_memfd.c; reference host-and-vmm 4).

import {
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  GUEST_MEMFD_FLAG_INIT_SHARED,
  GUEST_MEMFD_FLAG_MMAP,
} from "../../../assembly/abi/kvm.js";
import type { Outcome } from "../../machine/machine.js";
import type { Operation } from "../../machine/operations.js";
import { guestMemfd } from "../guest-memfd.js";
import { FilePage } from "../host-memory.js";
import type { Process } from "../processes.js";
import type { FileAnswer, GuestMemoryFile } from "../vm-driver.js";
import type { El2 } from "./el2.js";

const HOLE = BigInt(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE);

export interface GmemRequest {
  /** Handle of the VM that the file is made for. */
  readonly vm: number;
  /** Who holds the descriptor. */
  readonly owner: Process;
  /** How many pages it has. */
  readonly pages: number;
  readonly initShared: boolean;
}

export class GmemFile implements GuestMemoryFile {
  readonly name: string;
  /** The machine's descriptor. */
  readonly fd: number;
  readonly owner: Process;
  readonly initShared: boolean;
  /** In the order of the file. */
  readonly pages: readonly FilePage[];
  isOpen = true;
  readonly #kvm: El2;
  /** The rules of what it answers; the answers are the machine's. */
  readonly #rules: GuestMemoryFile;
  /** Physical addresses of its folios, by offset; both in bytes. */
  readonly #folios = new Map<bigint, bigint>();

  constructor(kvm: El2, { vm, owner, pages, initShared }: GmemRequest) {
    const flags = BigInt(GUEST_MEMFD_FLAG_MMAP | (initShared ? GUEST_MEMFD_FLAG_INIT_SHARED : 0));
    const size = BigInt(pages * kvm.machine.pageSize);
    this.#kvm = kvm;
    this.#rules = guestMemfd(initShared);
    this.name = this.#rules.name;
    this.owner = owner;
    this.initShared = initShared;
    this.fd = kvm.apply({ op: "kvm_create_guest_memfd", vm, size, flags }).ret;
    this.pages = Array.from({ length: pages }, () => new FilePage(this));
  }

  /** Where a page of it begins, in bytes. */
  offsetOf(page: FilePage): bigint {
    return BigInt(this.pages.indexOf(page) * this.#kvm.machine.pageSize);
  }

  mayMapToUser(page: FilePage): FileAnswer {
    const { errno } = this.#apply({ op: "gmem_host_fault", fd: this.fd, offset: this.offsetOf(page) });
    return { ...this.#rules.mayMapToUser(page), errno };
  }

  punchHole(page: FilePage): FileAnswer {
    const { errno } = this.#fallocate(page, HOLE);
    return { ...this.#rules.punchHole(page), errno };
  }

  refuses(request: Parameters<GuestMemoryFile["refuses"]>[0]): FileAnswer {
    return { ...this.#rules.refuses(request), errno: this.#apply(this.#request(request)).errno };
  }

  #request(request: Parameters<GuestMemoryFile["refuses"]>[0]): Operation {
    const { fd } = this;
    const size = BigInt(this.#kvm.machine.pageSize);
    switch (request) {
      case "allocate":
        return { op: "gmem_fallocate", fd, mode: 0n, offset: 0n, size };
      case "truncate":
        return { op: "gmem_ftruncate", fd, size: BigInt(this.pages.length) * size };
      case "read":
        return { op: "gmem_read", fd, offset: 0n, size };
      case "write":
        return { op: "gmem_write", fd, offset: 0n, size };
      case "map-private":
        return { op: "gmem_mmap", fd, offset: 0n, size, shared: false };
    }
  }

  takeFrame(page: FilePage): bigint | null {
    const offset = this.offsetOf(page);
    if (!this.#folios.has(offset)) this.#fallocate(page, BigInt(FALLOC_FL_KEEP_SIZE));
    return this.#folios.get(offset) ?? null;
  }

  memoryFailure(page: FilePage): void {
    this.#apply({ op: "gmem_memory_failure", fd: this.fd, offset: this.offsetOf(page) });
  }

  /** The last descriptor goes, and with it the folios, as they are. */
  close(): void {
    this.isOpen = false;
    this.#apply({ op: "gmem_close", fd: this.fd });
    this.#folios.clear();
  }

  /** Takes note of folios that an operation gave to the file or took from it. */
  note({ effects }: Outcome): void {
    for (const effect of effects) {
      if (effect.kind !== "folio" || effect.fd !== this.fd) continue;
      if (effect.after === null) this.#folios.delete(effect.offset);
      else this.#folios.set(effect.offset, effect.after);
    }
  }

  #fallocate(page: FilePage, mode: bigint): Outcome {
    const size = BigInt(this.#kvm.machine.pageSize);
    return this.#apply({ op: "gmem_fallocate", fd: this.fd, mode, offset: this.offsetOf(page), size });
  }

  #apply(operation: Operation): Outcome {
    const outcome = this.#kvm.apply(operation);
    this.note(outcome);
    return outcome;
  }
}
