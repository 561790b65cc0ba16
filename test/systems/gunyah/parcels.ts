// A Gunyah machine in the hands of a test that speaks to the resource manager: HLOS, two VMs, and what can be seen of memory.

import * as abi from "../../../assembly/abi/gunyah-rm.js";
import * as hyp from "../../../assembly/abi/gunyah.js";
import { messageOperations } from "../../../src/machine/gunyah-messages.js";
import { ownerName } from "../../../src/machine/gunyah-names.js";
import { ownerOf, parcel, parcels, type Parcel } from "../../../src/machine/gunyah-parcels.js";
import { rightsName, rmErrorName } from "../../../src/machine/gunyah-rm-reasons.js";
import { GunyahVm, type RmAnswer } from "../../../src/machine/gunyah-vm.js";
import { Machine, type Outcome, type Snapshot } from "../../../src/machine/machine.js";
import type { Operation } from "../../../src/machine/operations.js";

export const HLOS = hyp.VMID_HLOS;
export const RM = hyp.VMID_RM;
/** Two dynamic VMs, and one that nobody has allocated. */
export const A = 0x80;
export const B = 0x81;
export const NO_VM = 0x90;

export const PAGE = 0x1000n;
export const RAM = 0x8000_0000n;
export const RAM_SIZE = 0x400_0000n;
/** What the resource manager chooses first for a VM's memory. */
export const FIRST_IPA = 0x4000_0000n;
/** Device space that the board may give to HLOS. */
export const DEVICE = 0x1000_0000n;

/** Page number `index` of RAM. */
export function page(index: number): bigint {
  return RAM + BigInt(index) * PAGE;
}

/** One region of `pages` pages from page `first` on. */
export function region(first: number, pages = 1): { ipa: bigint; size: bigint } {
  return { ipa: page(first), size: BigInt(pages) * PAGE };
}

/** What the resource manager answers, in words: `OK`, or the error and the check. */
export function told(outcome: Outcome): string {
  const name = rmErrorName(outcome.ret) ?? `error ${outcome.ret}`;
  return outcome.status === "ok" ? (outcome.ret === 0 ? "OK" : `${name} ${outcome.reason}`) : outcome.status;
}

/** What a VM's stage 2 says of an address: where it leads and what is allowed. */
export interface Leaf {
  readonly pa: bigint;
  readonly rights: string;
  readonly memattr: number;
}

/** A leaf with the addresses that it maps. */
export interface Mapping extends Leaf {
  readonly ipa: bigint;
  readonly size: bigint;
}

export class Board {
  readonly machine: Machine;
  readonly hlos: GunyahVm;
  readonly a: GunyahVm;
  readonly b: GunyahVm;
  #initial: Snapshot;

  private constructor(machine: Machine) {
    this.machine = machine;
    this.hlos = this.vm(HLOS);
    this.a = this.vm(A);
    this.b = this.vm(B);
    this.#initial = machine.snapshot();
  }

  /** HLOS with all memory; A and B are allocated and have none. */
  static async create(): Promise<Board> {
    const board = new Board(await Machine.createGunyah({ regions: [{ base: RAM, size: RAM_SIZE }] }));
    board.must(board.hlos.allocVm(A));
    board.must(board.hlos.allocVm(B));
    // Their buffers are there: what a test takes away later is not missed by a message.
    for (const vmid of [HLOS, A, B, NO_VM]) board.vm(vmid).release(0);
    board.#initial = board.machine.snapshot();
    return board;
  }

  /** Back to how `create` left it. */
  reset(): void {
    this.machine.restore(this.#initial);
  }

  vm(vmid: number): GunyahVm {
    return new GunyahVm(this.machine, vmid);
  }

  /** Sends a message byte by byte as given. */
  send(vmid: number, message: number, bytes: Uint8Array): string {
    const outcomes = this.machine.applyBatch(messageOperations(vmid, message, bytes));
    return told(outcomes.at(-1) as Outcome);
  }

  apply(operation: Operation): Outcome {
    return this.machine.apply(operation);
  }

  must(answer: RmAnswer): bigint {
    if (answer.error !== 0) throw new Error(`${answer.name}: ${answer.outcome.reason}`);
    return answer.value ?? 0n;
  }

  /** The handle or address of a call that must succeed, as number. */
  handle(answer: RmAnswer): number {
    return Number(this.must(answer));
  }

  /** Lets so many more allocations succeed: 0 partition, 1 hypervisor, 2 tables, 3 resource manager. */
  limitHeap(heap: number, allocations: number): void {
    this.apply({ op: "heap_limit", heap: BigInt(heap), allocations: BigInt(allocations) });
  }

  freeHeap(heap: number): void {
    this.apply({ op: "heap_limit", heap: BigInt(heap), allocations: (1n << 64n) - 1n });
  }

  lock(handle: number, locked = true): void {
    this.apply({ op: "rm_parcel_lock", handle: BigInt(handle), locked });
  }

  /** Gives two pages of device space to HLOS. */
  addDevice(): void {
    this.apply({ op: "rm_add_device", base: DEVICE, size: 2n * PAGE });
  }

  parcel(handle: number): Parcel | null {
    return parcel(this.machine, handle);
  }

  parcels(): Parcel[] {
    return parcels(this.machine);
  }

  /** `HLOS`, `VM 0x80`, `parcel 0x0`, `parent_ddr`. */
  owner(pa: bigint): string {
    return ownerName(ownerOf(this.machine, pa));
  }

  leaf(vmid: number, ipa: bigint): Leaf | null {
    const found = this.machine.leaf(vmid === HLOS ? "host" : vmid, ipa);
    if (found === null || (found.descriptor & 1n) === 0n) return null;
    const leaf = decodeLeaf(found.descriptor);
    return { ...leaf, pa: leaf.pa + (ipa - found.ipa) };
  }

  /** What a VM's stage 2 maps: from where, how much, to what. */
  mappings(vmid: number): Mapping[] {
    return this.machine.leaves(vmid === HLOS ? "host" : vmid).map(({ ipa, level, descriptor }) => {
      return { ipa, size: BLOCK_SIZES[level] as bigint, ...decodeLeaf(descriptor) };
    });
  }

  /** `-`, or the rights with which a VM reaches the page it should: `RWX`. */
  reach(vmid: number, ipa: bigint, pa: bigint): string {
    const leaf = this.leaf(vmid, ipa);
    if (leaf === null) return "-";
    return leaf.pa === pa ? leaf.rights : `${leaf.rights} of 0x${leaf.pa.toString(16)}`;
  }

  write(pa: bigint, value: bigint): void {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, value, true);
    this.machine.writePage(pa, bytes);
  }

  read(pa: bigint): bigint {
    return new DataView(this.machine.readPage(pa).buffer).getBigUint64(0, true);
  }

  /** What a VM's stage 2 maps, in the longest runs: whether by blocks or by pages is not seen. */
  #runs(vmid: number): string[] {
    const runs: { ipa: bigint; end: bigint; pa: bigint; how: string }[] = [];
    for (const { ipa, size, pa, rights, memattr } of this.mappings(vmid)) {
      const how = `${rights} ${memattr}`;
      const last = runs.at(-1);
      if (last?.end === ipa && last.pa + (ipa - last.ipa) === pa && last.how === how) last.end += size;
      else runs.push({ ipa, end: ipa + size, pa, how });
    }
    const hex = (value: bigint) => value.toString(16);
    return runs.map(({ ipa, end, pa, how }) => `${vmid} ${hex(ipa)}-${hex(end)} ${hex(pa)} ${how}`);
  }

  /** Everything that a verb which fails must leave alone: owners, leaves and tables, books, contents of the first pages. */
  state(): string {
    const lines: string[] = [];
    for (const vmid of [HLOS, A, B]) {
      lines.push(...this.#runs(vmid));
    }
    for (let index = 0; index < 64; index++) lines.push(`${this.owner(page(index))} ${this.read(page(index))}`);
    lines.push(`${this.owner(DEVICE)} ${this.owner(DEVICE + PAGE)}`);
    for (const parcel of this.parcels())
      lines.push(JSON.stringify(parcel, (_, value: unknown) => (typeof value === "bigint" ? value.toString() : value)));
    return lines.join("\n");
  }
}

function decodeLeaf(descriptor: bigint): Leaf {
  const bit = (at: bigint) => Number((descriptor >> at) & 1n);
  const isExecutable = ((descriptor >> 53n) & 3n) === 0n;
  const rights = (bit(6n) * abi.RIGHT_R) | (bit(7n) * abi.RIGHT_W) | (isExecutable ? abi.RIGHT_X : 0);
  return { pa: descriptor & 0xffff_ffff_f000n, rights: rightsName(rights), memattr: Number((descriptor >> 2n) & 15n) };
}

const BLOCK_SIZES = [0n, 1n << 30n, 1n << 21n, 1n << 12n];

/** The flags of an accept, by name. */
export const ACCEPT = {
  VALIDATE_SANITIZED: abi.ACCEPT_VALIDATE_SANITIZED,
  VALIDATE_ACL_ATTR: abi.ACCEPT_VALIDATE_ACL_ATTR,
  VALIDATE_LABEL: abi.ACCEPT_VALIDATE_LABEL,
  MAP_OTHER: abi.ACCEPT_MAP_OTHER,
  MAP_CONTIGUOUS: abi.ACCEPT_MAP_CONTIGUOUS,
  SANITIZE: abi.ACCEPT_SANITIZE,
  DONE: abi.ACCEPT_DONE,
} as const;
