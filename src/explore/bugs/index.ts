// The catalogue: real bugs of memory isolation, and the search that finds each (reference bugs.md).

import type { Bug } from "./bug.js";
import { FFA_PROXY_BUGS } from "./ffa-proxy.js";
import { HAFNIUM_BUGS } from "./hafnium.js";
import { OTHER_CODE_BUGS } from "./other-code.js";
import { PAGE_TABLE_BUGS } from "./page-table.js";
import { PKVM_BUGS } from "./pkvm.js";
import { TWO_CPU_BUGS } from "./two-cpus.js";

export type { Bug, BugClass, BugSearch } from "./bug.js";

/** In the order of the reference. */
export const BUGS: readonly Bug[] = [
  ...PKVM_BUGS,
  ...PAGE_TABLE_BUGS,
  ...FFA_PROXY_BUGS,
  ...OTHER_CODE_BUGS,
  ...HAFNIUM_BUGS,
  ...TWO_CPU_BUGS,
];

/** Those that a search finds. */
export type FoundBug = Extract<Bug, { readonly search: unknown }>;

export const hasSearch = (bug: Bug): bug is FoundBug => "search" in bug;
