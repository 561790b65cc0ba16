// Gunyah's resource manager as reference gunyah sections 6.2 to 6.9 and 8.1 describe it, written from them alone: what it answers
// to a message in a plain state (gunyah-plain-state.ts), by its checks in their order, and what parcels and whose memory there is
// then. It describes MEM_DONATE, MEM_LEND, MEM_SHARE, MEM_APPEND, MEM_ACCEPT, MEM_RELEASE, MEM_RECLAIM and MEM_NOTIFY of normal
// memory.

import { VMID_HLOS, VMID_RM } from "../../assembly/abi/gunyah.js";
import * as rm from "../../assembly/abi/gunyah-rm.js";
import type { AclEntry, AttributeEntry, SglEntry } from "../machine/gunyah-messages.js";
import type { ParcelMember, RmVm } from "../machine/gunyah-parcels.js";
import { reading, type Message } from "./gunyah-message-reader.js";
import { PAGE, type GunyahState, type PlainParcel } from "./gunyah-plain-state.js";
import type { Transfer } from "./gunyah-steps.js";

/** What a message comes to: an error, or 0 and what is different then. */
export type Reply =
  { readonly answer: 0; readonly changes: Changes } | { readonly answer: number; readonly changes: null };

/** A parcel is there or not, or says something else; memory is a VM's or the parcel's. What is left out stays. */
export interface Changes {
  /** The parcel, by its place among those before; one more than there were: a new one. */
  readonly rank: number;
  /** Null: it is gone. */
  readonly parcel: Expected | null;
  /** Whose its memory is if it is gone. */
  readonly owner?: number;
}

/** What is expected of a parcel: its handle and the order of acceptances only tell parcels apart. */
export interface Expected {
  readonly owner: number;
  readonly transfer: Transfer;
  readonly label: number;
  readonly state: PlainParcel["state"];
  readonly sanitizeCreate: boolean;
  readonly sanitizeReclaim: boolean;
  readonly shareCount: number;
  readonly members: readonly ExpectedMember[];
  readonly pages: readonly ParcelPage[];
}

/** IPAs: as many as here, and the same unless the resource manager had the choice (null). */
export interface ExpectedMember {
  readonly vmid: number;
  readonly rights: number;
  readonly attribute: number;
  readonly shared: boolean;
  readonly mapped: boolean;
  readonly ipas: readonly (bigint | null)[];
}

/** Where a page is, and where its owner had it. */
export interface ParcelPage {
  readonly pa: bigint;
  readonly ipa: bigint;
}

const refused = (answer: number): Reply => ({ answer, changes: null });
const done = (changes: Changes): Reply => ({ answer: 0, changes });
const UNCHANGED: Reply = done({ rank: -1, parcel: null });

const TRANSFERS: Readonly<Record<number, Transfer>> = {
  [rm.MEM_DONATE]: "DONATE",
  [rm.MEM_LEND]: "LEND",
  [rm.MEM_SHARE]: "SHARE",
};

/** What the message comes to; null where it is not described. */
export function specifyMessage(message: Message, state: GunyahState): Reply | null {
  const transfer = TRANSFERS[message.id];
  if (transfer !== undefined) return create(message, transfer, state);
  switch (message.id) {
    case rm.MEM_APPEND:
      return append(message, state);
    case rm.MEM_ACCEPT:
      return accept(message, state);
    case rm.MEM_RELEASE:
      return release(message, state);
    case rm.MEM_RECLAIM:
      return reclaim(message, state);
    case rm.MEM_NOTIFY:
      return notify(message, state);
    default:
      return null;
  }
}

// A parcel by the handle at the beginning of a message.

interface Ranked {
  readonly rank: number;
  readonly parcel: PlainParcel;
}

function named({ bytes }: Message, { parcels }: GunyahState): Ranked | null {
  const handle = bytes.getUint32(0, true);
  const rank = parcels.findIndex((parcel) => parcel.handle === handle);
  const parcel = parcels[rank];
  return parcel === undefined ? null : { rank, parcel };
}

export function expectedOf(parcel: PlainParcel): Expected {
  const { owner, transfer, label, state, sanitizeCreate, sanitizeReclaim, shareCount } = parcel;
  return {
    ...{ owner, transfer, label, state, sanitizeCreate, sanitizeReclaim, shareCount },
    members: parcel.members.map(({ vmid, rights, attribute, shared, mapped, ipas }) => ({
      ...{ vmid, rights, attribute, shared, mapped, ipas },
    })),
    pages: parcel.regions.flatMap(({ pa, size, ipa }) => pagesFrom(pa, ipa, size)),
  };
}

function pagesFrom(pa: bigint, ipa: bigint, size: bigint): ParcelPage[] {
  return Array.from({ length: Number(size / PAGE) }, (_, page) => ({
    pa: pa + BigInt(page) * PAGE,
    ipa: ipa + BigInt(page) * PAGE,
  }));
}

// 6.4, CREATE. Numbers are those of its checks.

interface Creation {
  readonly acl: readonly AclEntry[];
  readonly sgl: readonly SglEntry[];
  readonly attributes: readonly AttributeEntry[];
}

function create({ bytes, caller }: Message, transfer: Transfer, state: GunyahState): Reply | null {
  const lists = reading(bytes, rm.CREATE_FIXED, 3, (list): Creation => {
    return { acl: list.acl(), sgl: list.sgl(), attributes: list.attributes() };
  });
  if (typeof lists === "number") return refused(lists);
  const [memType, flags, label] = [bytes.getUint8(0), bytes.getUint8(2), bytes.getUint32(4, true)];
  if (memType !== rm.MEM_TYPE_NORMAL) return null;
  const { acl, sgl, attributes } = lists;
  const owned = state.parcels.filter(({ owner }) => owner === caller).length;
  const isOwnerIn = acl.some(({ vmid }) => vmid === caller);
  const answer =
    (acl.length === 0 || sgl.length === 0 ? rm.RM_ARGUMENT_INVALID : 0) || // 3
    (transfer === "DONATE" && acl.length > 1 ? rm.RM_ARGUMENT_INVALID : 0) || // 4
    (owned >= rm.PARCELS_PER_OWNER ? rm.RM_DENIED : 0) || // 5
    checkAcl(acl, transfer, state) || // 9
    (isOwnerIn !== (transfer === "SHARE") ? rm.RM_ARGUMENT_INVALID : 0) || // 10
    checkAttributes(lists, transfer); // 12
  if (answer !== 0) return refused(answer);
  const pages = takenPages(sgl, caller, state);
  if (typeof pages === "number") return refused(pages);
  const attributeOf = (wanted: number) => attributes.find(({ vmid }) => vmid === wanted)?.attr ?? rm.ATTR_NORMAL;
  const members = acl.map(({ vmid, rights }) => ({
    ...{ vmid, rights, attribute: attributeOf(vmid), shared: false, mapped: false, ipas: [] },
  }));
  const parcel: Expected = {
    ...{ owner: caller, transfer, label, members, pages, shareCount: 0 },
    state: flags & rm.CREATE_APPEND ? "INIT" : "SHARING",
    sanitizeCreate: (flags & rm.CREATE_SANITIZE) !== 0,
    sanitizeReclaim: false,
  };
  return done({ rank: state.parcels.length, parcel });
}

const VALID_RIGHTS: readonly number[] = [rm.RIGHT_R, rm.RIGHTS_RX, rm.RIGHTS_RW, rm.RIGHTS_RWX];

function checkAcl(acl: readonly AclEntry[], transfer: Transfer, { vms }: GunyahState): number {
  for (const [index, { vmid, rights }] of acl.entries()) {
    const isTwice = acl.slice(0, index).some((earlier) => earlier.vmid === vmid);
    if (isTwice || !isVmidValid(vmid, vms) || !VALID_RIGHTS.includes(rights)) return rm.RM_ARGUMENT_INVALID;
    if (transfer === "DONATE" && rights !== rm.RIGHTS_RWX) return rm.RM_DENIED;
  }
  return 0;
}

function isVmidValid(vmid: number, vms: ReadonlyMap<number, RmVm>): boolean {
  const isConfigured = vmid !== 0 && vmid < rm.VMID_CONFIGURED_END;
  return vmid === VMID_HLOS || vmid === VMID_RM || isConfigured || vms.has(vmid);
}

function checkAttributes({ acl, attributes }: Creation, transfer: Transfer): number {
  for (const [index, { attr, vmid }] of attributes.entries()) {
    const isTwice = attributes.slice(0, index).some((earlier) => earlier.vmid === vmid);
    if (isTwice || attr > rm.ATTR_CACHED || attr === rm.ATTR_DEVICE) return rm.RM_ARGUMENT_INVALID;
    if (transfer === "DONATE" && attr !== rm.ATTR_NORMAL) return rm.RM_ARGUMENT_INVALID;
    if (!acl.some((entry) => entry.vmid === vmid)) return rm.RM_VMID_INVALID;
  }
  return 0;
}

/** A VM that has an address space: its reset destroys it (6.10). */
const isKnown = (vmid: number, { vms }: GunyahState): boolean => vms.has(vmid) && vms.get(vmid)?.state !== "RESET";

/** Check 13: the pages, each mapped in the owner and its own; or the error of the first that is not. */
function takenPages(sgl: readonly SglEntry[], owner: number, state: GunyahState): ParcelPage[] | number {
  if (!isKnown(owner, state)) return rm.RM_VMID_INVALID;
  const pages: ParcelPage[] = [];
  for (const { ipa, size } of sgl) {
    const isGood = ipa % PAGE === 0n && size % PAGE === 0n && size > 0n && ipa < ADDRESSES && size < ADDRESSES;
    if (!isGood) return rm.RM_ARGUMENT_INVALID;
    for (let at = ipa; at < ipa + size; at += PAGE) {
      const pa = ownPage(owner, at, state);
      if (pa === null || pages.some((page) => page.pa === pa)) return rm.RM_MEM_INVALID;
      pages.push({ pa, ipa: at });
    }
  }
  return pages;
}

const ADDRESSES = 1n << 44n;

/** Where a VM's own page is; null if what is mapped there is not its own. */
function ownPage(vmid: number, ipa: bigint, { records, runs, roles }: GunyahState): bigint | null {
  for (const record of records) {
    if (record.vm !== vmid || ipa < record.ipa || ipa >= record.ipa + record.size) continue;
    const role = roles.get(record.extent);
    if (role?.role !== "owned" || role.label !== vmid) continue;
    const pa = record.pa + (ipa - record.ipa);
    const isOwn = runs.some((run) => run.owner === record.extent && run.pa <= pa && pa < run.pa + run.size);
    if (isOwn) return pa;
  }
  return null;
}

// 6.5, APPEND.

function append(message: Message, state: GunyahState): Reply | null {
  const sgl = reading(message.bytes, rm.APPEND_FIXED, 1, (list) => list.sgl());
  if (typeof sgl === "number") return refused(sgl);
  if (sgl.length === 0) return refused(rm.RM_ARGUMENT_INVALID);
  const found = named(message, state);
  if (found === null) return refused(rm.RM_HANDLE_INVALID);
  const { rank, parcel } = found;
  if (parcel.io) return null;
  if (parcel.owner !== message.caller || parcel.state !== "INIT") return refused(rm.RM_DENIED);
  const pages = takenPages(sgl, parcel.owner, state);
  if (typeof pages === "number") return refused(pages);
  const before = expectedOf(parcel);
  const isDone = (message.bytes.getUint8(4) & rm.APPEND_DONE) !== 0;
  return done({
    rank,
    parcel: { ...before, state: isDone ? "SHARING" : "INIT", pages: [...before.pages, ...pages] },
  });
}

// 6.6, ACCEPT. Numbers are those of its checks.

interface Acceptance extends Creation {
  readonly mapVmid: number;
  readonly flags: number;
}

const TRANS_TYPES = { DONATE: rm.TRANS_DONATE, LEND: rm.TRANS_LEND, SHARE: rm.TRANS_SHARE } as const;

function accept(message: Message, state: GunyahState): Reply | null {
  const { bytes, caller } = message;
  const wish = reading(bytes, rm.ACCEPT_FIXED, 3, (list): Acceptance => {
    const [acl, sgl] = [list.acl(), list.sgl()];
    const mapVmid = list.reserved;
    return { acl, sgl, mapVmid, attributes: list.attributes(), flags: bytes.getUint8(6) };
  });
  if (typeof wish === "number") return refused(wish); // 1, 2
  const found = named(message, state);
  if (found === null) return refused(rm.RM_HANDLE_INVALID);
  const { parcel } = found;
  if (parcel.io) return null;
  const [memType, transType, label] = [bytes.getUint8(4), bytes.getUint8(5), bytes.getUint32(8, true)];
  const isOfType = memType === rm.MEM_TYPE_NORMAL && transType === TRANS_TYPES[parcel.transfer];
  if (!isOfType) return refused(rm.RM_ARGUMENT_INVALID); // 3
  if (!isAsDemanded(parcel, wish, label)) return refused(rm.RM_VALIDATE_FAILED); // 4 to 6
  if (wish.flags & rm.ACCEPT_MAP_OTHER) return refused(rm.RM_DENIED); // 7
  if (wish.mapVmid !== 0) return refused(rm.RM_ARGUMENT_INVALID);
  const vm = state.vms.get(caller);
  const member = parcel.members.find(({ vmid }) => vmid === caller);
  if (vm === undefined || !isKnown(caller, state) || member === undefined) return refused(rm.RM_VMID_INVALID); // 8
  const answer = checkMember(parcel, member, wish.flags);
  return answer !== 0 ? refused(answer) : place(found, vm, member, wish, state);
}

// An ACL that is missing differs in its count, too.
function isAsDemanded(parcel: PlainParcel, { acl, attributes, flags }: Acceptance, label: number): boolean {
  if (flags & rm.ACCEPT_VALIDATE_SANITIZED && !parcel.sanitizeCreate) return false;
  if (flags & rm.ACCEPT_VALIDATE_LABEL && label !== parcel.label) return false;
  if ((flags & rm.ACCEPT_VALIDATE_ACL_ATTR) === 0) return true;
  if (acl.length !== parcel.members.length || attributes.length !== parcel.attributes.length) return false;
  const isMember = ({ vmid, rights }: AclEntry, index: number) =>
    parcel.members[index]?.vmid === vmid && parcel.members[index].rights === rights;
  const isAttribute = ({ vmid, attr }: AttributeEntry, index: number) =>
    parcel.attributes[index]?.vmid === vmid && parcel.attributes[index].attr === attr;
  return acl.every(isMember) && attributes.every(isAttribute);
}

/** Checks 9 to 11. */
function checkMember(parcel: PlainParcel, member: ParcelMember, flags: number): number {
  if (parcel.owner === member.vmid || member.mapped) return rm.RM_DENIED;
  const isLate = member.ipas.length > 0 && !member.contiguous;
  if (flags & rm.ACCEPT_MAP_CONTIGUOUS && isLate) return rm.RM_ARGUMENT_INVALID;
  return flags & rm.ACCEPT_SANITIZE && (member.rights & rm.RIGHT_W) === 0 ? rm.RM_ARGUMENT_INVALID : 0;
}

/** Checks 12 to 16, and what follows. */
function place(
  { rank, parcel }: Ranked,
  vm: RmVm,
  member: ParcelMember,
  { sgl, flags }: Acceptance,
  state: GunyahState,
): Reply | null {
  const isContiguous = member.contiguous || (flags & rm.ACCEPT_MAP_CONTIGUOUS) !== 0;
  const regions = isContiguous
    ? parcel.regions.slice(0, 1).map((region) => ({ ...region, size: parcel.totalSize }))
    : parcel.regions;
  const missing = regions.slice(member.ipas.length);
  if (sgl.length > missing.length) return refused(rm.RM_ARGUMENT_INVALID); // 12
  // Whether memory suits addresses that must be its own is asked of contiguous parcels alone (tags).
  if (isContiguous && vm.direct) return null;
  const chosen = sgl.length === 0 ? missing.slice(0, rm.LIST_ENTRIES).map(({ pa }) => (vm.direct ? pa : null)) : [];
  for (const [index, entry] of sgl.entries()) {
    const answer = checkAddress(entry, missing[index] ?? { pa: 0n, size: 0n }, vm, state);
    if (answer !== 0) return answer === null ? null : refused(answer); // 14
  }
  const ipas = [...member.ipas, ...sgl.map(({ ipa }) => ipa), ...chosen];
  const isDone = (flags & rm.ACCEPT_DONE) !== 0;
  if (isDone && ipas.length < regions.length) return refused(rm.RM_ARGUMENT_INVALID); // 16
  if (isDone && parcel.transfer === "DONATE") return done({ rank, parcel: null, owner: vm.vmid });
  const before = expectedOf(parcel);
  const accepted = (each: ExpectedMember): ExpectedMember =>
    each.vmid === vm.vmid ? { ...each, ipas, shared: true, mapped: isDone } : each;
  return done({
    rank,
    parcel: {
      ...before,
      state: "SHARED",
      shareCount: before.shareCount + (member.shared ? 0 : 1),
      sanitizeReclaim: before.sanitizeReclaim || (flags & rm.ACCEPT_SANITIZE) !== 0,
      members: before.members.map(accepted),
    },
  });
}

const IPA_END = 1n << 36n;
/** Where a VM's devices are: the reference says that it is reserved, and not whether an acceptor may ask for it. */
const DEVICES_END = 1n << 30n;

/** Check 14 of an address that the acceptor gives; null where it is not described. */
function checkAddress(
  { ipa, size }: SglEntry,
  region: { readonly pa: bigint; readonly size: bigint },
  vm: RmVm,
  state: GunyahState,
): number | null {
  const isAddress = ipa % PAGE === 0n && ipa + region.size <= IPA_END && (!vm.direct || ipa === region.pa);
  if (!isAddress || size !== region.size) return rm.RM_ARGUMENT_INVALID;
  if (vm.direct) return 0;
  if (ipa < DEVICES_END) return null;
  return isTaken(vm.vmid, ipa, size, state) ? rm.RM_NORESOURCE : 0;
}

/** Whether something of a VM's is there already, or will be. */
function isTaken(vmid: number, ipa: bigint, size: bigint, { records, parcels }: GunyahState): boolean {
  const overlaps = (start: bigint | undefined, bytes: bigint) =>
    start !== undefined && start < ipa + size && ipa < start + bytes;
  const isReserved = ({ members, regions, totalSize }: PlainParcel) =>
    members.some(({ vmid: other, ipas, contiguous }) => {
      if (other !== vmid) return false;
      return ipas.some((start, index) => overlaps(start, contiguous ? totalSize : (regions[index]?.size ?? 0n)));
    });
  return records.some((record) => record.vm === vmid && overlaps(record.ipa, record.size)) || parcels.some(isReserved);
}

// 6.7 and 6.8, RELEASE and RECLAIM.

function release(message: Message, state: GunyahState): Reply | null {
  const { bytes, caller } = message;
  const read = reading(bytes, rm.RELEASE_FIXED, 0, () => null);
  if (read !== null) return refused(read);
  const found = named(message, state);
  if (found === null) return refused(rm.RM_HANDLE_INVALID);
  const { rank, parcel } = found;
  // What becomes of a parcel whose owner is gone is not written down.
  if (parcel.io || parcel.owner === 0) return null;
  const isSanitized = (bytes.getUint8(4) & rm.RELEASE_SANITIZE) !== 0;
  if (parcel.locked) return refused(rm.RM_DENIED);
  if (!isKnown(caller, state)) return refused(rm.RM_VMID_INVALID);
  const member = parcel.members.find(({ vmid }) => vmid === caller);
  if (member === undefined) return refused(rm.RM_HANDLE_INVALID);
  if (parcel.owner === caller) return refused(rm.RM_DENIED);
  if (!member.shared) return refused(rm.RM_MEM_RELEASED);
  if (isSanitized && (member.rights & rm.RIGHT_W) === 0) return refused(rm.RM_ARGUMENT_INVALID);
  const before = expectedOf(parcel);
  const shareCount = before.shareCount - 1;
  const left = (each: ExpectedMember): ExpectedMember =>
    each.vmid === caller ? { ...each, shared: false, mapped: false, ipas: [] } : each;
  return done({
    rank,
    parcel: {
      ...before,
      ...{ shareCount, state: shareCount === 0 ? "SHARING" : "SHARED" },
      sanitizeReclaim: before.sanitizeReclaim || isSanitized,
      members: before.members.map(left),
    },
  });
}

function reclaim(message: Message, state: GunyahState): Reply | null {
  const { bytes, caller } = message;
  const read = reading(bytes, rm.RELEASE_FIXED, 0, () => null);
  if (read !== null) return refused(read);
  const found = named(message, state);
  if (found === null) return refused(rm.RM_HANDLE_INVALID);
  const { rank, parcel } = found;
  if (parcel.io) return null;
  if (parcel.owner !== caller) return refused(rm.RM_DENIED);
  if (parcel.state === "SHARED") return refused(rm.RM_MEM_INUSE);
  if (parcel.locked) return refused(rm.RM_DENIED);
  return isKnown(caller, state) ? done({ rank, parcel: null, owner: caller }) : refused(rm.RM_VMID_INVALID);
}

// 6.9, NOTIFY. That the resource manager accepts for a VM with devices of that label is not described: no search has such a VM.

function notify(message: Message, state: GunyahState): Reply | null {
  const { bytes, caller } = message;
  const vmids = reading(bytes, rm.NOTIFY_FIXED, 1, (list) => list.vmids());
  if (typeof vmids === "number") return refused(vmids);
  const found = named(message, state);
  if (found === null) return refused(rm.RM_HANDLE_INVALID);
  const { parcel } = found;
  if (parcel.tag !== null && parcel.tag !== bytes.getUint32(8, true)) return refused(rm.RM_ARGUMENT_INVALID);
  switch (bytes.getUint8(4)) {
    case rm.NOTIFY_SHARED:
    case rm.NOTIFY_RECALL: {
      if (parcel.owner !== caller) return refused(rm.RM_DENIED);
      const answer = checkNotified(vmids, parcel, state);
      return answer === 0 ? UNCHANGED : refused(answer);
    }
    case rm.NOTIFY_ACCEPTED:
    case rm.NOTIFY_RELEASED: {
      const answer = checkClaim(parcel, caller, bytes.getUint8(4) === rm.NOTIFY_ACCEPTED);
      return answer === 0 ? UNCHANGED : refused(answer);
    }
    default:
      return refused(rm.RM_ARGUMENT_INVALID);
  }
}

function checkNotified(vmids: readonly number[], { members }: PlainParcel, state: GunyahState): number {
  if (vmids.length === 0 || vmids.length > members.length) return rm.RM_ARGUMENT_INVALID;
  for (const vmid of vmids) {
    if (vmid !== VMID_RM && !isKnown(vmid, state)) return rm.RM_VMID_INVALID;
    if (!members.some((member) => member.vmid === vmid)) return rm.RM_ARGUMENT_INVALID;
  }
  return 0;
}

function checkClaim({ members }: PlainParcel, caller: number, hasAccepted: boolean): number {
  const member = members.find(({ vmid }) => vmid === caller);
  if (member === undefined) return rm.RM_HANDLE_INVALID;
  if (member.shared === hasAccepted) return 0;
  return hasAccepted ? rm.RM_MEM_RELEASED : rm.RM_MEM_INUSE;
}
