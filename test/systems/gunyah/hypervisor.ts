// A Gunyah machine in the hands of a test: the resource manager's hypercalls by name, with the arguments that a test does not
// care about filled in.

import * as abi from "../../../assembly/abi/gunyah.js";
import { Machine, type Outcome } from "../../../src/machine/machine.js";
import type { Operation } from "../../../src/machine/operations.js";

export const PAGE = 0x1000n;
export const BLOCK = 0x20_0000n;
/** RAM of the machines here: 64 MiB, the hypervisor's own memory at its top. */
export const RAM = 0x8000_0000n;
export const RAM_SIZE = 0x400_0000n;

export const R = abi.ACCESS_R;
export const RW = abi.ACCESS_RW;
export const RX = abi.ACCESS_RX;
export const RWX = abi.ACCESS_RWX;
export const WB = abi.MAP_NORMAL_WB;

/** Attributes of a map call; one access for user and kernel. */
export function attributes(access: number, memtype: number = WB, kernel: number = access): number {
  return access | (kernel << abi.MAP_KERNEL_SHIFT) | (memtype << abi.MAP_MEMTYPE_SHIFT);
}

/** Attributes of an extent. */
export function extentAttributes(access: number, kind: "basic" | "sparse", memtype: number = abi.MEMTYPE_ANY): bigint {
  const type = kind === "sparse" ? abi.EXTENT_SPARSE : abi.EXTENT_BASIC;
  return BigInt(access | (memtype << abi.EXTENT_MEMTYPE_SHIFT) | (type << abi.EXTENT_TYPE_SHIFT));
}

/** An extent or address space by its capability, and what was made of it. */
export type Cap = number;

type Without<O, K extends string> = O extends unknown ? Omit<O, K> : never;
type Call = Without<Operation, "vm"> & { readonly vm?: number };

const PARTIAL = abi.MAP_PARTIAL;

interface MapOptions {
  readonly access?: number;
  readonly kernel?: number;
  readonly memtype?: number;
  /** Part of the extent; all of it without. */
  readonly part?: { readonly offset: bigint; readonly size: bigint };
}

export class Hypervisor {
  readonly machine: Machine;

  private constructor(machine: Machine) {
    this.machine = machine;
  }

  static async boot(
    config: { table_pages?: number; heap_bytes?: number; memdb_bytes?: number } = {},
  ): Promise<Hypervisor> {
    const regions = [{ base: RAM, size: RAM_SIZE }];
    return new Hypervisor(await Machine.createGunyah({ regions, ...config }));
  }

  /** A call by the resource manager, unless it names another caller. */
  call(call: Call): Outcome {
    return this.machine.apply({ vm: abi.VMID_RM, ...call });
  }

  /** The name of the error, or OK. */
  result(call: Call): string {
    return resultOf(this.call(call));
  }

  /** What a call answers; the call must succeed. */
  answer(call: Call): bigint {
    const outcome = this.must(call);
    if (outcome.details.answer === undefined) throw new Error(`${call.op} answers nothing`);
    return outcome.details.answer;
  }

  must(call: Call): Outcome {
    const outcome = this.call(call);
    if (resultOf(outcome) !== "OK") throw new Error(`${call.op}: ${resultOf(outcome)} (${outcome.reason})`);
    return outcome;
  }

  // Objects.

  create(what: "memextent" | "addrspace" | "cspace" | "thread" | "partition"): Cap {
    const op = `partition_create_${what}` as const;
    return Number(this.answer({ op, partition: abi.CAP_ROOT_PARTITION, cspace: abi.CAP_RM_CSPACE }));
  }

  /** A root extent. */
  extent(base: bigint, size: bigint, attrs: bigint = extentAttributes(RWX, "sparse")): Cap {
    const me = this.create("memextent");
    this.must({ op: "memextent_configure", me, phys_base: base, size, attrs });
    this.must({ op: "object_activate", cap: me });
    return me;
  }

  /** An extent derived from `parent`. */
  derived(parent: Cap, offset: bigint, size: bigint, attrs: bigint = extentAttributes(RWX, "sparse")): Cap {
    const me = this.create("memextent");
    this.must({ op: "memextent_configure_derive", me, parent, offset, size, attrs });
    this.must({ op: "object_activate", cap: me });
    return me;
  }

  space(vmid: number): Cap {
    const as = this.create("addrspace");
    this.must({ op: "addrspace_configure", as, vmid: BigInt(vmid) });
    this.must({ op: "object_activate", cap: as });
    return as;
  }

  delete(cap: Cap): string {
    return this.result({ op: "cspace_delete_cap_from", cspace: abi.CAP_RM_CSPACE, cap });
  }

  // Mappings.

  map(as: Cap, me: Cap, vbase: bigint, options: MapOptions = {}): Outcome {
    const { access = RW, kernel = access, memtype = WB, part } = options;
    return this.call({
      op: "addrspace_map",
      as,
      me,
      vbase,
      map_attrs: attributes(access, memtype, kernel),
      map_flags: part === undefined ? 0 : PARTIAL,
      offset: part?.offset ?? 0n,
      size: part?.size ?? 0n,
    });
  }

  unmap(as: Cap, me: Cap, vbase: bigint, part?: MapOptions["part"]): Outcome {
    const map_flags = part === undefined ? 0 : PARTIAL;
    return this.call({
      op: "addrspace_unmap",
      as,
      me,
      vbase,
      map_flags,
      offset: part?.offset ?? 0n,
      size: part?.size ?? 0n,
    });
  }

  updateAccess(as: Cap, me: Cap, vbase: bigint, access: number, part?: MapOptions["part"]): Outcome {
    const map_flags = part === undefined ? 0 : PARTIAL;
    return this.call({
      op: "addrspace_update_access",
      as,
      me,
      vbase,
      access_attrs: access | (access << abi.MAP_KERNEL_SHIFT),
      map_flags,
      offset: part?.offset ?? 0n,
      size: part?.size ?? 0n,
    });
  }

  donate(to: "child" | "parent" | "sibling", from: Cap, target: Cap, offset: bigint, size: bigint): Outcome {
    const options = { child: abi.DONATE_TO_CHILD, parent: abi.DONATE_TO_PARENT, sibling: abi.DONATE_TO_SIBLING }[to];
    return this.call({ op: "memextent_donate", from, to: target, options: BigInt(options), offset, size });
  }

  /** Root partition to a sibling of HLOS's memory, by way of HLOS and parent_ddr: as the resource manager would. */
  takeFromHlos(to: Cap, pa: bigint, size: bigint): void {
    const outcome = this.donate("sibling", abi.CAP_HLOS_OWNED_DDR, to, pa, size);
    if (outcome.ret !== 0) throw new Error(`donate: ${outcome.errno}`);
  }

  /** A sparse root extent that owns [base, base + size) of RAM, which was HLOS's. */
  ramExtent(base: bigint, size: bigint, attrs: bigint = extentAttributes(RWX, "sparse")): Cap {
    this.toPartition(base, size);
    const me = this.extent(base, size, attrs);
    const isSparse = attrs >> BigInt(abi.EXTENT_TYPE_SHIFT) === BigInt(abi.EXTENT_SPARSE);
    if (isSparse) expectOk(this.donate("child", abi.CAP_ROOT_PARTITION, me, 0n, size));
    return me;
  }

  /** HLOS's memory back to the root partition. */
  toPartition(base: bigint, size: bigint): void {
    expectOk(this.donate("parent", abi.CAP_HLOS_OWNED_DDR, abi.CAP_PARENT_DDR, base, size));
    expectOk(this.donate("parent", abi.CAP_PARENT_DDR, abi.CAP_ROOT_PARTITION, base, size));
  }

  // What there is.

  /** Where the tables lead: `0x80000000 RW` or `-`. */
  at(vmid: number, ipa: bigint): string {
    const leaf = this.machine.leaf(vmid, ipa);
    if (leaf === null || (leaf.descriptor & 1n) === 0n) return "-";
    const size = 1n << BigInt(9 * (4 - leaf.level) + 3);
    const pa = (leaf.descriptor & 0xffff_ffff_f000n) + (ipa % size);
    return `0x${pa.toString(16)} ${accessOf(leaf.descriptor)}`;
  }

  /** The object and type that the ownership database knows for an address, or MEMDB_EMPTY. */
  owner(addr: bigint): string {
    const outcome = this.machine.apply({ op: "memdb_lookup", addr });
    return outcome.ret === 0 ? `${outcome.found}:${outcome.details.answer}` : (outcome.errno ?? "");
  }
}

/** `RWX`, `R`, `none`; what EL1 may do. */
function accessOf(descriptor: bigint): string {
  const xn = (descriptor >> 53n) & 3n;
  const r = (descriptor & 0x40n) !== 0n ? "R" : "";
  const w = (descriptor & 0x80n) !== 0n ? "W" : "";
  const x = xn === 0n || xn === 3n ? "X" : "";
  return `${r}${w}${x}` || "none";
}

export function resultOf(outcome: Outcome): string {
  if (outcome.status !== "ok") return outcome.status;
  return outcome.errno ?? "OK";
}

export function expectOk(outcome: Outcome): void {
  if (outcome.ret !== 0) throw new Error(`${outcome.errno} (${outcome.reason})`);
}
