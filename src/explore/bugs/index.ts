// The catalogue: real bugs of memory isolation, and the search that finds each (reference bugs.md).

import { MUTATION_NONE } from "../../../assembly/abi/mutations.js";
import type { Bug } from "./bug.js";
import { FFA_PROXY_BUGS } from "./ffa-proxy.js";
import { GUNYAH_BUGS } from "./gunyah.js";
import { HAFNIUM_BUGS } from "./hafnium.js";
import { OTHER_CODE_BUGS } from "./other-code.js";
import { PAGE_TABLE_BUGS } from "./page-table.js";
import { PKVM_BUGS } from "./pkvm.js";
import { RMM_BUGS } from "./rmm.js";
import { TWO_CPU_BUGS } from "./two-cpus.js";

export type { Bug, BugClass, BugSearch } from "./bug.js";

/** In the order of the reference. */
export const BUGS: readonly Bug[] = [
  ...PKVM_BUGS,
  ...PAGE_TABLE_BUGS,
  ...FFA_PROXY_BUGS,
  ...OTHER_CODE_BUGS,
  ...HAFNIUM_BUGS,
  ...RMM_BUGS,
  ...TWO_CPU_BUGS,
  ...GUNYAH_BUGS,
];

/** Those that a search finds. */
export type FoundBug = Extract<Bug, { readonly search: unknown }>;

/** Whether the code as it is has it, so that no search without it can speak against it. */
export const isUnmended = ({ search }: FoundBug): boolean => search.mutation === MUTATION_NONE;

export const hasSearch = (bug: Bug): bug is FoundBug => "search" in bug;
