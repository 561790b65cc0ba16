// Parcels and VMs of a Gunyah machine as its resource manager keeps them (layouts: assembly/abi/gunyah-rm.ts, "Dumps").

import * as abi from "../../assembly/abi/gunyah-rm.js";
import { decodeOwner, type Owner } from "./gunyah-names.js";
import { decodeParcelWord, type ParcelStatus } from "./gunyah-rm-effects.js";
import { rmVmStateName } from "./gunyah-rm-reasons.js";
import type { Machine } from "./machine.js";
import type { Core } from "./module.js";

/** Memory of a parcel: where it is, and where its owner had it. Bytes. */
export interface ParcelRegion {
  readonly pa: bigint;
  readonly size: bigint;
  readonly ipa: bigint;
}

/** An ACL entry, and how far that VM has accepted. */
export interface ParcelMember {
  readonly vmid: number;
  /** R 4, W 2, X 1. */
  readonly rights: number;
  /** NORMAL 0, DEVICE 1, UNCACHED 2, CACHED 3. */
  readonly attribute: number;
  readonly shared: boolean;
  readonly mapped: boolean;
  readonly contiguous: boolean;
  /** Where its regions are to be: one for each so far, of a contiguous one a single address. */
  readonly ipas: readonly bigint[];
  /** Its place in the order of all acceptances. */
  readonly turn: number;
}

/** A memory parcel. */
export interface Parcel extends ParcelStatus {
  readonly handle: number;
  /** VMID; 0 is nobody. */
  readonly owner: number;
  readonly label: number;
  readonly totalSize: bigint;
  readonly members: readonly ParcelMember[];
  readonly regions: readonly ParcelRegion[];
  /** Number of its extent in the ownership database. */
  readonly extent: number;
}

/** A VM at the resource manager. */
export interface RmVm {
  readonly vmid: number;
  /** `LOAD`, `READY`, `RUNNING`, ... */
  readonly state: string;
  /** VMID of who allocated it. */
  readonly owner: number;
  readonly direct: boolean;
  /** Parcels that it owns. */
  readonly parcels: number;
}

/** All parcels of a Gunyah machine, by handle. */
export function parcels(machine: Machine): Parcel[] {
  const { core } = machine;
  const found: Parcel[] = [];
  for (let next = 0; ;) {
    const count = core.exports.dumpParcels(next);
    if (count === 0) return found;
    const records = copyWindow(core, count * abi.DUMP_PARCEL_SIZE);
    for (let at = 0; at < records.byteLength; at += abi.DUMP_PARCEL_SIZE) found.push(parcelAt(core, records, at));
    next = (found.at(-1) as Parcel).handle + 1;
  }
}

/** The parcel with this handle, or null. */
export function parcel(machine: Machine, handle: number): Parcel | null {
  if (machine.core.exports.dumpParcels(handle) === 0) return null;
  const record = copyWindow(machine.core, abi.DUMP_PARCEL_SIZE);
  return record.getUint32(0, true) === handle ? parcelAt(machine.core, record, 0) : null;
}

/** What the resource manager knows of a VM; null if there is none. */
export function rmVm(machine: Machine, vmid: number): RmVm | null {
  const word = BigInt.asUintN(64, machine.core.exports.rmVmInfo(vmid));
  if (word === 0n) return null;
  const low = Number(word & 0xffff_ffffn);
  const direct = ((low >> 8) & abi.VM_MEM_MAP_DIRECT) !== 0;
  return { vmid, state: rmVmStateName(low & 0xff), owner: (low >>> 16) & 0xff, direct, parcels: Number(word >> 32n) };
}

/** Who owns a byte of physical memory, as the hypervisor's database says. `pa` in bytes. */
export function ownerOf(machine: Machine, pa: bigint): Owner {
  return decodeOwner(BigInt.asUintN(64, machine.core.exports.gunyahOwner(pa)));
}

// The window is filled again by the next call: what was in it is copied.
function copyWindow(core: Core, bytes: number): DataView {
  const window = core.exports.dumpWindow();
  return new DataView(core.memory.buffer.slice(window, window + bytes));
}

function parcelAt(core: Core, record: DataView, at: number): Parcel {
  const handle = record.getUint32(at, true);
  return {
    handle,
    owner: record.getUint32(at + 4, true),
    ...(decodeParcelWord(record.getBigUint64(at + 8, true)) as ParcelStatus),
    totalSize: record.getBigUint64(at + 16, true),
    label: record.getUint32(at + 24, true),
    members: membersOf(core, handle),
    regions: regionsOf(core, handle),
    extent: record.getUint32(at + 40, true),
  };
}

function membersOf(core: Core, handle: number): ParcelMember[] {
  const view = copyWindow(core, core.exports.dumpMembers(handle) * abi.DUMP_ACL_SIZE);
  const members: ParcelMember[] = [];
  for (let at = 0; at < view.byteLength; at += abi.DUMP_ACL_SIZE) {
    const vmid = view.getUint16(at, true);
    members.push({
      vmid,
      rights: view.getUint8(at + 2),
      attribute: view.getUint8(at + 3),
      shared: view.getUint8(at + 4) !== 0,
      mapped: view.getUint8(at + 5) !== 0,
      contiguous: view.getUint8(at + 6) !== 0,
      ipas: ipasOf(core, handle, vmid),
      turn: view.getUint32(at + 12, true),
    });
  }
  return members;
}

function ipasOf(core: Core, handle: number, vmid: number): bigint[] {
  const ipas: bigint[] = [];
  for (;;) {
    const count = core.exports.dumpIpas(handle, vmid, ipas.length);
    if (count === 0) return ipas;
    const view = copyWindow(core, count * 8);
    for (let at = 0; at < view.byteLength; at += 8) ipas.push(view.getBigUint64(at, true));
  }
}

function regionsOf(core: Core, handle: number): ParcelRegion[] {
  const regions: ParcelRegion[] = [];
  for (;;) {
    const count = core.exports.dumpRegions(handle, regions.length);
    if (count === 0) return regions;
    const view = copyWindow(core, count * abi.DUMP_REGION_SIZE);
    for (let at = 0; at < view.byteLength; at += abi.DUMP_REGION_SIZE) {
      regions.push({
        pa: view.getBigUint64(at, true),
        size: view.getBigUint64(at + 8, true),
        ipa: view.getBigUint64(at + 16, true),
      });
    }
  }
}
