// A Gunyah machine as its specification sees it (reference gunyah section 8): who owns which memory, which records extents have,
// what extents, address spaces, parcels and VMs are. No page tables: what is mapped follows from owners and records.

import { VMID_RM } from "../../assembly/abi/gunyah.js";
import { listOwners, listRecords } from "../machine/dumps.js";
import type { AttributeEntry } from "../machine/gunyah-messages.js";
import type { Owner } from "../machine/gunyah-names.js";
import { parcels, rmVm, type Parcel, type RmVm } from "../machine/gunyah-parcels.js";
import type { Machine } from "../machine/machine.js";
import type { ExploreCore } from "./variant.js";

export const PAGE = 0x1000n;

/** Memory of one owner, by the number of the owner's object. Bytes. */
export interface Run {
  readonly pa: bigint;
  readonly size: bigint;
  readonly owner: number;
}

/** A record of an extent: this memory is mapped there, as far as the extent owns it. Attributes are a map call's. */
export interface Mapped {
  readonly extent: number;
  readonly slot: number;
  readonly vm: number;
  readonly pa: bigint;
  readonly size: bigint;
  readonly ipa: bigint;
  readonly attributes: number;
}

/** What the hypervisor knows of an object beside the memory. */
export type PlainObject =
  | { readonly type: "extent"; readonly state: PlainState; readonly window: Window }
  | { readonly type: "space"; readonly state: PlainState; readonly vmid: number; readonly readOnly: boolean }
  | { readonly type: "other"; readonly state: PlainState };

export type PlainState = "init" | "active" | "dying";

/** How an extent is configured; size 0: it is not. */
export interface Window {
  readonly base: bigint;
  readonly size: bigint;
  readonly kind: number;
  readonly access: number;
  readonly memtype: number;
  /** The object it is derived from; 0: of a partition's memory. */
  readonly parent: number;
  readonly attached: boolean;
}

export interface PlainParcel extends Parcel {
  /** As it was created with them. */
  readonly attributes: readonly AttributeEntry[];
  /** Of its notifications; null: there was none. */
  readonly tag: number | null;
}

/** All that answers depend on, but for how much memory is left. */
export interface GunyahState {
  readonly runs: readonly Run[];
  readonly records: readonly Mapped[];
  readonly objects: ReadonlyMap<number, PlainObject>;
  /** The objects that the resource manager's capabilities stand for. */
  readonly caps: ReadonlyMap<number, number>;
  /** In the order of their handles. */
  readonly parcels: readonly PlainParcel[];
  readonly vms: ReadonlyMap<number, RmVm>;
  /** What the owners are to the resource manager, by their objects' numbers. */
  readonly roles: ReadonlyMap<number, Owner>;
}

const EXTENT = 4;
const SPACE = 3;
const STATES = ["init", "active", "dying"] as const;

/**
 * Reads it off a machine.
 *
 * @param vmids all VMs that there may be
 */
export function readState(machine: Machine, vmids: readonly number[]): GunyahState {
  const owners = listOwners(machine.core);
  return {
    runs: owners.map(({ pa, size, owner }) => ({ pa, size, owner: owner.object })),
    records: listRecords(machine.core).map(({ extent, ...record }) => ({ ...record, extent: extent.object })),
    objects: objectsOf(machine.core as ExploreCore),
    caps: capsOf(machine.core as ExploreCore),
    parcels: parcels(machine).map((parcel) => ({ ...parcel, ...listsOf(machine.core as ExploreCore, parcel.handle) })),
    vms: new Map(vmids.flatMap((vmid) => vmEntry(vmid, rmVm(machine, vmid)))),
    roles: new Map(owners.map(({ owner }) => [owner.object, owner])),
  };
}

const vmEntry = (vmid: number, vm: RmVm | null): [number, RmVm][] => (vm === null ? [] : [[vmid, vm]]);

function objectsOf({ exports }: ExploreCore): Map<number, PlainObject> {
  const objects = new Map<number, PlainObject>();
  const end = exports.objectNumbersEnd();
  for (let id = 1; id < end; id++) {
    const word = (index: number) => BigInt.asUintN(64, exports.objectWord(id, index));
    const head = word(0);
    if (head !== 0n) objects.set(id, objectOf(head, word));
  }
  return objects;
}

function objectOf(head: bigint, word: (index: number) => bigint): PlainObject {
  const state = STATES[byte(head, 8n)] ?? "dying";
  switch (byte(head, 0n)) {
    case EXTENT: {
      const [base, size, how] = [word(1), word(2), word(3)];
      const [kind, access, memtype] = [byte(how, 0n), byte(how, 8n), byte(how, 16n)];
      const [attached, parent] = [byte(head, 16n) !== 0, Number(head >> 32n)];
      return { type: "extent", state, window: { base, size, kind, access, memtype, parent, attached } };
    }
    case SPACE:
      return { type: "space", state, vmid: byte(word(1), 0n), readOnly: byte(word(1), 32n) !== 0 };
    default:
      return { type: "other", state };
  }
}

const byte = (word: bigint, shift: bigint): number => Number((word >> shift) & 0xffn);

function capsOf({ exports }: ExploreCore): Map<number, number> {
  const caps = new Map<number, number>();
  for (let cap = exports.highestCap(VMID_RM); cap > 0; cap--) {
    const object = exports.capObject(VMID_RM, cap);
    if (object !== 0) caps.set(cap, object);
  }
  return caps;
}

function listsOf({ exports }: ExploreCore, handle: number): Pick<PlainParcel, "attributes" | "tag"> {
  const attributes: AttributeEntry[] = [];
  for (;;) {
    const word = Number(BigInt.asUintN(64, exports.parcelAttribute(handle, attributes.length)));
    if (word === 0) break;
    attributes.push({ attr: word & 0xffff, vmid: (word >>> 16) & 0xffff });
  }
  const tag = BigInt.asUintN(64, exports.parcelTag(handle));
  return { attributes, tag: tag === 0n ? null : Number(tag & 0xffff_ffffn) };
}

// Memory by its owners.

/** Whether all of [pa, pa + size) is one object's. */
export function isOwned(runs: readonly Run[], owner: number, pa: bigint, size: bigint): boolean {
  let at = pa;
  for (const run of runs) if (run.owner === owner && run.pa <= at && run.pa + run.size > at) at = run.pa + run.size;
  return at >= pa + size;
}

/** The parts of [pa, pa + size) that one object owns. */
export function ownedParts(runs: readonly Run[], owner: number, pa: bigint, size: bigint): Run[] {
  return runs.flatMap((run) => {
    const [from, end] = [max(run.pa, pa), min(run.pa + run.size, pa + size)];
    return run.owner === owner && from < end ? [{ pa: from, size: end - from, owner }] : [];
  });
}

/** The same memory, with [pa, pa + size) another's. */
export function given(runs: readonly Run[], owner: number, pa: bigint, size: bigint): Run[] {
  const end = pa + size;
  const others = runs.flatMap((run) => [
    { ...run, size: min(run.pa + run.size, pa) - run.pa },
    { ...run, pa: max(run.pa, end), size: run.pa + run.size - max(run.pa, end) },
  ]);
  return [...others.filter((run) => run.size > 0n), { pa, size, owner }].sort((a, b) => (a.pa < b.pa ? -1 : 1));
}

/** Runs side by side as one. */
export function joinedRuns(runs: readonly Run[]): Run[] {
  const joined: Run[] = [];
  for (const run of runs) {
    const last = joined.at(-1);
    if (last?.owner === run.owner && last.pa + last.size === run.pa) {
      joined[joined.length - 1] = { ...last, size: last.size + run.size };
    } else joined.push(run);
  }
  return joined;
}

/** The records without what they say of [pa, pa + size) in one slot. */
export function withoutPart(records: readonly Mapped[], slot: Slot, pa: bigint, size: bigint): Mapped[] {
  const end = pa + size;
  return records.flatMap((record) => {
    if (!isIn(record, slot) || record.pa >= end || record.pa + record.size <= pa) return [record];
    const before = { ...record, size: pa - record.pa };
    const behind = { ...record, pa: end, ipa: record.ipa + (end - record.pa), size: record.pa + record.size - end };
    return [before, behind].filter((part) => part.size > 0n);
  });
}

/** A slot of an extent. */
export type Slot = Pick<Mapped, "extent" | "slot">;

export const isIn = (record: Mapped, { extent, slot }: Slot): boolean =>
  record.extent === extent && record.slot === slot;

/** Records in the order of their slots and memory; those that continue each other as one. */
export function joinedRecords(records: readonly Mapped[]): Mapped[] {
  const joined: Mapped[] = [];
  for (const record of [...records].sort(inOrder)) {
    const last = joined.at(-1);
    const size = last?.size ?? 0n;
    const continues =
      last !== undefined && isIn(record, last) && record.pa === last.pa + size && record.ipa === last.ipa + size;
    if (continues && record.attributes === last.attributes) {
      joined[joined.length - 1] = { ...last, size: size + record.size };
    } else joined.push(record);
  }
  return joined;
}

function inOrder(a: Mapped, b: Mapped): number {
  return a.extent - b.extent || a.slot - b.slot || (a.pa < b.pa ? -1 : 1);
}

export const min = (a: bigint, b: bigint): bigint => (a < b ? a : b);
export const max = (a: bigint, b: bigint): bigint => (a > b ? a : b);
