// What a search over a machine of another system than pKVM alone is about: partition managers, a pKVM host before a secure
// world, Gunyah. Its states are told apart by the words of its memory, and its rules are looked after here, not in the core.

import type { MachineConfig, ResolvedConfig } from "../machine/config.js";
import type { FfaConfig } from "../machine/ffa-config.js";
import type { Machine } from "../machine/machine.js";
import type { Operation } from "../machine/operations.js";
import type { Domain, Step } from "./domain.js";
import { RULES, SEARCH_INVARIANTS, type FindingKind } from "./rules.js";

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
  /** After every step, and in the first state: what follows by itself, such as that contents are no secret any more. */
  settle(step?: S): void;
  /** What the step broke that led here from the state that was entered. */
  stepBreaks(step: S, answer: StepAnswer): Broken | null;
  /** Whether this step may change the state although it is refused. */
  mayKeep(step: S): boolean;
  /** What is broken in this state, whatever led to it. */
  stateBreaks(): Broken | null;
}

/** A rule of the domain's own that is broken. */
export const watched = (rule: string, subject: bigint): Broken => ({ kind: "watched", rule, subject });

/** Stores that can be undone, for rules that mark contents. */
export interface Marks {
  read(pa: bigint): bigint;
  write(pa: bigint, word: bigint): void;
}

/** Whether a rule is looked after, by name. */
export type Asked = (rule: string) => boolean;

/** The first that somebody asked for. */
export function firstAsked(breaches: Iterable<Broken>, asked: Asked): Broken | null {
  for (const broken of breaches) if (asked(broken.rule)) return broken;
  return null;
}

export interface SystemDomain<S extends SystemStep = SystemStep> {
  /** `ffa`, `pkvm-ffa`, `pkvm-host`, `gunyah`. */
  readonly system: string;
  readonly config: ResolvedConfig;
  /** The same before it was completed, as the header of a trace has it; left out where no trace can be written. */
  readonly given?:
    | { readonly system: "pkvm"; readonly config: MachineConfig }
    | { readonly system: "ffa"; readonly config: FfaConfig };
  /** What keeps the search finite, in words. */
  readonly bounds: string;
  /** Makes what is made on first use; leaves the machine as it was, for whoever looks at it by its calls. */
  readonly warmUp: (machine: Machine) => void;
  /** Lead to the first state; all must succeed. */
  readonly setUp: readonly Operation[];
  readonly steps: readonly S[];
  /** Frames that a finding is told by. Default: all that the machine has. */
  readonly pages?: readonly bigint[];
  /** What receive buffers hold is part of a state. Default: false. */
  readonly keepMailboxes?: boolean;
  /** Words of memory that are part of a state, by physical address (Gunyah: of other systems all are). */
  readonly countedWords?: readonly bigint[];
  /** Words that no call reads again tell states apart, too (Gunyah: only to see that they make no difference). Default: false. */
  readonly keepDead?: boolean;
  /** What the rules demand, by name. */
  readonly rules: Readonly<Record<string, string>>;
  /** Those of them that are looked after only when they are named. Default: none. */
  readonly onlyByName?: readonly string[];
  /** What is refused leaves what it did by then, whichever call it is: the rule about refusals is none here. Default: false. */
  readonly leavesHalfDone?: boolean;
  /** Rules that nobody asked for are none to the watch: what breaks them must not hide what breaks another. */
  readonly watch: (machine: Machine, marks: Marks, asked: Asked) => Watch<S>;
}

/** What any search is about. */
export type AnyDomain = Domain | SystemDomain;

/** A domain of another system names it. */
export const isSystemDomain = (domain: AnyDomain): domain is SystemDomain => "system" in domain;

/** The rules that a search of it can look after, by name; `invariant` stands for those with a name of their own. */
export function ruleNamesOf(domain: AnyDomain): string[] {
  if (!isSystemDomain(domain)) return [...Object.keys(RULES), ...Object.keys(SEARCH_INVARIANTS)];
  const always = domain.leavesHalfDone === true ? ["panic"] : ["panic", "refusal"];
  return [...new Set([...always, ...Object.keys(domain.rules)])];
}
