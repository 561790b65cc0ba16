// Small Gunyah machines to search: memory of HLOS that the resource manager moves between extents, maps in VMs and takes back, by
// the hypervisor's calls (reference gunyah sections 3 to 5). What VMs ask of the resource manager: gunyah-parcel-domain.ts.

import * as abi from "../../assembly/abi/gunyah.js";
import { resolveGunyahConfig } from "../machine/gunyah-config.js";
import { listRecords } from "../machine/dumps.js";
import type { Machine } from "../machine/machine.js";
import { count } from "../machine/names.js";
import type { Operation } from "../machine/operations.js";
import { GUNYAH_RULES, GunyahWatch } from "./gunyah-rules.js";
import type { GunyahStep } from "./gunyah-steps.js";
import type { Asked, Marks, SystemDomain, Watch } from "./system-domain.js";

/** How large a machine is. */
export interface GunyahSizes {
  /** Pages that move, each to an extent of its own at most. */
  readonly pages: number;
  /** Address spaces, VMs', beside HLOS's. */
  readonly spaces: number;
  /** Memory is mapped again where it is mapped: an extent has four slots. Default: true. */
  readonly again?: boolean;
}

/** Hypervisor calls alone. */
export const GUNYAH_PRESETS = {
  tiny: { pages: 1, spaces: 1 },
  small: { pages: 2, spaces: 2, again: false },
} as const satisfies Readonly<Record<string, GunyahSizes>>;

const PAGE = 0x1000n;
export const RAM = 0x8000_0000n;
/** The hypervisor's own memory is at its top. */
const RAM_SIZE = 0x400_0000n;
/** What an extent can be about, whether it owns it or not: offsets in it are physical addresses. */
const ALL = 1n << 44n;
const IPA = 0x4000_0000n;
const FIRST_VMID = 0x80n;
const vm = abi.VMID_RM;

export const gunyahMachine = () => resolveGunyahConfig({ regions: [{ base: RAM, size: RAM_SIZE }] });

/** Capabilities that boot leaves, and those that the set-up makes, in the order in which it does. */
export const FIRST_CAP = abi.CAP_HLOS_CSPACE + 1;
const extentCap = (index: number): number => FIRST_CAP + index;
const spaceCap = ({ pages }: GunyahSizes, index: number): number => FIRST_CAP + pages + index;

/** Attributes of a map call with the same access for kernel and user. */
export const mapAttributes = (access: number): number =>
  access | (access << abi.MAP_KERNEL_SHIFT) | (abi.MAP_NORMAL_WB << abi.MAP_MEMTYPE_SHIFT);
/** Attributes of an extent that allows everything. */
export const extentAttributes = (kind: number, access: number = abi.ACCESS_RWX): bigint =>
  BigInt(access | (abi.MEMTYPE_ANY << abi.EXTENT_MEMTYPE_SHIFT) | (kind << abi.EXTENT_TYPE_SHIFT));

/** The machine and what is tried on it. */
export function gunyahDomain(sizes: GunyahSizes): SystemDomain<MappingStep> {
  const { again = true } = sizes;
  const pages = indices(sizes.pages);
  const spaces = indices(sizes.spaces);
  return {
    system: "gunyah",
    config: gunyahMachine(),
    bounds:
      `${count(sizes.pages, "page")} of HLOS's, ${count(sizes.spaces, "VM")} with an address space; the resource manager's calls to the hypervisor` +
      (again ? "" : "; what a VM has mapped is not mapped in it again"),
    warmUp: () => undefined,
    setUp: [...pages.flatMap(makeExtent), ...spaces.flatMap((index) => makeSpace(sizes, index))],
    steps: pages.flatMap((page) => [
      ...moves(page),
      ...spaces.flatMap((space) => mappings(page, spaceCap(sizes, space), Number(FIRST_VMID) + space)),
    ]),
    rules: GUNYAH_RULES,
    onlyByName: ["translation"],
    watch: (machine, marks, asked) => new MappingWatch(machine, marks, asked, again),
  };
}

export interface MappingStep extends GunyahStep {
  /** What it maps: where the memory is, and in which VM it is mapped. */
  readonly maps?: { readonly pa: bigint; readonly vmid: number };
}

/** Leaves out, if it is told to, to map in a VM what is mapped in it. */
class MappingWatch extends GunyahWatch implements Watch<MappingStep> {
  readonly #machineOfRecords: Machine;
  readonly #again: boolean;
  #records: ReadonlySet<string> = new Set();

  constructor(machine: Machine, marks: Marks, asked: Asked, again: boolean) {
    super(machine, marks, { pages: [], vmids: [] }, asked);
    this.#machineOfRecords = machine;
    this.#again = again;
  }

  override enter(): void {
    super.enter();
    if (this.#again) return;
    this.#records = new Set(listRecords(this.#machineOfRecords.core).map(({ pa, vm: vmid }) => placeOf(pa, vmid)));
  }

  override isPossible(step?: MappingStep): boolean {
    return step?.maps === undefined || !this.#records.has(placeOf(step.maps.pa, step.maps.vmid));
  }
}

const placeOf = (pa: bigint, vmid: number): string => `${pa} ${vmid}`;

export const indices = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

/** A call that must succeed, or that is tried: to the hypervisor, by the resource manager. */
export const hypercall = (...calls: readonly Operation[]): GunyahStep => ({ calls, about: { kind: "hypercall" } });

function makeExtent(index: number): Operation[] {
  const me = extentCap(index);
  const created = { vm, partition: abi.CAP_ROOT_PARTITION, cspace: abi.CAP_RM_CSPACE };
  const whole = { parent: abi.CAP_PARENT_DDR, offset: 0n, size: ALL, attrs: extentAttributes(abi.EXTENT_SPARSE) };
  return [
    { op: "partition_create_memextent", ...created },
    { op: "memextent_configure_derive", vm, me, ...whole },
    { op: "object_activate", vm, cap: me },
  ];
}

function makeSpace(sizes: GunyahSizes, index: number): Operation[] {
  const as = spaceCap(sizes, index);
  return [
    { op: "partition_create_addrspace", vm, partition: abi.CAP_ROOT_PARTITION, cspace: abi.CAP_RM_CSPACE },
    { op: "addrspace_configure", vm, as, vmid: FIRST_VMID + BigInt(index) },
    { op: "object_activate", vm, cap: as },
  ];
}

/** The page goes from HLOS to the extent, and back. */
function moves(page: number): MappingStep[] {
  const range = { options: BigInt(abi.DONATE_TO_SIBLING), offset: RAM + BigInt(page) * PAGE, size: PAGE };
  const [hlos, me] = [abi.CAP_HLOS_OWNED_DDR, extentCap(page)];
  return [
    hypercall({ op: "memextent_donate", vm, from: hlos, to: me, ...range }),
    hypercall({ op: "memextent_donate", vm, from: me, to: hlos, ...range }),
  ];
}

/** The extent's page, mapped at one address with more or fewer rights, and unmapped. */
function mappings(page: number, as: number, vmid: number): MappingStep[] {
  const pa = RAM + BigInt(page) * PAGE;
  const part = { vm, as, me: extentCap(page), vbase: IPA, map_flags: abi.MAP_PARTIAL, offset: pa, size: PAGE };
  const map = (access: number): MappingStep => ({
    ...hypercall({ op: "addrspace_map", ...part, map_attrs: mapAttributes(access) }),
    maps: { pa, vmid },
  });
  return [map(abi.ACCESS_R), map(abi.ACCESS_RW), hypercall({ op: "addrspace_unmap", ...part })];
}
