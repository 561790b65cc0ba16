// A VM's objects at the hypervisor, as the resource manager makes them and hands capabilities for them to Linux: the address
// space, and two extents beside HLOS's own, for pages that are lent and for pages that are shared (reference gunyah 6.3, 7:
// "resources": guest-private 0, host-shared 1, host-private 2, guest-shared 3).

import * as abi from "../../../assembly/abi/gunyah.js";
import type { Operation } from "../../machine/operations.js";
import type { Outcome } from "../../machine/outcome.js";
import { MachineLimit } from "../machine-limit.js";
import type { Gunyah } from "./hypervisor.js";

/** Which of a VM's extents: HLOS has no mapping of the private one. */
export type GuestExtent = "private" | "shared";

/** The window of an extent that may get any memory: all physical addresses, so that offsets are physical addresses. */
const WINDOW = 1n << 44n;
/** Guest addresses have 36 bits. */
const IPA_SPACE = 1n << 36n;
const SPARSE = BigInt(abi.ACCESS_RWX | (abi.EXTENT_SPARSE << abi.EXTENT_TYPE_SHIFT));
const TO_SIBLING = BigInt(abi.DONATE_TO_SIBLING);
const ZERO_RANGE = BigInt(abi.MODIFY_ZERO_RANGE) | BigInt(abi.NO_SYNC >>> 0);
const HLOS = abi.VMID_HLOS;
const RM = abi.VMID_RM;

/** Attributes of a mapping with this access (ACCESS_*), the same for kernel and user; normal write-back. */
export function mapAttributes(access: number): number {
  return access | (access << abi.MAP_KERNEL_SHIFT) | (abi.MAP_NORMAL_WB << abi.MAP_MEMTYPE_SHIFT);
}

/** Capability numbers of one object: the resource manager's and HLOS's. */
interface Capability {
  readonly rm: number;
  readonly hlos: number;
}

export class VmObjects {
  readonly vmid: number;
  readonly #gunyah: Gunyah;
  readonly #pageSize: bigint;
  readonly #space: Capability;
  readonly #extents: Readonly<Record<GuestExtent, Capability>>;
  /** HLOS's capability for the extent that its own memory is in. */
  readonly #host: number;

  /** @param trapsToVmm what is not mapped is the VMM's to emulate: one VMMIO range over all guest addresses */
  constructor(gunyah: Gunyah, vmid: number, { trapsToVmm }: { readonly trapsToVmm: boolean }) {
    this.#gunyah = gunyah;
    this.vmid = vmid;
    this.#pageSize = BigInt(gunyah.machine.pageSize);
    this.#space = this.#createSpace(trapsToVmm);
    this.#extents = { private: this.#createExtent(), shared: this.#createExtent() };
    this.#host = this.#copyToHlos(abi.CAP_HLOS_OWNED_DDR, abi.RIGHT_MEMEXTENT_DONATE);
    this.#mapForHlos(this.#extents.shared.rm);
  }

  #createSpace(trapsToVmm: boolean): Capability {
    const as = this.#create("partition_create_addrspace");
    this.#must({ op: "addrspace_configure", vm: RM, as, vmid: BigInt(this.vmid) });
    this.#must({ op: "object_activate", vm: RM, cap: as });
    const all = { vbase: 0n, size: IPA_SPACE, operation: BigInt(abi.VMMIO_ADD) };
    if (trapsToVmm) this.#must({ op: "addrspace_configure_vmmio", vm: RM, as, ...all });
    return { rm: as, hlos: this.#copyToHlos(as, abi.RIGHT_ADDRSPACE_MAP) };
  }

  /** A sibling of HLOS's extent. */
  #createExtent(): Capability {
    const me = this.#create("partition_create_memextent");
    const window = { parent: abi.CAP_PARENT_DDR, offset: 0n, size: WINDOW, attrs: SPARSE };
    this.#must({ op: "memextent_configure_derive", vm: RM, me, ...window });
    this.#must({ op: "object_activate", vm: RM, cap: me });
    return { rm: me, hlos: this.#copyToHlos(me, abi.RIGHT_MEMEXTENT_DONATE | abi.RIGHT_MEMEXTENT_MAP) };
  }

  #create(op: "partition_create_addrspace" | "partition_create_memextent"): number {
    return this.#must({ op, vm: RM, partition: abi.CAP_ROOT_PARTITION, cspace: abi.CAP_RM_CSPACE });
  }

  #copyToHlos(cap: number, rights: number): number {
    const to = BigInt(abi.CAP_HLOS_CSPACE);
    const copy = { cspace: abi.CAP_RM_CSPACE, cap, to, rights: BigInt(rights) };
    return this.#must({ op: "cspace_copy_cap_from", vm: RM, ...copy });
  }

  /** A record as HLOS's own extent has one: what moves between the two stays mapped for HLOS. */
  #mapForHlos(me: number): void {
    const everything = { vbase: 0n, offset: 0n, size: WINDOW, map_flags: abi.MAP_PARTIAL };
    const map_attrs = mapAttributes(abi.ACCESS_RWX);
    this.#must({ op: "addrspace_map", vm: RM, as: abi.CAP_HLOS_ADDRSPACE, me, map_attrs, ...everything });
  }

  /** A call whose failure means that the hypervisor has no memory for another VM; what it answers. */
  #must(operation: Operation): number {
    const { errno, details } = this.#gunyah.apply(operation);
    if (errno !== null) throw new MachineLimit(`${operation.op} for VM ${this.vmid}: ${errno}`);
    return Number(details.answer ?? 0n);
  }

  /** memextent_donate: a page of HLOS becomes the guest's. */
  donate(pa: bigint, to: GuestExtent): Outcome {
    return this.#donate(this.#host, this.#extents[to].hlos, pa);
  }

  /** The way back. */
  donateBack(pa: bigint, from: GuestExtent): Outcome {
    return this.#donate(this.#extents[from].hlos, this.#host, pa);
  }

  #donate(from: number, to: number, pa: bigint): Outcome {
    const part = { options: TO_SIBLING, offset: pa, size: this.#pageSize };
    return this.#gunyah.apply({ op: "memextent_donate", vm: HLOS, from, to, ...part });
  }

  /** addrspace_map of one page into the guest. */
  map(pa: bigint, ipa: bigint, of: GuestExtent, map_attrs: number): Outcome {
    return this.#gunyah.apply({ op: "addrspace_map", vm: HLOS, map_attrs, ...this.#page(pa, ipa, of) });
  }

  /** addrspace_unmap of one page. */
  unmap(pa: bigint, ipa: bigint, of: GuestExtent): Outcome {
    return this.#gunyah.apply({ op: "addrspace_unmap", vm: HLOS, ...this.#page(pa, ipa, of) });
  }

  #page(pa: bigint, ipa: bigint, of: GuestExtent) {
    const part = { map_flags: abi.MAP_PARTIAL, offset: pa, size: this.#pageSize };
    return { as: this.#space.hlos, me: this.#extents[of].hlos, vbase: ipa, ...part };
  }

  /** memextent_modify: the resource manager zeroes a page of the guest. */
  zero(pa: bigint, of: GuestExtent): Outcome {
    const range = { flags: ZERO_RANGE, offset: pa, size: this.#pageSize };
    return this.#gunyah.apply({ op: "memextent_modify", vm: RM, me: this.#extents[of].rm, ...range });
  }

  /** Linux gives its capabilities back (tickets). */
  releaseTickets(): void {
    const { private: lent, shared } = this.#extents;
    for (const cap of [this.#space.hlos, lent.hlos, shared.hlos, this.#host]) this.#drop(abi.CAP_HLOS_CSPACE, cap);
  }

  /** VM_RESET, stage DESTROY_VM: the address space first, then the extents. What they still own is nobody's of HLOS. */
  destroy(): void {
    const { private: lent, shared } = this.#extents;
    for (const { rm } of [this.#space, lent, shared]) this.#drop(abi.CAP_RM_CSPACE, rm);
    this.#gunyah.apply({ op: "rcu_sync" });
  }

  #drop(cspace: number, cap: number): void {
    this.#gunyah.apply({ op: "cspace_delete_cap_from", vm: RM, cspace, cap });
  }
}
