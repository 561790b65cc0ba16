// Gunyah's hypervisor as reference gunyah sections 2 to 4 and 8.2 describe it, written from them alone: what a call answers in a
// plain state (gunyah-plain-state.ts), by its checks in their order, and what is different then. Pages change hands and records
// are kept; there are no page tables.
//
// It describes memextent_configure, memextent_configure_derive, object_activate of an extent, memextent_donate among siblings,
// addrspace_map, addrspace_unmap, addrspace_update_access, and memextent_modify that unmaps all.

import * as abi from "../../assembly/abi/gunyah.js";
import type { Operation } from "../machine/operations.js";
import {
  given,
  isIn,
  isOwned,
  max,
  min,
  ownedParts,
  PAGE,
  withoutPart,
  type GunyahState,
  type Mapped,
  type PlainObject,
  type Run,
  type Window,
} from "./gunyah-plain-state.js";

/** What a call comes to: an error, or 0 and what is different then. */
export type Outcome =
  { readonly answer: 0; readonly after: GunyahState } | { readonly answer: number; readonly after: null };

type Call<O extends Operation["op"]> = Extract<Operation, { readonly op: O }>;

const SLOTS = 4;
const ADDRESSES = 1n << 64n;
/** Addresses of a VM, those that records of a SPARSE extent can have, and physical ones: exclusive ends. */
const IPA_END = 1n << 36n;
const RECORD_END = 1n << 48n;
/** Success ends with a grace period unless the caller does without. */
const NO_SYNC = 1n << 31n;
/** Rights of one of user and kernel, and of both. */
const ACCESS = 7;

/** What the call comes to; null where it is not described. */
export function specifyHypercall(call: Operation, state: GunyahState): Outcome | null {
  switch (call.op) {
    case "memextent_configure":
      return call.vm === abi.VMID_RM ? configure(call, state) : null;
    case "memextent_configure_derive":
      return call.vm === abi.VMID_RM ? derive(call, state) : null;
    case "object_activate":
      return call.vm === abi.VMID_RM ? activate(call.cap, state) : null;
    case "memextent_donate":
      return call.vm === abi.VMID_RM ? donate(call, state) : null;
    case "addrspace_map":
    case "addrspace_unmap":
    case "addrspace_update_access":
      return call.vm === abi.VMID_RM ? changeMapping(call, state) : null;
    case "memextent_modify":
      return call.vm === abi.VMID_RM ? modify(call, state) : null;
    default:
      return null;
  }
}

export const refused = (answer: number): Outcome => ({ answer, after: null });
const done = (after: GunyahState): Outcome => ({ answer: 0, after });

// Capabilities (2.3). No search takes rights from one.

interface Found<T extends PlainObject["type"]> {
  readonly id: number;
  readonly object: Extract<PlainObject, { readonly type: T }>;
}

function find<T extends PlainObject["type"]>(cap: number, type: T, { caps, objects }: GunyahState): Found<T> | number {
  const id = caps.get(cap);
  const object = id === undefined ? undefined : objects.get(id);
  if (id === undefined || object === undefined) return abi.CSPACE_CAP_NULL;
  if (object.type !== type) return abi.CSPACE_WRONG_OBJECT_TYPE;
  return { id, object: object as Found<T>["object"] };
}

/** An extent or a space that is active. */
function findActive<T extends PlainObject["type"]>(cap: number, type: T, state: GunyahState): Found<T> | number {
  const found = find(cap, type, state);
  return typeof found === "number" || found.object.state === "active" ? found : abi.OBJECT_STATE;
}

function findFresh(cap: number, state: GunyahState): Found<"extent"> | number {
  const found = find(cap, "extent", state);
  return typeof found === "number" || found.object.state === "init" ? found : abi.OBJECT_STATE;
}

// Configuration (3.1).

function configure({ me, phys_base: base, size, attrs }: Call<"memextent_configure">, state: GunyahState): Outcome {
  const found = findFresh(me, state);
  if (typeof found === "number") return refused(found);
  const answer =
    (isRange(base, size) ? 0 : abi.ARGUMENT_INVALID) ||
    (areAligned(base, size) ? 0 : abi.ARGUMENT_ALIGNMENT) ||
    checkAttributes(attrs);
  return answer !== 0 ? refused(answer) : done(configured(state, found.id, windowOf(base, size, attrs, 0)));
}

function derive(call: Call<"memextent_configure_derive">, state: GunyahState): Outcome {
  const { offset, size, attrs } = call;
  const found = findFresh(call.me, state);
  if (typeof found === "number") return refused(found);
  const parent = findActive(call.parent, "extent", state);
  if (typeof parent === "number") return refused(parent);
  const { window } = parent.object;
  const child = windowOf(window.base + offset, size, attrs, parent.id);
  const isLess = (child.access & ~window.access) === 0;
  const isSameMemory = window.memtype === abi.MEMTYPE_ANY || window.memtype === child.memtype;
  const answer =
    (isRange(offset, size) ? 0 : abi.ARGUMENT_INVALID) ||
    (offset + size <= window.size ? 0 : abi.ADDR_INVALID) ||
    (areAligned(offset, size) ? 0 : abi.ARGUMENT_ALIGNMENT) ||
    checkAttributes(attrs) ||
    (isLess && isSameMemory ? 0 : abi.ARGUMENT_INVALID);
  return answer !== 0 ? refused(answer) : done(configured(state, found.id, child));
}

const isRange = (start: bigint, size: bigint): boolean => size > 0n && start + size <= ADDRESSES;
const areAligned = (...values: readonly bigint[]): boolean => values.every((value) => value % PAGE === 0n);
const field = (word: bigint, shift: number, bits: number): number => Number((word >> BigInt(shift)) & BigInt(bits));

/** No reserved bits and no append; a type, a memory type and an access that there are. */
function checkAttributes(attrs: bigint): number {
  const [access, memtype] = [field(attrs, 0, ACCESS), field(attrs, abi.EXTENT_MEMTYPE_SHIFT, 3)];
  const hasOnly = (attrs & ~0x3_0307n) === 0n;
  const isType = field(attrs, abi.EXTENT_TYPE_SHIFT, 3) <= abi.EXTENT_SPARSE;
  const isAccess = access !== abi.ACCESS_NONE && access !== (abi.ACCESS_W | abi.ACCESS_X);
  return hasOnly && isType && isAccess && memtype !== abi.MEMTYPE_CACHED ? 0 : abi.ARGUMENT_INVALID;
}

const windowOf = (base: bigint, size: bigint, attrs: bigint, parent: number): Window => ({
  base,
  size,
  kind: field(attrs, abi.EXTENT_TYPE_SHIFT, 3),
  access: field(attrs, 0, ACCESS),
  memtype: field(attrs, abi.EXTENT_MEMTYPE_SHIFT, 3),
  parent,
  attached: false,
});

const configured = (state: GunyahState, id: number, window: Window): GunyahState => ({
  ...state,
  objects: new Map(state.objects).set(id, { type: "extent", state: "init", window }),
});

// Activation (3.2).

function activate(cap: number, state: GunyahState): Outcome | null {
  const found = find(cap, "extent", state);
  if (typeof found === "number") return found === abi.CSPACE_CAP_NULL ? refused(found) : null;
  const { id, object } = found;
  if (object.state !== "init") return refused(abi.OBJECT_STATE);
  if (object.window.size === 0n) return refused(abi.OBJECT_CONFIG);
  const active = { ...state, objects: new Map(state.objects).set(id, { ...object, state: "active" }) };
  return object.window.parent === 0
    ? activateRoot(id, object.window, active)
    : activateChild(id, object.window, active);
}

function activateRoot(id: number, window: Window, state: GunyahState): Outcome | null {
  if (window.memtype === abi.MEMTYPE_DEVICE) return null;
  if (window.kind === abi.EXTENT_SPARSE) return done(state);
  const partition = state.caps.get(abi.CAP_ROOT_PARTITION) ?? 0;
  return moved(state, partition, id, window.base, window.size);
}

/** It has the parent's records in its window, with no more access than its own; a carve-out has the memory, too. */
function activateChild(id: number, window: Window, state: GunyahState): Outcome | null {
  const parent = state.objects.get(window.parent);
  if (parent?.type !== "extent") return null;
  if (parent.window.attached) return refused(abi.BUSY);
  const end = window.base + window.size;
  const inherited = state.records.flatMap((record) => inheritedBy(record, id, window));
  const isPart = inherited.some(({ pa, size }) => pa !== window.base || pa + size !== end);
  if (window.kind === abi.EXTENT_BASIC && isPart) return refused(abi.DENIED);
  const linked = { ...state, records: [...state.records, ...inherited] };
  const isCarvedOut = window.kind === abi.EXTENT_BASIC || parent.window.kind === abi.EXTENT_BASIC;
  return isCarvedOut ? moved(linked, window.parent, id, window.base, window.size) : done(linked);
}

function inheritedBy(record: Mapped, child: number, { base, size, parent, access }: Window): Mapped[] {
  const [pa, end] = [max(record.pa, base), min(record.pa + record.size, base + size)];
  if (record.extent !== parent || pa >= end) return [];
  const kept = record.attributes & ~(~(access | (access << abi.MAP_KERNEL_SHIFT)) & ACCESS_BITS);
  return [{ ...record, extent: child, pa, ipa: record.ipa + (pa - record.pa), size: end - pa, attributes: kept }];
}

const ACCESS_BITS = 0x77;

/** Memory of one owner becomes another's. What nobody has any more for good is its heir's by then: one grace period is waited for. */
function moved(state: GunyahState, from: number, to: number, pa: bigint, size: bigint): Outcome {
  const now = isOwned(state.runs, from, pa, size) ? state : afterGrace(state);
  if (!isOwned(now.runs, from, pa, size)) return refused(abi.MEMDB_NOT_OWNER);
  return done({ ...now, runs: given(now.runs, to, pa, size) });
}

/** A grace period passes: what dying extents own goes to their parents, or back to the partition (3.7). */
export function afterGrace(state: GunyahState): GunyahState {
  const dying = [...state.objects].filter(([, object]) => object.state === "dying");
  if (dying.length === 0) return state;
  const partition = state.caps.get(abi.CAP_ROOT_PARTITION) ?? 0;
  let runs: readonly Run[] = state.runs;
  const objects = new Map(state.objects);
  for (const [id, object] of dying) {
    const heir = object.type === "extent" && object.window.parent !== 0 ? object.window.parent : partition;
    for (const run of runs.filter(({ owner }) => owner === id)) runs = given(runs, heir, run.pa, run.size);
    objects.delete(id);
  }
  return { ...state, runs, objects };
}

/** How a call ends that waits for a grace period if it succeeds, unless its flags say no_sync. */
function finished(outcome: Outcome, flags: bigint): Outcome {
  return outcome.after === null || (flags & NO_SYNC) !== 0n ? outcome : done(afterGrace(outcome.after));
}

// Donation (3.5).

function donate(call: Call<"memextent_donate">, state: GunyahState): Outcome | null {
  const { options, offset, size } = call;
  if ((options & ~(NO_SYNC | 0xffn)) !== 0n) return refused(abi.ARGUMENT_INVALID);
  if ((options & 0xffn) !== BigInt(abi.DONATE_TO_SIBLING)) return null;
  const from = findActive(call.from, "extent", state);
  if (typeof from === "number") return refused(from);
  const to = findActive(call.to, "extent", state);
  if (typeof to === "number") return refused(to);
  const [source, target] = [from.object.window, to.object.window];
  const pa = source.base + offset;
  const isInside = ({ base, size: bytes }: Window) => pa >= base && pa + size <= base + bytes;
  const areSiblings = from.id !== to.id && source.parent !== 0 && source.parent === target.parent;
  const answer =
    (areAligned(offset, size) ? 0 : abi.ARGUMENT_ALIGNMENT) ||
    (pa < ADDRESSES ? 0 : abi.ARGUMENT_INVALID) ||
    (size === 0n ? abi.ARGUMENT_SIZE : 0) ||
    (isInside(source) && isInside(target) && areSiblings ? 0 : abi.ARGUMENT_INVALID) ||
    (source.kind === abi.EXTENT_SPARSE ? 0 : abi.MEMEXTENT_TYPE) ||
    (target.kind === abi.EXTENT_SPARSE ? 0 : abi.ARGUMENT_INVALID);
  return answer !== 0 ? refused(answer) : finished(moved(state, from.id, to.id, pa, size), options);
}

// Mappings (3.3, 3.4).

type MappingCall = Call<"addrspace_map"> | Call<"addrspace_unmap"> | Call<"addrspace_update_access">;

/** A mapping call about an extent: where, and which of its memory. */
interface Place {
  readonly me: Found<"extent">;
  readonly space: Found<"space">["object"];
  readonly ipa: bigint;
  readonly pa: bigint;
  readonly size: bigint;
  readonly isPart: boolean;
}

function changeMapping(call: MappingCall, state: GunyahState): Outcome | null {
  const flags = BigInt(call.map_flags);
  const attributes =
    call.op === "addrspace_map" ? call.map_attrs : call.op === "addrspace_unmap" ? 0 : call.access_attrs;
  const allowed = call.op === "addrspace_map" ? abi.MAP_ATTRIBUTES : ACCESS_BITS;
  if ((attributes & ~allowed) !== 0 || (flags & ~(NO_SYNC | BigInt(abi.MAP_PARTIAL))) !== 0n) {
    return refused(abi.ARGUMENT_INVALID);
  }
  const space = findActive(call.as, "space", state);
  if (typeof space === "number") return refused(space);
  const me = findActive(call.me, "extent", state);
  if (typeof me === "number") return refused(me);
  const { base, size: all } = me.object.window;
  const isPart = (flags & BigInt(abi.MAP_PARTIAL)) !== 0n;
  const [offset, size] = isPart ? [call.offset, call.size] : [0n, all];
  const answer = checkPlace(call.vbase, offset, size, all, isPart);
  if (answer !== 0) return refused(answer);
  const place: Place = { me, space: space.object, ipa: call.vbase, pa: base + offset, size, isPart };
  const outcome = call.op === "addrspace_unmap" ? unmap(place, state) : allow(call.op, attributes, place, state);
  return outcome === null ? null : finished(outcome, flags);
}

/** Checks 1 and 2. */
function checkPlace(ipa: bigint, offset: bigint, size: bigint, all: bigint, isPart: boolean): number {
  if (!areAligned(ipa) || (isPart && !areAligned(offset, size))) return abi.ARGUMENT_ALIGNMENT;
  const isGood = isRange(offset, size) && isRange(ipa, size) && offset + size <= all;
  return isGood || !isPart ? 0 : abi.ARGUMENT_SIZE;
}

/** Checks 3 to 5 of a call that grants access, which map and update have in common. */
function allow(op: MappingCall["op"], attributes: number, place: Place, state: GunyahState): Outcome | null {
  const { access, memtype, kind } = place.me.object.window;
  const [user, kernel] = [attributes & ACCESS, (attributes >> abi.MAP_KERNEL_SHIFT) & ACCESS];
  if (((user | kernel) & ~access) !== 0) return refused(abi.ARGUMENT_INVALID);
  if (op === "addrspace_map" && !isMemoryAllowed(attributes >> abi.MAP_MEMTYPE_SHIFT, memtype)) {
    return refused(abi.ARGUMENT_INVALID);
  }
  // What no descriptor can say is asserted not to occur.
  if (user !== kernel) return null;
  if (place.space.readOnly) return refused(abi.DENIED);
  if (place.isPart && kind === abi.EXTENT_BASIC) return refused(abi.MEMEXTENT_TYPE);
  return op === "addrspace_map" ? map(attributes, place, state) : updateAccess(attributes, place, state);
}

function isMemoryAllowed(wanted: number, memtype: number): boolean {
  if (wanted <= abi.MAP_DEVICE_GRE) return memtype !== abi.MEMTYPE_CACHED;
  if (wanted === abi.MAP_NORMAL_NC) return memtype === abi.MEMTYPE_ANY || memtype === abi.MEMTYPE_UNCACHED;
  return memtype === abi.MEMTYPE_ANY;
}

/** Checks 5 to 7: a record in the first slot of the space that has room, else in the first free one; and what is owned is mapped. */
function map(attributes: number, { me, space, ipa, pa, size }: Place, state: GunyahState): Outcome {
  const { kind } = me.object.window;
  if (kind === abi.EXTENT_SPARSE && ipa + size >= RECORD_END) return refused(abi.ADDR_INVALID);
  const inSlots = Array.from({ length: SLOTS }, (_, slot) =>
    state.records.filter((record) => isIn(record, { extent: me.id, slot })),
  );
  const overlaps = (record: Mapped) => record.pa < pa + size && pa < record.pa + record.size;
  const hasRoom = (records: readonly Mapped[]) =>
    kind === abi.EXTENT_SPARSE && records[0]?.vm === space.vmid && !records.some(overlaps);
  const known = inSlots.findIndex(hasRoom);
  const slot = known >= 0 ? known : inSlots.findIndex((records) => records.length === 0);
  if (slot < 0) return refused(abi.MEMEXTENT_MAPPINGS_FULL);
  for (const part of ownedParts(state.runs, me.id, pa, size)) {
    const at = ipa + (part.pa - pa);
    if (at >= IPA_END) return refused(abi.ADDR_INVALID);
    if (at + part.size > IPA_END) return refused(abi.ADDR_OVERFLOW);
  }
  const record = { extent: me.id, slot, vm: space.vmid, pa, size, ipa, attributes };
  return done({ ...state, records: [...state.records, record] });
}

function unmap(place: Place, state: GunyahState): Outcome {
  const { me, space, pa, size, isPart } = place;
  if (space.readOnly) return refused(abi.DENIED);
  if (isPart && me.object.window.kind === abi.EXTENT_BASIC) return refused(abi.MEMEXTENT_TYPE);
  const slot = slotWith(place, state);
  if (slot === null) return refused(abi.ADDR_INVALID);
  return done({ ...state, records: withoutPart(state.records, { extent: me.id, slot }, pa, size) });
}

/** Of a SPARSE extent the record is found, and never handed to the part that uses it (3.4). */
function updateAccess(access: number, place: Place, state: GunyahState): Outcome {
  const { me } = place;
  const slot = slotWith(place, state);
  if (slot === null || me.object.window.kind === abi.EXTENT_SPARSE) return refused(abi.ADDR_INVALID);
  const records = state.records.map((record) =>
    isIn(record, { extent: me.id, slot })
      ? { ...record, attributes: (record.attributes & ~ACCESS_BITS) | access }
      : record,
  );
  return done({ ...state, records });
}

/** The first slot that says all of this memory is mapped there. */
function slotWith({ me, space, ipa, pa, size }: Place, { records }: GunyahState): number | null {
  for (let slot = 0; slot < SLOTS; slot++) {
    let at = pa;
    for (const record of records) {
      const isThere = isIn(record, { extent: me.id, slot }) && record.vm === space.vmid;
      const isAt = record.pa <= at && at < record.pa + record.size && record.ipa - record.pa === ipa - pa;
      if (isThere && isAt) at = record.pa + record.size;
    }
    if (at >= pa + size) return slot;
  }
  return null;
}

/** unmap_all. The other operations of memextent_modify change contents and caches only. */
function modify({ me: cap, flags }: Call<"memextent_modify">, state: GunyahState): Outcome | null {
  if ((flags & ~(NO_SYNC | 0xffn)) !== 0n) return refused(abi.ARGUMENT_INVALID);
  if ((flags & 0xffn) !== BigInt(abi.MODIFY_UNMAP_ALL)) return null;
  const me = findActive(cap, "extent", state);
  if (typeof me === "number") return refused(me);
  return finished(done({ ...state, records: state.records.filter(({ extent }) => extent !== me.id) }), flags);
}
