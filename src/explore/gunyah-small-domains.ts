// Gunyah machines of a few calls each, about one thing that the general searches (gunyah-domain.ts, gunyah-parcel-domain.ts) leave
// out: extents of type BASIC and their children, calls whose arguments are none, look-ups, address spaces that are destroyed,
// lists of messages that are cut short, memory that runs out.

import * as rm from "../../assembly/abi/gunyah-rm.js";
import * as abi from "../../assembly/abi/gunyah.js";
import { encodeCreate, encodeNotify, messageOperations, type CreateMessage } from "../machine/gunyah-messages.js";
import type { Operation } from "../machine/operations.js";
import { extentAttributes, FIRST_CAP, gunyahMachine, hypercall, mapAttributes, RAM } from "./gunyah-domain.js";
import { GUNYAH_RULES, GunyahWatch, type GunyahSubject } from "./gunyah-rules.js";
import { acceptStep, appendStep, createStep, lifeStep, returnStep, type GunyahStep } from "./gunyah-steps.js";
import type { SystemDomain } from "./system-domain.js";

const PAGE = 0x1000n;
const BLOCK = 0x20_0000n;
const IPA = 0x4000_0000n;
const VMID = 0x80;
const vm = abi.VMID_RM;
const hlos = abi.VMID_HLOS;
const { ACCESS_R: R, ACCESS_RW: RW, ACCESS_RWX: RWX } = abi;
const CREATED = { vm, partition: abi.CAP_ROOT_PARTITION, cspace: abi.CAP_RM_CSPACE };
const NOBODY: GunyahSubject = { pages: [], vmids: [] };

interface Small {
  readonly about: string;
  readonly setUp: readonly Operation[];
  readonly steps: readonly GunyahStep[];
  readonly subject?: GunyahSubject;
}

const small = ({ about, setUp, steps, subject = NOBODY }: Small): SystemDomain<GunyahStep> => ({
  system: "gunyah",
  config: gunyahMachine(),
  bounds: about,
  warmUp: () => undefined,
  setUp,
  steps,
  rules: GUNYAH_RULES,
  watch: (machine, marks, asked) => new GunyahWatch(machine, marks, subject, asked),
});

// Objects, in the order in which they are made: the first one's capability is FIRST_CAP.

const space = (as: number, vmid = VMID): Operation[] => [
  { op: "partition_create_addrspace", ...CREATED },
  { op: "addrspace_configure", vm, as, vmid: BigInt(vmid) },
  { op: "object_activate", vm, cap: as },
];

const newExtent: Operation = { op: "partition_create_memextent", ...CREATED };
const activate = (cap: number): Operation => ({ op: "object_activate", vm, cap });
const derive = (me: number, parent: number, offset: bigint, size: bigint, attrs: bigint): Operation => ({
  op: "memextent_configure_derive",
  ...{ vm, me, parent, offset, size, attrs },
});

/** A sparse sibling of HLOS's memory, which page 0 of RAM is donated to. */
const sibling = (me: number, access: number = RWX): Operation[] => [
  newExtent,
  derive(me, abi.CAP_PARENT_DDR, 0n, 1n << 44n, extentAttributes(abi.EXTENT_SPARSE, access)),
  activate(me),
  donate(me, "to", 1n),
];

const donate = (me: number, way: "to" | "back", pages = 1n): Operation => {
  const [from, to] = way === "to" ? [abi.CAP_HLOS_OWNED_DDR, me] : [me, abi.CAP_HLOS_OWNED_DDR];
  const range = { offset: RAM, size: pages * PAGE };
  return { op: "memextent_donate", vm, from, to, options: BigInt(abi.DONATE_TO_SIBLING), ...range };
};

/** A block of RAM for the root partition, and a BASIC extent of it. */
const basic = (me: number): Operation[] => [
  give(abi.CAP_HLOS_OWNED_DDR, abi.CAP_PARENT_DDR),
  give(abi.CAP_PARENT_DDR, abi.CAP_ROOT_PARTITION),
  newExtent,
  { op: "memextent_configure", vm, me, phys_base: RAM, size: BLOCK, attrs: extentAttributes(abi.EXTENT_BASIC) },
  activate(me),
];

const give = (from: number, to: number): Operation => ({
  op: "memextent_donate",
  ...{ vm, from, to, options: BigInt(abi.DONATE_TO_PARENT), offset: RAM, size: BLOCK },
});

const part = (as: number, me: number, vbase: bigint, pages = 1n, offset = RAM) => ({
  ...{ vm, as, me, vbase, map_flags: abi.MAP_PARTIAL, offset, size: pages * PAGE },
});
const map = (as: number, me: number, vbase: bigint, access: number, pages = 1n, offset = RAM): Operation => ({
  op: "addrspace_map",
  ...part(as, me, vbase, pages, offset),
  map_attrs: mapAttributes(access),
});
const whole = (as: number, me: number, vbase = IPA) => ({ vm, as, me, vbase, map_flags: 0, offset: 0n, size: 0n });
const mapAll = (as: number, me: number, access: number): Operation => ({
  op: "addrspace_map",
  ...whole(as, me),
  map_attrs: mapAttributes(access),
});
const unmapAll = (as: number, me: number): Operation => ({ op: "addrspace_unmap", ...whole(as, me) });
const limit = (heap: number, allocations: bigint): Operation => ({
  op: "heap_limit",
  ...{ heap: BigInt(heap), allocations },
});

const [AS, ME, CHILD] = [FIRST_CAP, FIRST_CAP + 1, FIRST_CAP + 2] as const;

/** Calls about one page of a sparse extent whose arguments are none, or nearly none. */
export const gunyahArgumentsDomain = () =>
  small({
    about: "a page of an extent that may be read, mapped in a VM with more than that and where no address is",
    setUp: [...space(AS), ...sibling(ME, R), newExtent],
    steps: [
      hypercall(map(AS, ME, IPA, R)),
      hypercall({ op: "addrspace_unmap", ...part(AS, ME, IPA) }),
      hypercall(map(AS, ME, IPA, RW)),
      hypercall(map(AS, ME, 1n << 37n, R)),
      configure(CHILD, 0n),
      configure(CHILD, PAGE),
    ],
  });

const configure = (me: number, size: bigint): GunyahStep =>
  hypercall({ op: "memextent_configure", vm, me, phys_base: RAM, size, attrs: extentAttributes(abi.EXTENT_BASIC) });

/** A page that is mapped while memory for tables runs out. */
export const gunyahTablesDomain = () =>
  small({
    about: "a page of an extent, mapped in a VM while there is memory for the tables, or none",
    setUp: [...space(AS), ...sibling(ME)],
    steps: [
      hypercall(map(AS, ME, IPA, RW)),
      hypercall({ op: "addrspace_unmap", ...part(AS, ME, IPA) }),
      hypercall(limit(abi.HEAP_TABLES, 0n)),
      hypercall(limit(abi.HEAP_TABLES, (1n << 64n) - 1n)),
    ],
  });

/** A page that is mapped in a VM whose address space goes. */
export const gunyahDestroyDomain = () =>
  small({
    about: "a page of an extent, mapped in a VM whose address space is destroyed; all mappings are dropped at once",
    setUp: [...space(AS), ...sibling(ME)],
    steps: [
      hypercall(map(AS, ME, IPA, RW)),
      hypercall(donate(ME, "back")),
      hypercall({ op: "memextent_modify", vm, me: ME, flags: BigInt(abi.MODIFY_UNMAP_ALL), offset: 0n, size: 0n }),
      hypercall({ op: "cspace_delete_cap_from", vm, cspace: abi.CAP_RM_CSPACE, cap: AS }),
    ],
  });

/** Three pages side by side, looked up while they are mapped with one right or another. */
export const gunyahLookupDomain = () => {
  const find = (pages: bigint): GunyahStep => ({
    ...hypercall({ op: "addrspace_lookup", vm, as: AS, me: ME, vbase: IPA, size: pages * PAGE }),
    looksUp: { vmid: VMID, ipa: IPA, size: pages * PAGE },
  });
  const last = [IPA + 2n * PAGE, 1n, RAM + 2n * PAGE] as const;
  return small({
    about:
      "two pages of an extent, mapped in a VM, and a third one, mapped or not, with the same access or with less, looked up",
    setUp: [...space(AS), ...sibling(ME), donateMore(ME), map(AS, ME, IPA, RW, 2n)],
    steps: [
      hypercall(map(AS, ME, last[0], RW, last[1], last[2])),
      hypercall(map(AS, ME, last[0], R, last[1], last[2])),
      hypercall({ op: "addrspace_unmap", ...part(AS, ME, ...last) }),
      find(2n),
      find(3n),
    ],
  });
};

const donateMore = (me: number): Operation => ({
  op: "memextent_donate",
  ...{ vm, from: abi.CAP_HLOS_OWNED_DDR, to: me, options: BigInt(abi.DONATE_TO_SIBLING) },
  ...{ offset: RAM + PAGE, size: 2n * PAGE },
});

const basicSetUp = [
  ...space(AS),
  ...basic(ME),
  newExtent,
  derive(CHILD, ME, 0n, PAGE, extentAttributes(abi.EXTENT_BASIC)),
];
const mapped: readonly GunyahStep[] = [
  hypercall(mapAll(AS, ME, R)),
  hypercall(mapAll(AS, ME, RWX)),
  hypercall(unmapAll(AS, ME)),
];
const update = hypercall({
  op: "addrspace_update_access",
  ...whole(AS, ME),
  access_attrs: R | (R << abi.MAP_KERNEL_SHIFT),
});
const carvedOut: readonly GunyahStep[] = [hypercall(activate(CHILD)), hypercall(unmapAll(AS, CHILD))];

/** An extent of type BASIC. */
export const gunyahBasicDomain = () =>
  small({
    about: "2 MiB of a BASIC extent, mapped in a VM with more or less access",
    setUp: basicSetUp,
    steps: mapped,
  });

/** A child carved out of it. */
export const gunyahChildDomain = () =>
  small({
    about: "2 MiB of a BASIC extent, mapped in a VM, with less access later; a child of one page, unmapped",
    setUp: basicSetUp,
    steps: [hypercall(mapAll(AS, ME, RWX)), update, ...carvedOut],
  });

/** All of that, and the child goes: until a grace period has passed its memory is still its own. */
export const gunyahCarveOutDomain = () =>
  small({
    about: "2 MiB of a BASIC extent, mapped in a VM with more or less access; a child of one page, unmapped, deleted",
    setUp: basicSetUp,
    steps: [
      ...mapped,
      update,
      ...carvedOut,
      hypercall({ op: "cspace_delete_cap_from", vm, cspace: abi.CAP_RM_CSPACE, cap: CHILD }),
      hypercall({ op: "rcu_sync" }),
    ],
  });

/** A child with less access than its parent's mapping has, while memory for tables runs out. */
export const gunyahDeriveDomain = () =>
  small({
    about: "2 MiB of a BASIC extent, mapped in a VM; a child of one page with less access, and no memory for tables",
    setUp: [
      ...space(AS),
      ...basic(ME),
      newExtent,
      derive(CHILD, ME, 0n, PAGE, extentAttributes(abi.EXTENT_BASIC, R)),
      limit(abi.HEAP_TABLES, 1n),
    ],
    steps: [hypercall(mapAll(AS, ME, RWX)), hypercall(unmapAll(AS, ME)), hypercall(activate(CHILD))],
  });

/** An extent that is derived as SPARSE, given a page, and mapped page by page. */
export const gunyahSparseDomain = () =>
  small({
    about: "an extent derived as SPARSE, given a page of HLOS's, mapped in a VM",
    setUp: [...space(AS), newExtent],
    steps: [
      hypercall(derive(ME, abi.CAP_PARENT_DDR, 0n, 1n << 44n, extentAttributes(abi.EXTENT_SPARSE))),
      hypercall(activate(ME)),
      hypercall(donate(ME, "to")),
      hypercall(map(AS, ME, IPA, RW)),
    ],
  });

// Messages to the resource manager.

const VMS: GunyahSubject = { pages: [RAM], vmids: [hlos, VMID] };
const started = (flags = 0n): Operation[] => [
  { op: "rm_vm_alloc", vm: hlos, vmid: BigInt(VMID), flags },
  { op: "rm_vm_init", vm: hlos, vmid: BigInt(VMID) },
  { op: "rm_vm_start", vm: hlos, vmid: BigInt(VMID) },
];
const ACL = [{ vmid: VMID, rights: rm.RIGHTS_RWX }];
const page = (index: bigint, pages = 1n) => ({ ipa: RAM + index * PAGE, size: pages * PAGE });

/** A message that ends where its last list should begin, which it says has one entry. */
function cutShort(message: Uint8Array): Uint8Array {
  const cut = message.slice();
  new DataView(cut.buffer).setUint16(cut.length - rm.LIST_HEADER, 1, true);
  return cut;
}

const LEND: CreateMessage = {
  memType: rm.MEM_TYPE_NORMAL,
  flags: 0,
  label: 0,
  acl: ACL,
  sgl: [page(0n)],
  attributes: [],
};

/** Messages whose lists are shorter than they say, or not those of the parcel. */
export const gunyahListsDomain = () => {
  const lists = { acl: ACL, attributes: [{ attr: 0, vmid: 0 }] };
  return small({
    about: "a page lent to a VM and accepted if it is as the VM says; messages whose lists are cut short",
    setUp: started(),
    subject: VMS,
    steps: [
      createStep(hlos, { transfer: "LEND", acl: ACL, sgl: [page(0n)] }),
      returnStep("reclaim", hlos, 0, false),
      acceptStep(VMID, 0, { transfer: "LEND", validate: { acl: ACL, attributes: [] } }),
      acceptStep(VMID, 0, { transfer: "LEND", validate: lists }),
      {
        calls: messageOperations(hlos, rm.MEM_LEND, cutShort(encodeCreate(LEND))),
        about: { kind: "create", caller: hlos, transfer: "LEND", sanitize: false },
      },
      {
        calls: messageOperations(
          hlos,
          rm.MEM_NOTIFY,
          cutShort(encodeNotify({ handle: 0, flags: 1, tag: 1, vmids: [] })),
        ),
        about: { kind: "notify", caller: hlos },
      },
    ],
  });
};

/** 2 MiB, accepted where the VM wants them. */
export const gunyahLargeDomain = () => {
  const sgl = [{ ipa: IPA + PAGE, size: BLOCK }];
  return small({
    about: "2 MiB lent to a VM, which wants them at an address that is aligned to a page",
    setUp: started(),
    subject: VMS,
    steps: [
      createStep(hlos, { transfer: "LEND", acl: ACL, sgl: [{ ipa: RAM, size: BLOCK }] }),
      returnStep("reclaim", hlos, 0, false),
      acceptStep(VMID, 0, { transfer: "LEND", sgl }),
      returnStep("release", VMID, 0, false),
    ],
  });
};

/** A parcel that memory is appended to, some of it not its owner's. */
export const gunyahAppendDomain = () => {
  const keeps = [{ vmid: hlos, rights: rm.RIGHTS_RW }, ...ACL];
  const notMemory = { ipa: 0x1000_0000n, size: PAGE };
  return small({
    about: "a parcel of a page, lent or shared, to which a page is appended, or one and what is no memory",
    setUp: started(),
    subject: { pages: [RAM, RAM + PAGE], vmids: [hlos, VMID] },
    steps: [
      createStep(hlos, { transfer: "LEND", acl: ACL, sgl: [page(0n)], append: true }),
      createStep(hlos, { transfer: "SHARE", acl: keeps, sgl: [page(0n)], append: true }),
      appendStep(hlos, 0, [page(1n)]),
      appendStep(hlos, 0, [page(1n), notMemory]),
      acceptStep(VMID, 0, { transfer: "LEND" }),
      acceptStep(VMID, 0, { transfer: "SHARE" }),
      returnStep("release", VMID, 0, false),
      returnStep("reclaim", hlos, 0, false),
    ],
  });
};

/** VMs that come and go, with addresses that the resource manager chooses and at their physical addresses. */
export const gunyahAllocDomain = () => {
  const about = { vm: hlos, vmid: BigInt(VMID) };
  return small({
    about: "a VM that is allocated, with addresses of its own or at physical ones, started, and gone again",
    setUp: [],
    subject: VMS,
    steps: [
      lifeStep({ op: "rm_vm_alloc", ...about, flags: 0n }),
      lifeStep({ op: "rm_vm_alloc", ...about, flags: BigInt(rm.VM_MEM_MAP_DIRECT) }),
      lifeStep({ op: "rm_vm_init", ...about }),
      lifeStep({ op: "rm_vm_start", ...about }),
      lifeStep({ op: "rm_vm_exit", vm: VMID }),
      lifeStep({ op: "rm_vm_reset", ...about }),
      lifeStep({ op: "rm_vm_dealloc", ...about }),
    ],
  });
};

/** A page lent, and accepted where there is no address left or the VM has none to give. */
export const gunyahFailedAcceptDomain = () => {
  const sgl = [{ ipa: 0n, size: 2n * PAGE }];
  return small({
    about: "a page lent to a VM, accepted with zeroing at an address that is none, or at one",
    setUp: started(),
    subject: VMS,
    steps: [
      createStep(hlos, { transfer: "LEND", acl: ACL, sgl: [page(0n)] }),
      acceptStep(VMID, 0, { transfer: "LEND", sanitize: true, sgl }),
      acceptStep(VMID, 0, { transfer: "LEND" }),
      returnStep("release", VMID, 0, false),
      returnStep("reclaim", hlos, 0, false),
    ],
  });
};
