// Small Gunyah machines to search: memory of HLOS that the resource manager moves between extents, maps in VMs and takes back, by
// the hypervisor's calls (reference gunyah.md sections 3 to 5).

import * as abi from "../../assembly/abi/gunyah.js";
import { resolveGunyahConfig } from "../machine/gunyah-config.js";
import { GUNYAH_INVARIANTS } from "../machine/invariants.js";
import type { Operation } from "../machine/operations.js";
import { RULES } from "./rules.js";
import type { SystemDomain, SystemStep } from "./system-domain.js";

/** How large a machine is. */
export interface GunyahSizes {
  /** Pages that move, each to an extent of its own at most. */
  readonly pages: number;
  /** Address spaces, VMs', beside HLOS's. */
  readonly spaces: number;
}

export const GUNYAH_PRESETS = {
  tiny: { pages: 1, spaces: 1 },
} as const satisfies Readonly<Record<string, GunyahSizes>>;

const PAGE = 0x1000n;
const RAM = 0x8000_0000n;
/** The hypervisor's own memory is at its top. */
const RAM_SIZE = 0x400_0000n;
/** What an extent can be about, whether it owns it or not: offsets in it are physical addresses. */
const ALL = 1n << 44n;
const IPA = 0x4000_0000n;
const FIRST_VMID = 0x80n;
const vm = abi.VMID_RM;

/** Capabilities that boot leaves, and those that the set-up makes, in the order in which it does. */
const FIRST_CAP = abi.CAP_HLOS_CSPACE + 1;
const extentCap = (index: number): number => FIRST_CAP + index;
const spaceCap = ({ pages }: GunyahSizes, index: number): number => FIRST_CAP + pages + index;

const rights = (access: number): number => access | (access << abi.MAP_KERNEL_SHIFT);
const EXTENT = BigInt(
  abi.ACCESS_RWX | (abi.MEMTYPE_ANY << abi.EXTENT_MEMTYPE_SHIFT) | (abi.EXTENT_SPARSE << abi.EXTENT_TYPE_SHIFT),
);

/** The machine and what is tried on it. */
export function gunyahDomain(sizes: GunyahSizes): SystemDomain {
  const pages = indices(sizes.pages);
  const spaces = indices(sizes.spaces);
  return {
    system: "gunyah",
    config: resolveGunyahConfig({ regions: [{ base: RAM, size: RAM_SIZE }] }),
    bounds: `${sizes.pages} of HLOS's pages, ${sizes.spaces} VMs' address spaces; the resource manager's calls to the hypervisor`,
    warmUp: () => undefined,
    setUp: [...pages.flatMap(makeExtent), ...spaces.flatMap((index) => makeSpace(sizes, index))],
    steps: pages.flatMap((page) => [
      ...moves(page),
      ...spaces.flatMap((space) => mappings(extentCap(page), spaceCap(sizes, space))),
    ]),
    rules: { ...GUNYAH_INVARIANTS, refusal: RULES.refusal },
    watch: (machine) => ({
      enter: () => undefined,
      isPossible: () => true,
      settle: () => undefined,
      stepBreaks: () => null,
      mayKeep: () => false,
      stateBreaks: () => {
        const violation = machine.checkInvariants();
        return violation === null ? null : { kind: "invariant", rule: violation.invariant, subject: violation.subject };
      },
    }),
  };
}

const indices = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

function makeExtent(index: number): Operation[] {
  const me = extentCap(index);
  const created = { vm, partition: abi.CAP_ROOT_PARTITION, cspace: abi.CAP_RM_CSPACE };
  const whole = { parent: abi.CAP_PARENT_DDR, offset: 0n, size: ALL, attrs: EXTENT };
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
function moves(page: number): SystemStep[] {
  const range = { options: BigInt(abi.DONATE_TO_SIBLING), offset: RAM + BigInt(page) * PAGE, size: PAGE };
  const [hlos, me] = [abi.CAP_HLOS_OWNED_DDR, extentCap(page)];
  return [
    call({ op: "memextent_donate", vm, from: hlos, to: me, ...range }),
    call({ op: "memextent_donate", vm, from: me, to: hlos, ...range }),
  ];
}

/** The extent's page, mapped at one address with more or fewer rights, and unmapped. */
function mappings(me: number, as: number): SystemStep[] {
  const part = {
    vm,
    as,
    me,
    vbase: IPA,
    map_flags: abi.MAP_PARTIAL,
    offset: RAM + BigInt(me - FIRST_CAP) * PAGE,
    size: PAGE,
  };
  const map = (access: number): SystemStep => {
    const map_attrs = rights(access) | (abi.MAP_NORMAL_WB << abi.MAP_MEMTYPE_SHIFT);
    return call({ op: "addrspace_map", ...part, map_attrs });
  };
  return [map(abi.ACCESS_R), map(abi.ACCESS_RW), call({ op: "addrspace_unmap", ...part })];
}

const call = (operation: Operation): SystemStep => ({ calls: [operation] });
