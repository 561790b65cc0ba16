// The page-table library of a partition manager by itself: operations that only the exploring variant of the core knows, and no
// trace has. Layout: assembly/abi/ffa-mm.ts.

import * as abi from "../../assembly/abi/ffa-mm.js";
import type { Verb } from "./operations.js";

const TABLE = { vm: { kind: "handle", at: "vm" } } as const;
const RANGE = { ...TABLE, addr: { kind: "u64", at: "a" }, size: { kind: "u64", at: "b" } } as const;

/** `vm` is the number of a table; addresses and sizes are bytes. */
export const FFA_MM_OPERATIONS = {
  /** `purpose`: FFA_MM_*; `in_use`: an address at which the manager itself runs, in its own table. */
  ffa_mm_table: {
    code: abi.FFA_MM_TABLE,
    args: {
      ...TABLE,
      purpose: { kind: "count", at: "a" },
      vmid: { kind: "count", at: "b" },
      in_use: { kind: "u64", at: "c" },
    },
  },
  ffa_mm_map: {
    code: abi.FFA_MM_MAP,
    args: { ...RANGE, phys: { kind: "u64", at: "c" }, mode: { kind: "u64", at: "d" } },
  },
  ffa_mm_unmap: { code: abi.FFA_MM_UNMAP, args: RANGE },
  ffa_mm_defrag: { code: abi.FFA_MM_DEFRAG, args: TABLE },
  ffa_mm_get_mode: { code: abi.FFA_MM_GET_MODE, args: RANGE },
} as const satisfies Record<string, Verb>;
