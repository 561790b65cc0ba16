// Listings of a Gunyah machine: who owns which memory, and what extents say of where it is mapped. Layouts: abi/records.ts.

import { MEMDB_EXTENT, MEMDB_NOTYPE } from "../abi/gunyah";
import { DUMP_OWNER_SIZE, DUMP_RECORD_SIZE } from "../abi/records";
import { AddressSpace } from "../systems/gunyah/address-space";
import {
  endOf,
  Extent,
  hasRecord,
  readRecord,
  recordAttributes,
  RECORD_IPA,
  recordEnd,
  recordValue,
  SLOTS,
  slotSpace,
} from "../systems/gunyah/extent";
import { GPT_LIMIT } from "../systems/gunyah/gpt";
import { bytesInUse } from "../systems/gunyah/machine";
import { findOwnerRun, ownerObject, ownerType, ownerWord, runEnd } from "../systems/gunyah/memdb";
import { OBJECT_MEMEXTENT, objectAt, objectsEnd } from "../systems/gunyah/object";
import { dumpCapacity, dumpWindow } from "./dump";

/** Runs of one owner from `from` on, ascending; memory that nobody owns is left out. */
export function dumpOwners(from: u64): i32 {
  const window = dumpWindow();
  let count = 0;
  for (let pa = from; findOwnerRun(pa, GPT_LIMIT); pa = runEnd) {
    if (ownerType == MEMDB_NOTYPE) continue;
    if ((count + 1) * DUMP_OWNER_SIZE > dumpCapacity()) break;
    const at = window + count * DUMP_OWNER_SIZE;
    store<u64>(at, pa);
    store<u64>(at, runEnd - pa, 8);
    store<u64>(at, ownerWord(ownerObject, ownerType), 16);
    count++;
  }
  return count;
}

let toSkip: u32 = 0;
let written: i32 = 0;

/** The records of all extents, by extent, slot and physical address; the first `skip` are left out. */
export function dumpRecords(skip: u32): i32 {
  toSkip = skip;
  written = 0;
  for (let id: u32 = 1; id < objectsEnd(); id++) {
    const object = objectAt(id);
    if (object == null || object.type != OBJECT_MEMEXTENT) continue;
    for (let slot: u32 = 0; slot < SLOTS; slot++) {
      if (!dumpSlot(changetype<Extent>(object), slot)) return written;
    }
  }
  return written;
}

// False when the window is full.
function dumpSlot(me: Extent, slot: u32): bool {
  const space = slotSpace(me, slot);
  if (space == null) return true;
  for (let pa = me.base; pa < endOf(me); pa = recordEnd) {
    readRecord(me, slot, pa, endOf(me));
    if (hasRecord && !addRecord(me, slot, space, pa)) return false;
  }
  return true;
}

function addRecord(me: Extent, slot: u32, space: AddressSpace, pa: u64): bool {
  if (toSkip != 0) {
    toSkip--;
    return true;
  }
  if ((written + 1) * DUMP_RECORD_SIZE > dumpCapacity()) return false;
  const at = dumpWindow() + written * DUMP_RECORD_SIZE;
  store<u64>(at, pa);
  store<u64>(at, recordEnd - pa, 8);
  store<u64>(at, recordValue & RECORD_IPA, 16);
  store<u32>(at, recordAttributes(recordValue), 24);
  store<u32>(at, space.vmid, 28);
  store<u32>(at, slot, 32);
  store<u32>(at, 0, 36);
  store<u64>(at, ownerWord(me.id, MEMDB_EXTENT), 40);
  written++;
  return true;
}

/** Bytes (of HEAP_TABLES: pages) of a heap in use. */
export function heapUsed(heap: u32): u64 {
  return bytesInUse(heap);
}
