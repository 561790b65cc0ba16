// What a search over a machine of another system than pKVM alone is about: partition managers, a pKVM host before a secure
// world, Gunyah. Its states are told apart by the words of its memory, and its rules are looked after here, not in the core.

import type { ResolvedConfig } from "../machine/config.js";
import type { Machine } from "../machine/machine.js";
import type { Operation } from "../machine/operations.js";
import type { Domain, Step } from "./domain.js";
import type { FindingKind } from "./rules.js";

/** One thing that is tried in every state: messages are written, and then a call is made. */
export interface SystemStep {
  readonly calls: readonly Step[];
}

/** A rule that is broken. */
export interface Broken {
  readonly kind: FindingKind;
  /** `F1`, `wiped`: a name among the domain's rules. */
  readonly rule: string;
  /** A physical address in bytes or a handle, where there is one. */
  readonly subject: bigint;
}

/** What a step came to. */
export interface StepAnswer {
  /** Of its last call; below 0: refused. */
  readonly ret: number;
  /** REASON_*, 0: none. */
  readonly reason: number;
}

/** Looks after one machine while a search goes over its states. */
export interface Watch<S extends SystemStep = SystemStep> {
  /** The machine is in a state in which steps are about to be tried, and to be compared with. */
  enter(): void;
  /** Whether this step is tried there. */
  isPossible(step: S): boolean;
  /** After every step: what follows from it by itself, such as that contents are no secret any more. */
  settle(): void;
  /** What the step broke that led here from the state that was entered. */
  stepBreaks(step: S, answer: StepAnswer): Broken | null;
  /** Whether this step may change the state although it is refused. */
  mayKeep(step: S): boolean;
  /** What is broken in this state, whatever led to it. */
  stateBreaks(): Broken | null;
}

/** Stores that can be undone, for rules that mark contents. */
export interface Marks {
  read(pa: bigint): bigint;
  write(pa: bigint, word: bigint): void;
}

export interface SystemDomain<S extends SystemStep = SystemStep> {
  /** `ffa`, `pkvm-ffa`, `gunyah`. */
  readonly system: string;
  readonly config: ResolvedConfig;
  /** What keeps the search finite, in words. */
  readonly bounds: string;
  /** Makes what is made on first use; leaves the machine as it was, for whoever looks at it by its calls. */
  readonly warmUp: (machine: Machine) => void;
  /** Lead to the first state; all must succeed. */
  readonly setUp: readonly Operation[];
  readonly steps: readonly S[];
  /** What receive buffers hold is part of a state. Default: false. */
  readonly keepMailboxes?: boolean;
  /** What the rules demand, by name. */
  readonly rules: Readonly<Record<string, string>>;
  readonly watch: (machine: Machine, marks: Marks) => Watch<S>;
}

/** What any search is about. */
export type AnyDomain = Domain | SystemDomain;

/** A domain of another system names it. */
export const isSystemDomain = (domain: AnyDomain): domain is SystemDomain => "system" in domain;
