// The machine of a search over any system, which is brought from state to state and tries steps: the core performs, undoes and
// knows states again (assembly/explore/any-system.ts), the rules are those of the domain.

import { MUTATION_NONE } from "../../assembly/abi/mutations.js";
import { OPERATION_SIZE } from "../../assembly/abi/operations.js";
import type { Machine } from "../machine/machine.js";
import { packStep, type Step } from "./domain.js";
import { firstMachine } from "./first-state.js";
import { asksFor, RULES } from "./rules.js";
import type { Finding, SearchEnd, SearchOptions } from "./search.js";
import type { StateTree } from "./state-tree.js";
import type { Asked, Broken, SystemDomain, SystemStep, Watch } from "./system-domain.js";
import { instantiateVariant, type ExploreCore } from "./variant.js";

/** Room for so many states, unless a search says otherwise. */
export const SYSTEM_STATES = 500_000;
const WORD_BYTES = 2 ** 28;
const JOURNAL_ENTRIES = 2 ** 20;
const NO_STATE = 0xffff_ffff;

/** Where a step's records are, among those of all steps. */
interface Records {
  readonly first: number;
  readonly count: number;
}

/** A broken rule, with what `Finding` calls its code. */
export interface BrokenWithCode extends Broken {
  readonly code: number;
  /** It is the state that is broken, whatever led to it. */
  readonly isOfState: boolean;
}

/** What a step that was tried came to. */
export interface Attempt {
  /** There was no room to go on. */
  readonly bound: SearchEnd | null;
  /** The core's number of the state that it led to; null: to none that is kept. */
  readonly known: number | null;
  /** The core did not know that state. */
  readonly isNew: boolean;
  readonly broken: BrokenWithCode | null;
}

const NOWHERE: Attempt = { bound: null, known: null, isNew: false, broken: null };

export class SystemMachine {
  readonly domain: SystemDomain;
  readonly #core: ExploreCore;
  readonly #asked: Asked;
  readonly #watch: Watch;
  readonly #records: readonly Records[];
  /** From the first state to where the machine is, with the mark before the step that led to each. */
  #path: { readonly state: number; readonly mark: number }[] = [];
  #states = 0;

  private constructor(
    core: ExploreCore,
    machine: Machine,
    domain: SystemDomain,
    records: readonly Records[],
    asked: Asked,
  ) {
    this.#core = core;
    this.#asked = asked;
    this.domain = domain;
    this.#records = records;
    const { exports } = core;
    const marks = {
      read: (pa: bigint) => BigInt.asUintN(64, exports.readWord(pa)),
      write: (pa: bigint, word: bigint) => {
        exports.writeWord(pa, word);
      },
    };
    this.#watch = domain.watch(machine, marks, asked);
  }

  /**
   * Makes the domain's machine in its first state, to which the core gives the number 0.
   *
   * @throws RangeError if the domain does not fit, Error if its first state cannot be made
   */
  static async start(domain: SystemDomain, options: SearchOptions = {}): Promise<SystemMachine> {
    const core = await instantiateVariant();
    const { exports, memory } = core;
    const { mutation = MUTATION_NONE, maxStates = SYSTEM_STATES } = options;
    const count = domain.steps.reduce((sum, { calls }) => sum + calls.length, 0);
    const isReserved =
      exports.reserveWords(maxStates, WORD_BYTES) !== 0 && exports.journalReserve(JOURNAL_ENTRIES) !== 0;
    const at = isReserved ? exports.reserveSteps(count) >>> 0 : 0;
    if (at === 0) throw new RangeError(`${maxStates} states do not fit the 4 GiB of WebAssembly memory`);
    const machine = firstMachine(domain, core, mutation);
    const records = packSteps(domain, machine.pageSize, new DataView(memory.buffer), at);
    const search = new SystemMachine(core, machine, domain, records, asksFor(options));
    machine.tlb.suppress(options.withoutTlbi ?? null);
    const byDefault = Object.hasOwn(domain.rules, "translation") && domain.onlyByName?.includes("translation") !== true;
    const watchesTranslation = options.rules?.includes("translation") ?? byDefault;
    exports.keepDead(Number(domain.keepDead === true));
    for (const pa of domain.countedWords ?? []) exports.countWord(pa);
    if (exports.startAny(Number(domain.keepMailboxes === true), Number(watchesTranslation)) === 0)
      throw new RangeError("the machine does not fit");
    search.#watch.settle();
    if (search.#visit() !== 0) throw new Error("the first state is none");
    return search;
  }

  /** What is broken in the state in which the machine is. */
  stateBreaks(): BrokenWithCode | null {
    const broken = this.#watch.stateBreaks();
    return broken === null ? null : { ...broken, code: 0, isOfState: true };
  }

  /** Bytes in which a state is kept. */
  get bytesPerState(): number {
    return Math.ceil((this.#core.exports.wordBytes() >>> 0) / this.#states);
  }

  /** States that the core knows. */
  get states(): number {
    return this.#states;
  }

  /** The steps that are possible where the machine is, by number; they are about to be tried. */
  *possibleSteps(): Generator<number> {
    this.#watch.enter();
    for (const [index, step] of this.domain.steps.entries()) if (this.#watch.isPossible(step)) yield index;
  }

  /**
   * Tries one step, and undoes it.
   *
   * @param here the core's number of the state in which the machine is
   */
  attempt(index: number, here: number): Attempt {
    const { exports } = this.#core;
    const mark = exports.mark();
    const attempt = mark < 0 ? bounded("journal") : this.#take(index, here);
    return exports.undoTo(mark) === 0 ? attempt : bounded("journal");
  }

  #take(index: number, here: number): Attempt {
    const { exports } = this.#core;
    const ret = this.#perform(index);
    if (exports.journalOverflowed() !== 0) return bounded("journal");
    const code = exports.panickedCode();
    if (code !== 0) return this.#asked("panic") ? brokenBy("panic", code) : NOWHERE;
    const breach = exports.brokenTranslation();
    if (breach !== 0) return brokenBy("translation", breach, BigInt.asUintN(64, exports.translationAddress()));
    const before = this.#states;
    const known = this.#visit();
    if (known === NO_STATE) return bounded(exports.areWordsFull() !== 0 ? "parts" : "states");
    const isNew = known === before;
    const step = this.domain.steps[index] ?? { calls: [] };
    const broken = this.#stepBreaks(step, ret) ?? (isNew ? this.stateBreaks() : null);
    // What a refused call has left behind is told by the rule that it breaks; that it left something is the least to be said.
    return { bound: null, known, isNew, broken: broken ?? this.#refusalBreaks(step, ret, known !== here) };
  }

  #stepBreaks(step: SystemStep, ret: number): BrokenWithCode | null {
    const broken = this.#watch.stepBreaks(step, { ret, reason: this.#core.exports.lastReason() });
    return broken === null ? null : { ...broken, code: broken.kind === "refusal" ? -ret : 0, isOfState: false };
  }

  #refusalBreaks(step: SystemStep, ret: number, hasChanged: boolean): BrokenWithCode | null {
    const isKept = this.#asked("refusal") && ret < 0 && hasChanged && !this.#watch.mayKeep(step);
    return isKept ? { kind: "refusal", rule: "refusal", subject: 0n, code: -ret, isOfState: false } : null;
  }

  /** The core's number of the state to which a step leads from a state; null: there is no room for it. */
  stateBehind(tree: StateTree, state: number, index: number): number | null {
    const { exports } = this.#core;
    this.goTo(tree, state);
    const mark = exports.mark();
    this.#perform(index);
    const known = this.#visit();
    exports.undoTo(mark);
    return known === NO_STATE ? null : known;
  }

  /** Brings the machine to a state: back to the last common one, and on from there. */
  goTo(tree: StateTree, state: number): void {
    const { exports } = this.#core;
    const way = tree.wayTo(state);
    let common = 0;
    while (common < way.length && this.#path[common]?.state === way[common]) common++;
    const leaving = this.#path[common];
    if (leaving !== undefined) exports.undoTo(leaving.mark);
    this.#path = this.#path.slice(0, common);
    for (const next of way.slice(common)) {
      this.#path.push({ state: next, mark: exports.mark() });
      this.#perform(tree.stepTo(next));
    }
  }

  mark(): number {
    return this.#core.exports.mark();
  }

  /** Returns whether the machine is what it was at the mark. */
  undoTo(mark: number): boolean {
    return this.#core.exports.undoTo(mark) === 0;
  }

  #perform(index: number): number {
    const { first, count } = this.#records[index] ?? { first: 0, count: 0 };
    const ret = this.#core.exports.performSteps(first, count);
    if (this.#core.exports.panickedCode() === 0) this.#watch.settle(this.domain.steps[index]);
    return ret;
  }

  #visit(): number {
    const known = this.#core.exports.visitAny() >>> 0;
    if (known === this.#states) this.#states++;
    return known;
  }

  /** @param steps by number, from the first state on */
  finding({ kind, rule, subject, code }: BrokenWithCode, steps: readonly number[]): Finding {
    const statement = this.domain.rules[rule] ?? RULES[kind as keyof typeof RULES];
    const calls = steps.flatMap((at): readonly Step[] => this.domain.steps[at]?.calls ?? []);
    return { kind, code, subject, steps: calls, rule, statement };
  }
}

const bounded = (bound: SearchEnd): Attempt => ({ ...NOWHERE, bound });

const brokenBy = (rule: "panic" | "translation", code: number, subject = 0n): Attempt => ({
  ...NOWHERE,
  broken: { kind: rule, rule, subject, code, isOfState: false },
});

/** The first finding of each rule and kind of call is the shortest way to it: what makes two the same. */
export const findingKey = ({ rule, code, steps }: Finding): string => [rule, code, steps.at(-1)?.op].join(" ");

function packSteps({ steps }: SystemDomain, pageSize: number, view: DataView, at: number): Records[] {
  let first = 0;
  return steps.map(({ calls }) => {
    calls.forEach((call, index) => {
      packStep(call, pageSize, view, at + (first + index) * OPERATION_SIZE);
    });
    first += calls.length;
    return { first: first - calls.length, count: calls.length };
  });
}
