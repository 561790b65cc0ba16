// The function behind each FF-A call (Hafnium, paths relative to src) and the section of the FF-A reference that describes it.
// A call's checks are spread over several functions: the one that refuses is told from the reason.

import * as ffa from "../../assembly/abi/ffa.js";

/** Name, file, section. */
export type FunctionRow = readonly [name: string, file: string, section: string];

const API = "api.c";
const MEMORY = "ffa_memory.c";

// prettier-ignore
export const FFA_FUNCTIONS: Readonly<Record<string, FunctionRow>> = {
  ffa_mem_donate:       ["api_ffa_mem_send",         API,    "5"],
  ffa_mem_lend:         ["api_ffa_mem_send",         API,    "5"],
  ffa_mem_share:        ["api_ffa_mem_send",         API,    "5"],
  ffa_mem_retrieve_req: ["api_ffa_mem_retrieve_req", API,    "7"],
  ffa_mem_relinquish:   ["api_ffa_mem_relinquish",   API,    "8"],
  ffa_mem_reclaim:      ["api_ffa_mem_reclaim",      API,    "9"],
  ffa_mem_frag_rx:      ["ffa_memory_retrieve_continue", MEMORY, "7.5"],
  ffa_mem_frag_tx:      ["api_ffa_mem_frag_tx",      API,    "6"],
  ffa_mem_perm_get:     ["api_ffa_mem_perm_get",     API,    "13"],
  ffa_mem_perm_set:     ["api_ffa_mem_perm_set",     API,    "13"],
  ffa_abort:            ["ffa_memory_reclaim_relinquish_vm_regions", MEMORY, "10"],
};

/** Functions that several calls go through, with what each of them refuses. */
const SANITY: FunctionRow = ["ffa_memory_region_sanity_check", MEMORY, "5.2"];
const SEND_VALIDATE: FunctionRow = ["ffa_memory_send_validate", MEMORY, "5.3"];
const SEND: FunctionRow = ["ffa_memory_send", MEMORY, "5.4"];
const SEND_CONTINUE: FunctionRow = ["ffa_memory_send_continue", MEMORY, "6"];
const RETRIEVE_VALIDATE: FunctionRow = ["ffa_memory_retrieve_validate", MEMORY, "7.2"];
const ACCESS_LIST: FunctionRow = ["ffa_memory_retrieve_validate_memory_access_list", MEMORY, "7.3"];
const RETRIEVE: FunctionRow = ["ffa_memory_retrieve", MEMORY, "7.4"];
const RELINQUISH: FunctionRow = ["ffa_memory_relinquish", MEMORY, "8"];
const RECLAIM: FunctionRow = ["ffa_memory_reclaim", MEMORY, "9"];

type Checks = readonly (readonly [by: FunctionRow, reasons: readonly number[]])[];

const DESCRIPTOR: Checks[number] = [
  SANITY,
  [ffa.REASON_FFA_RESERVED, ffa.REASON_FFA_ACCESS_SIZE, ffa.REASON_FFA_RECEIVERS_OFFSET, ffa.REASON_FFA_TRUNCATED],
];

/** What is found out about the pages once a send is complete (rows 20 to 36). */
const COMPLETION = [
  ...[ffa.REASON_FFA_TABLE_FULL, ffa.REASON_FFA_OVERLAP, ffa.REASON_FFA_PAGE_COUNT, ffa.REASON_FFA_EMPTY_FRAGMENT],
  ...[ffa.REASON_FFA_ALIGNMENT, ffa.REASON_FFA_RANGE, ffa.REASON_FFA_MIXED_MODES, ffa.REASON_FFA_DEVICE],
  ...[ffa.REASON_FFA_STATE, ffa.REASON_FFA_NOT_WRITABLE, ffa.REASON_FFA_ACCESS, ffa.REASON_FFA_PROTECTION],
  ...[ffa.REASON_FFA_WIPE, ffa.REASON_FFA_TABLE_MEMORY],
];

const SEND_CHECKS: Checks = [
  DESCRIPTOR,
  [
    SEND_VALIDATE,
    [
      ...[ffa.REASON_FFA_SENDER, ffa.REASON_FFA_CONSTITUENT_COUNT, ffa.REASON_FFA_DUPLICATE_RECEIVER],
      ...[ffa.REASON_FFA_PERMISSIONS, ffa.REASON_FFA_ATTRIBUTES],
    ],
  ],
  [SEND, COMPLETION],
];

const CHECKS: Readonly<Record<string, Checks>> = {
  ffa_mem_donate: SEND_CHECKS,
  ffa_mem_lend: SEND_CHECKS,
  ffa_mem_share: SEND_CHECKS,
  ffa_mem_frag_tx: [[SEND_CONTINUE, [ffa.REASON_FFA_FRAGMENT_LIMIT, ffa.REASON_FFA_OTHER_WORLD, ...COMPLETION]]],
  ffa_mem_retrieve_req: [
    DESCRIPTOR,
    [
      RETRIEVE_VALIDATE,
      [
        ...[ffa.REASON_FFA_SENDER, ffa.REASON_FFA_NORMAL_WORLD_RECEIVERS, ffa.REASON_FFA_TYPE, ffa.REASON_FFA_TAG],
        ...[ffa.REASON_FFA_FLAGS, ffa.REASON_FFA_ATTRIBUTES],
      ],
    ],
    [ACCESS_LIST, [ffa.REASON_FFA_ACCESS, ffa.REASON_FFA_PERMISSIONS, ffa.REASON_FFA_EXECUTE, ffa.REASON_FFA_IMPDEF]],
    [
      RETRIEVE,
      [
        ...[ffa.REASON_FFA_DEVICE, ffa.REASON_FFA_STATE, ffa.REASON_FFA_ALIGNMENT, ffa.REASON_FFA_RANGE],
        ...[ffa.REASON_FFA_MIXED_MODES, ffa.REASON_FFA_TABLE_MEMORY, ffa.REASON_FFA_RX_LENGTH],
      ],
    ],
  ],
  ffa_mem_relinquish: [
    [
      RELINQUISH,
      [
        ...[ffa.REASON_FFA_HANDLE, ffa.REASON_FFA_NOT_COMPLETE, ffa.REASON_FFA_NOT_RECEIVER],
        ...[ffa.REASON_FFA_NOT_RETRIEVED, ffa.REASON_FFA_FLAGS, ffa.REASON_FFA_NOT_WRITABLE, ffa.REASON_FFA_STATE],
        ...[ffa.REASON_FFA_MIXED_MODES, ffa.REASON_FFA_TABLE_MEMORY, ffa.REASON_FFA_WIPE],
      ],
    ],
  ],
  ffa_mem_reclaim: [
    [
      RECLAIM,
      [
        ...[ffa.REASON_FFA_HANDLE, ffa.REASON_FFA_NOT_COMPLETE, ffa.REASON_FFA_OWNER, ffa.REASON_FFA_STILL_RETRIEVED],
        ...[ffa.REASON_FFA_NOT_WRITABLE, ffa.REASON_FFA_MIXED_MODES, ffa.REASON_FFA_WIPE],
      ],
    ],
  ],
};

/** The function in which `verb` makes the check `reason`; null where that is the call's own. */
export function checkingFunction(verb: string, reason: number): FunctionRow | null {
  const checks = CHECKS[verb]?.find(([, reasons]) => reasons.includes(reason));
  return checks?.[0] ?? null;
}
