// What an access does (ACCESS_* of abi/walk.ts).

import {
  ACCESS_ATOMIC,
  ACCESS_FETCH,
  ACCESS_KIND,
  ACCESS_TABLE_READ,
  ACCESS_TABLE_UPDATE,
  ACCESS_WRITE,
} from "../abi/walk";

export function isFetch(access: u32): bool {
  return (access & ACCESS_KIND) == ACCESS_FETCH;
}

/** Made by stage 1 to walk its own tables (S1PTW). */
export function isTableAccess(access: u32): bool {
  const kind = access & ACCESS_KIND;
  return kind == ACCESS_TABLE_READ || kind == ACCESS_TABLE_UPDATE;
}

/** A hardware update of a stage-1 descriptor writes too. */
export function isWrite(access: u32): bool {
  const kind = access & ACCESS_KIND;
  return kind == ACCESS_WRITE || kind == ACCESS_TABLE_UPDATE || kind == ACCESS_ATOMIC;
}
