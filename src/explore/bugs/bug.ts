// One entry of the catalogue of bugs (reference bugs.md, whose tables say where each comes from).

import type { FindingKind } from "../rules.js";
import type { AnyDomain } from "../system-domain.js";

/**
 * What it takes to show a bug (reference bugs.md section 0): S a sequence of calls, S* a sequence of calls that makes the same
 * mistake, I two CPUs, T a TLB, D a device, X more than this simulator has.
 */
export type BugClass = "S" | "S*" | "I" | "T" | "D" | "X";

/** How a search finds a bug. */
export interface BugSearch {
  /** MUTATION number of assembly/abi/mutations.ts; MUTATION_NONE: the code as it is does this, and nothing is switched on. */
  readonly mutation: number;
  /** More mistakes under the same name, each of which is found by itself as well. Default: none. */
  readonly others?: readonly number[];
  /** The machine that shows it, and what is tried on it. */
  readonly domain: () => AnyDomain;
  /** What the search finds, and nothing of this kind without the bug. */
  readonly kind: FindingKind;
  /** The rule's name, where the domain has several of this kind: then it is this one that stays whole without the bug. */
  readonly rule?: string;
  /** CPUs whose operations interleave. Default: 1. */
  readonly cpus?: 2;
}

interface Entry {
  /** As in the reference. */
  readonly name: string;
  /** Section of bugs.md that describes it, or of another reference page: `gunyah.md 10.1`. */
  readonly section: string;
  readonly classes: readonly BugClass[];
  /** Where it was and where it was mended, for example `6.18 → 7.2`; hashes and CVE numbers where there are any. */
  readonly source: string;
  /** What was wrong. */
  readonly mistake: string;
  /** The rule, or what else, that it breaks. */
  readonly breaks: string;
}

/** A bug that a search finds, or one that none can, and why. */
export type Bug = Entry & ({ readonly search: BugSearch } | { readonly whyNot: string });

/** Why no search finds the bugs of class D. */
export const NO_DEVICES = "The search has no devices: accesses are the host's and guests'.";
