// The machine as it is when HLOS starts (reference gunyah sections 1, 6.3): the hypervisor's partitions, all RAM donated
// partition -> parent_ddr -> HLOS's owned_ddr, and HLOS's address space with one record IPA = PA, mapped eagerly.

import { CREATE_CARVEOUT, CREATE_OK, CREATE_POOL, CREATE_TOO_LARGE, MEMBLOCK_NOMAP } from "../../abi/codes";
import {
  CONFIG_CARVEOUT_BASE,
  CONFIG_CARVEOUT_SIZE,
  CONFIG_HEAP_BYTES,
  CONFIG_MEMDB_BYTES,
  CONFIG_POOL_PAGES,
} from "../../abi/config";
import {
  ACCESS_RWX,
  EXTENT_SPARSE,
  EXTENT_TYPE_SHIFT,
  HEAP_HYPERVISOR,
  HEAP_PARTITION,
  HEAP_TABLES,
  MAP_KERNEL_SHIFT,
  MAP_MEMTYPE_SHIFT,
  MAP_NORMAL_WB,
  MEMDB_PARTITION,
  RIGHTS_ALL,
  ROLE_OWNED,
  ROLE_PARENT_DDR,
  VMID_HLOS,
  VMID_RM,
} from "../../abi/gunyah";
import { HEAP_RM } from "../../abi/gunyah-rm";
import { pageShift } from "../../arch/geometry";
import { isMemoryRange, regionAt, regionCount } from "../../memory/regions";
import { AddressSpace, createSpaceOf, findSpace as spaceOf, reserveSpaces } from "./address-space";
import {
  activateCspace,
  checkRoom,
  configureCspace,
  createCspace,
  CSpace,
  putCap,
  reserveCspaces,
  setCspace,
} from "./cspace";
import { donateChild, donateFromPartition } from "./donate";
import { configureExtent, createExtent, Extent, sparseChild } from "./extent";
import { activateExtent, reserveDying } from "./extent-life";
import { GPT_LIMIT } from "./gpt";
import { reserveTestMap } from "./gpt-calls";
import { mapPartial } from "./mapping";
import { memdbInsert, memdbUpdate, reserveMemdb } from "./memdb";
import { createObject, KernelObject, OBJECT_PARTITION, Partition, reserveObjects, STATE_ACTIVE } from "./object";
import { limitTables, reserveTables, tablesInUse } from "./page-table";
import { Heap, reserveHeap } from "./partition";
import { createResourceManager } from "./resource-manager";
import { rmHeap } from "./rm-memory";

/** RM's partition, and the hypervisor's own. */
export let rootPartition: Partition = changetype<Partition>(0);
export let hypPartition: Partition = changetype<Partition>(0);
/** The sparse root extent that all memory of VMs descends from. */
export let parentDdr: Extent = changetype<Extent>(0);
/** HLOS's memory: owned_ddr. */
export let hlosOwned: Extent = changetype<Extent>(0);
export let hlosSpace: AddressSpace = changetype<AddressSpace>(0);

const PARTITION_BYTES: usize = offsetof<Partition>();
const RM_CAPABILITIES: u64 = 4096;
const HLOS_CAPABILITIES: u64 = 64;
/** RWX to EL1 and EL0, normal write-back. */
const RWX_WB: u32 = ACCESS_RWX | (ACCESS_RWX << MAP_KERNEL_SHIFT) | (MAP_NORMAL_WB << MAP_MEMTYPE_SHIFT);

/** Builds the machine in fresh memory; regions, frames and walk cache are there. CREATE_*. */
export function createGunyah(config: usize): i32 {
  const objects = reserveHeap(HEAP_PARTITION, load<u32>(config, CONFIG_HEAP_BYTES) as u64);
  const nodes = reserveHeap(HEAP_HYPERVISOR, load<u32>(config, CONFIG_MEMDB_BYTES) as u64);
  if (objects == null || nodes == null) return CREATE_TOO_LARGE;
  if (!reserveObjects() || !reserveMemdb(nodes) || !reserveSpaces() || !reserveCspaces()) return CREATE_TOO_LARGE;
  if (!reserveDying() || !reserveTestMap()) return CREATE_TOO_LARGE;
  const base = load<u64>(config, CONFIG_CARVEOUT_BASE);
  const size = load<u64>(config, CONFIG_CARVEOUT_SIZE);
  const tables = load<u32>(config, CONFIG_POOL_PAGES) as u64;
  if (size == 0 || !isMemoryRange(base, base + size) || tables > size >> pageShift) return CREATE_CARVEOUT;
  if (!reserveTables(base >> pageShift, tables)) return CREATE_TOO_LARGE;
  if (!createPartitions(objects, nodes) || !giveRam(base, size)) return CREATE_POOL;
  if (!createExtents() || !createCspaces()) return CREATE_POOL;
  if (!giveToHlos(base, base + size)) return CREATE_POOL;
  return createResourceManager() ? CREATE_OK : CREATE_TOO_LARGE;
}

function createPartitions(objects: Heap, nodes: Heap): bool {
  const root = createObject(OBJECT_PARTITION, null, objects, PARTITION_BYTES);
  const hyp = createObject(OBJECT_PARTITION, null, nodes, PARTITION_BYTES);
  if (root == 0 || hyp == 0) return false;
  rootPartition = changetype<Partition>(root);
  hypPartition = changetype<Partition>(hyp);
  rootPartition.state = STATE_ACTIVE;
  hypPartition.state = STATE_ACTIVE;
  return true;
}

/** A partition below another one, out of its heap and sharing it; null if there is no memory for it. */
export function createPartition(parent: Partition): Partition | null {
  const at = createObject(OBJECT_PARTITION, parent, parent.heap, PARTITION_BYTES);
  return at == 0 ? null : changetype<Partition>(at);
}

// All RAM is the root partition's, but what the hypervisor keeps for itself.
function giveRam(carveout: u64, size: u64): bool {
  for (let i = 0; i < regionCount; i++) {
    const region = regionAt(i);
    const last = region.base + region.size - 1;
    if (memdbInsert(region.base, last, rootPartition.id, MEMDB_PARTITION) != 0) return false;
  }
  const root = rootPartition.id;
  return memdbUpdate(carveout, carveout + size - 1, hypPartition.id, MEMDB_PARTITION, root, MEMDB_PARTITION) == 0;
}

function createExtents(): bool {
  const root = createExtent(rootPartition);
  if (root == null) return false;
  const attributes = ACCESS_RWX | (EXTENT_SPARSE << EXTENT_TYPE_SHIFT);
  if (configureExtent(root, 0, GPT_LIMIT, attributes) != 0 || activateExtent(root) != 0) return false;
  root.role = ROLE_PARENT_DDR;
  const owned = sparseChild(root, ACCESS_RWX);
  const space = createAddressSpace(VMID_HLOS);
  if (owned == null || space == null || createAddressSpace(VMID_RM) == null) return false;
  owned.role = ROLE_OWNED;
  owned.label = VMID_HLOS;
  parentDdr = root;
  hlosOwned = owned;
  hlosSpace = space;
  return mapPartial(owned, space, 0, 0, GPT_LIMIT, RWX_WB) == 0;
}

// The resource manager is the only holder of capabilities for extents and address spaces (CAP_* of abi/gunyah.ts).
function createCspaces(): bool {
  const rm = newCspace(RM_CAPABILITIES);
  const hlos = newCspace(HLOS_CAPABILITIES);
  if (rm == null || hlos == null) return false;
  hold(rm, rm);
  hold(rm, rootPartition);
  hold(rm, parentDdr);
  hold(rm, hlosOwned);
  hold(rm, hlosSpace);
  hold(rm, hlos);
  setCspace(VMID_RM, rm);
  setCspace(VMID_HLOS, hlos);
  return true;
}

function newCspace(capacity: u64): CSpace | null {
  const cspace = createCspace(rootPartition);
  if (cspace == null || configureCspace(cspace, capacity) != 0 || activateCspace(cspace) != 0) return null;
  return cspace;
}

// The machine itself keeps the reference that an object is made with.
function hold(cspace: CSpace, object: KernelObject): void {
  if (checkRoom(cspace) != 0) return;
  object.references++;
  putCap(cspace, object, RIGHTS_ALL, 0);
}

function giveToHlos(carveout: u64, carveoutEnd: u64): bool {
  for (let i = 0; i < regionCount; i++) {
    const region = regionAt(i);
    if (region.flags & MEMBLOCK_NOMAP) continue;
    const end = region.base + region.size;
    const isSplit = carveout >= region.base && carveout < end;
    if (!giveRange(region.base, isSplit ? carveout : end)) return false;
    if (isSplit && !giveRange(carveoutEnd, end)) return false;
  }
  return true;
}

function giveRange(base: u64, end: u64): bool {
  if (base >= end) return true;
  if (donateFromPartition(parentDdr, base, end - base) != 0) return false;
  return donateChild(parentDdr, hlosOwned, base, end - base) == 0;
}

/** The address space with this VMID, or null. */
export function findSpace(vmid: u32): AddressSpace | null {
  return spaceOf(vmid);
}

/** One of RM's partition, configured and activated; null if there is no memory for it or the VMID is in use. */
export function createAddressSpace(vmid: u32): AddressSpace | null {
  return createSpaceOf(rootPartition, vmid);
}

/** heap_limit: so many more allocations succeed (all ones: as many as there is memory for). */
export function limitHeap(heap: u64, allocations: u64): bool {
  if (heap == HEAP_PARTITION) rootPartition.heap.allowed = allocations;
  else if (heap == HEAP_HYPERVISOR) hypPartition.heap.allowed = allocations;
  else if (heap == HEAP_RM) rmHeap.allowed = allocations;
  else if (heap == HEAP_TABLES) limitTables(allocations);
  else return false;
  return true;
}

/** Bytes of a heap in use; of the page tables, pages. */
export function bytesInUse(heap: u32): u64 {
  if (heap == HEAP_TABLES) return tablesInUse();
  if (heap == HEAP_RM) return rmHeap.used;
  return heap == HEAP_PARTITION ? rootPartition.heap.used : hypPartition.heap.used;
}
