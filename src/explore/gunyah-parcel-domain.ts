// Small Gunyah machines whose VMs ask the resource manager for everything: HLOS and VMs create, accept, release and reclaim memory
// parcels, write to what they can, and come and go (reference gunyah sections 6 and 8.1).

import { VMID_HLOS } from "../../assembly/abi/gunyah.js";
import * as rm from "../../assembly/abi/gunyah-rm.js";
import { encodeReturn, messageOperations, type SglEntry } from "../machine/gunyah-messages.js";
import { count } from "../machine/names.js";
import type { Operation } from "../machine/operations.js";
import { gunyahMachine, indices, RAM } from "./gunyah-domain.js";
import { GUNYAH_RULES, GunyahWatch } from "./gunyah-rules.js";
import {
  acceptStep,
  createStep,
  imageStep,
  lifeStep,
  notifyStep,
  returnStep,
  writeStep,
  type GunyahStep,
  type Transfer,
} from "./gunyah-steps.js";
import type { SystemDomain } from "./system-domain.js";

/** How large a machine is, and what is tried on it. */
export interface GunyahParcelSizes {
  /** Pages of HLOS's that change hands. */
  readonly pages: number;
  /** VMs beside HLOS. */
  readonly vms: number;
  readonly transfers: readonly Transfer[];
  /** VMs pass on what was donated to them. */
  readonly passOn?: boolean;
  /** Zeroing is asked for, or not. Default: not. */
  readonly sanitize?: boolean;
  /** Whoever can, writes. */
  readonly writes?: boolean;
  readonly notify?: boolean;
  /** VMs are allocated, get an image, start, exit and are reset. Else they run from the start. */
  readonly life?: boolean;
}

const ALL: readonly Transfer[] = ["DONATE", "LEND", "SHARE"];

export const GUNYAH_PARCEL_PRESETS = {
  parcels: { pages: 2, vms: 2, transfers: ALL, passOn: true },
  contents: { pages: 1, vms: 2, transfers: ALL, sanitize: true, writes: true, passOn: true },
  life: { pages: 1, vms: 1, transfers: ALL, passOn: true, sanitize: true, writes: true, notify: true, life: true },
} as const satisfies Readonly<Record<string, GunyahParcelSizes>>;

const PAGE = 0x1000n;
/** What the resource manager chooses first for a VM's memory. */
const FIRST_IPA = 0x4000_0000n;
const FIRST_VMID = 0x80;
const hlos = VMID_HLOS;

/** The machine and what is tried on it. */
export function gunyahParcelDomain(sizes: GunyahParcelSizes): SystemDomain<GunyahStep> {
  const vms = indices(sizes.vms).map((index) => FIRST_VMID + index);
  const pages = indices(sizes.pages).map((index) => RAM + BigInt(index) * PAGE);
  const subject = { pages, vmids: [hlos, ...vms] };
  return {
    system: "gunyah",
    config: gunyahMachine(),
    bounds: `${count(sizes.pages, "page")} of HLOS's, ${count(vms.length, "VM")} beside it; ${whatIsTried(sizes)}`,
    warmUp: () => undefined,
    setUp: [...subject.vmids.flatMap(speak), ...(sizes.life === true ? [] : vms.flatMap(run))],
    steps: [
      ...parcelSteps(sizes, hlos, vms, pages),
      ...(sizes.passOn === true ? vms.flatMap((vmid) => parcelSteps(sizes, vmid, [hlos], ipasOf(sizes))) : []),
      ...subject.vmids.flatMap((vmid) => memberSteps(sizes, vmid)),
      ...(sizes.writes === true ? writes(sizes, vms, pages) : []),
      ...(sizes.notify === true ? vms.flatMap((vmid) => notifications(sizes, vmid)) : []),
      ...(sizes.life === true ? vms.flatMap((vmid) => lives(sizes, vmid)) : []),
    ],
    ...(sizes.writes === true ? { countedWords: pages } : {}),
    rules: GUNYAH_RULES,
    onlyByName: ["translation"],
    watch: (machine, marks, asked) => new GunyahWatch(machine, marks, subject, asked),
  };
}

function whatIsTried({ transfers, passOn, sanitize, writes: areWrites, notify, life }: GunyahParcelSizes): string {
  return [
    `${transfers.join(", ").toLowerCase()}, accept, release and reclaim of a page${sanitize === true ? ", to be zeroed or not" : ""}`,
    ...(passOn === true ? ["VMs pass on what they own"] : []),
    ...(areWrites === true ? ["writes"] : []),
    ...(notify === true ? ["notifications"] : []),
    ...(life === true ? ["the life of a VM from its allocation to its reset"] : ["VMs that run"]),
  ].join("; ");
}

/** A message that is refused: the resource manager has a buffer for this VM from then on. */
const speak = (vmid: number): Operation[] =>
  messageOperations(vmid, rm.MEM_RELEASE, encodeReturn({ handle: 0, flags: 0 }));

const run = (vmid: number): Operation[] => [
  { op: "rm_vm_alloc", vm: hlos, vmid: BigInt(vmid), flags: 0n },
  { op: "rm_vm_init", vm: hlos, vmid: BigInt(vmid) },
  { op: "rm_vm_start", vm: hlos, vmid: BigInt(vmid) },
];

const ipasOf = ({ pages }: GunyahParcelSizes): bigint[] =>
  indices(pages).map((index) => FIRST_IPA + BigInt(index) * PAGE);
const wishes = ({ sanitize }: GunyahParcelSizes): boolean[] => (sanitize === true ? [false, true] : [false]);
const region = (ipa: bigint): SglEntry[] => [{ ipa, size: PAGE }];

/** What an owner does with pages of its own: to each other VM, each page by itself. */
function parcelSteps(
  sizes: GunyahParcelSizes,
  owner: number,
  others: readonly number[],
  pages: readonly bigint[],
): GunyahStep[] {
  const keeps = { vmid: owner, rights: rm.RIGHTS_RW };
  const made = sizes.transfers.flatMap((transfer) =>
    others.flatMap((vmid) => {
      const acl = [...(transfer === "SHARE" ? [keeps] : []), { vmid, rights: rm.RIGHTS_RWX }];
      return wishes(sizes).flatMap((sanitize) =>
        pages.map((ipa) => createStep(owner, { transfer, acl, sgl: region(ipa), sanitize })),
      );
    }),
  );
  const ranks = indices(sizes.pages);
  return [
    ...made,
    ...ranks.flatMap((rank) => wishes(sizes).map((sanitize) => returnStep("reclaim", owner, rank, sanitize))),
  ];
}

/** What a VM does with parcels of others. */
function memberSteps(sizes: GunyahParcelSizes, vmid: number): GunyahStep[] {
  if (vmid === hlos && sizes.passOn !== true) return [];
  return indices(sizes.pages).flatMap((rank) => [
    ...sizes.transfers.flatMap((transfer) =>
      wishes(sizes).map((sanitize) => acceptStep(vmid, rank, { transfer, sanitize })),
    ),
    ...wishes(sizes).map((sanitize) => returnStep("release", vmid, rank, sanitize)),
  ]);
}

const writes = (sizes: GunyahParcelSizes, vms: readonly number[], pages: readonly bigint[]): GunyahStep[] => [
  ...pages.map((page) => writeStep(hlos, page)),
  ...vms.flatMap((vmid) => ipasOf(sizes).map((ipa) => writeStep(vmid, ipa))),
];

function notifications({ pages }: GunyahParcelSizes, vmid: number): GunyahStep[] {
  return indices(pages).flatMap((rank) => [
    notifyStep(hlos, rank, rm.NOTIFY_SHARED, [vmid]),
    notifyStep(hlos, rank, rm.NOTIFY_RECALL, [vmid]),
    notifyStep(vmid, rank, rm.NOTIFY_ACCEPTED, []),
    notifyStep(vmid, rank, rm.NOTIFY_RELEASED, []),
  ]);
}

function lives({ pages }: GunyahParcelSizes, vmid: number): GunyahStep[] {
  const about = { vm: hlos, vmid: BigInt(vmid) };
  return [
    lifeStep({ op: "rm_vm_alloc", ...about, flags: 0n }),
    ...indices(pages).map((rank) => imageStep(hlos, vmid, rank, FIRST_IPA)),
    lifeStep({ op: "rm_vm_init", ...about }),
    lifeStep({ op: "rm_vm_start", ...about }),
    lifeStep({ op: "rm_vm_exit", vm: vmid }),
    lifeStep({ op: "rm_vm_reset", ...about }),
    lifeStep({ op: "rm_vm_dealloc", ...about }),
  ];
}
