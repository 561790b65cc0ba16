// FFA_MEM_PERM_GET and FFA_MEM_PERM_SET: an S-EL0 partition's own mappings, while it initialises
// (src/api.c:api_ffa_mem_perm_get, api_ffa_mem_perm_set; reference ffa, section 13).

import {
  FFA_DENIED,
  FFA_INVALID_PARAMETERS,
  FFA_NO_MEMORY,
  MODE_ABSENT,
  MODE_D,
  MODE_INVALID,
  MODE_R,
  MODE_W,
  MODE_X,
  REASON_FFA_ALIGNMENT,
  REASON_FFA_DEVICE,
  REASON_FFA_MIXED_MODES,
  REASON_FFA_PERM_CALLER,
  REASON_FFA_PERM_VALUE,
  REASON_FFA_RANGE,
  REASON_FFA_TABLE_MEMORY,
} from "../../abi/ffa";
import { HF_PERM_RANGE_EDGE, HF_PERM_SET_DROPS_STATE } from "../../abi/mutations";
import { iaSize, pageMask, pageShift, pageSize } from "../../arch/geometry";
import { isMutated } from "../../memory/mutation";
import { refuse } from "../../memory/verdict";
import { Endpoint, endpointMode, isEl0, isInitialising, setEndpointMode } from "./endpoint";
import { replyDone, replyPermission } from "./reply";

const READ_ONLY: u32 = 7;
const READ_WRITE: u32 = 5;
const READ_EXECUTE: u32 = 3;
const ACCESS: i32 = MODE_R | MODE_W | MODE_X;

function invalid(why: i32, what: u64, want: u32, have: u32): i32 {
  return refuse(FFA_INVALID_PARAMETERS, why, what, want, have);
}

function checkCaller(caller: Endpoint): i32 {
  if (isEl0(caller) && isInitialising(caller)) return 0;
  return refuse(FFA_DENIED, REASON_FFA_PERM_CALLER, caller.id, 0, 0);
}

function isUnmapped(mode: i32): bool {
  return (mode & MODE_INVALID) != 0;
}

/** `pages`: the count less one, as w2 has it. */
export function permGet(caller: Endpoint, base: u64, pages: u32): i32 {
  const count = pages + 1;
  const size = (count as u64) << pageShift;
  if (count == 0 || base + size < base) return invalid(REASON_FFA_RANGE, base, 0, pages);
  const refused = checkCaller(caller);
  if (refused != 0) return refused;
  if (base & pageMask) return invalid(REASON_FFA_ALIGNMENT, base, 0, 0);
  const mode = base < iaSize ? endpointMode(caller, base) : MODE_ABSENT;
  if (isUnmapped(mode)) return invalid(REASON_FFA_RANGE, base, 0, mode);
  let run: u32 = 1;
  while (run < count && endpointMode(caller, base + ((run as u64) << pageShift)) == mode) run++;
  replyPermission(permissionOf(mode), run - 1);
  return 0;
}

function permissionOf(mode: i32): u32 {
  if (mode & MODE_X) return READ_EXECUTE;
  return mode & MODE_W ? READ_WRITE : READ_ONLY;
}

export function permSet(caller: Endpoint, base: u64, pages: u32, permission: u32): i32 {
  const refused = checkCaller(caller);
  if (refused != 0) return refused;
  const end = base + ((pages as u64) << pageShift);
  if (base & pageMask) return invalid(REASON_FFA_ALIGNMENT, base, 0, 0);
  if ((pages == 0 && !isMutated(HF_PERM_RANGE_EDGE)) || end < base) return invalid(REASON_FFA_RANGE, base, 0, pages);
  if (permission != READ_ONLY && permission != READ_WRITE && permission != READ_EXECUTE) {
    return invalid(REASON_FFA_PERM_VALUE, base, READ_ONLY, permission);
  }
  const checked = checkPages(caller, base, end, permission == READ_EXECUTE);
  return checked != 0 ? checked : setPages(caller, base, end, accessOf(permission));
}

function checkPages(caller: Endpoint, base: u64, end: u64, isExecute: bool): i32 {
  const first = base < iaSize ? endpointMode(caller, base) & ~ACCESS : MODE_ABSENT;
  for (let pa = base; pa < end; pa += pageSize) {
    const mode = pa < iaSize ? endpointMode(caller, pa) : MODE_ABSENT;
    if (isUnmapped(mode)) return invalid(REASON_FFA_RANGE, pa, 0, mode);
    if (isExecute && (mode & MODE_D) != 0) return invalid(REASON_FFA_DEVICE, pa, 0, mode);
    if ((mode & ~ACCESS) != first) return invalid(REASON_FFA_MIXED_MODES, pa, first, mode & ~ACCESS);
  }
  return 0;
}

function accessOf(permission: u32): i32 {
  if (permission == READ_EXECUTE) return MODE_R | MODE_X;
  return permission == READ_WRITE ? MODE_R | MODE_W : MODE_R;
}

function setPages(caller: Endpoint, base: u64, end: u64, access: i32): i32 {
  for (let pa = base; pa < end; pa += pageSize) {
    const kept = isMutated(HF_PERM_SET_DROPS_STATE) ? 0 : endpointMode(caller, pa) & ~ACCESS;
    const mode = kept | access;
    if (!setEndpointMode(caller, pa, mode)) return refuse(FFA_NO_MEMORY, REASON_FFA_TABLE_MEMORY, pa, 0, 0);
  }
  replyDone();
  return 0;
}
