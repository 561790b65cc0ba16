// Breadth-first search over a machine of any system, step by step: the core performs, undoes and knows states again
// (assembly/explore/any-system.ts), the rules are those of the domain. Slower than the search over pKVM (search.ts), whose
// states and rules the core knows.

import { MUTATION_NONE } from "../../assembly/abi/mutations.js";
import { OPERATION_SIZE } from "../../assembly/abi/operations.js";
import type { Machine } from "../machine/machine.js";
import { packStep, type Step } from "./domain.js";
import { firstMachine } from "./first-state.js";
import { asksFor, RULES } from "./rules.js";
import type { Finding, SearchCounts, SearchEnd, SearchOptions } from "./search.js";
import type { Asked, Broken, SystemDomain, Watch } from "./system-domain.js";
import { instantiateVariant, type ExploreCore } from "./variant.js";

export const SYSTEM_STATES = 500_000;
const WORD_BYTES = 2 ** 28;
const JOURNAL_ENTRIES = 2 ** 20;
const NO_STATE = 0xffff_ffff;
const NOTHING = -1;

/** Where a step's records are, among those of all steps. */
interface Records {
  readonly first: number;
  readonly count: number;
}

/** One search. */
export class SystemSearch {
  readonly #core: ExploreCore;
  readonly #domain: SystemDomain;
  readonly #asked: Asked;
  readonly #watch: Watch;
  readonly #records: readonly Records[];
  readonly #parents: number[] = [0];
  readonly #steps: number[] = [NOTHING];
  readonly #depths: number[] = [0];
  readonly #broken = new Set<number>();
  /** From the first state to where the machine is, with the mark before the step that led to each. */
  #path: { readonly state: number; readonly mark: number }[] = [];
  readonly #findings: Finding[] = [];
  #end: SearchEnd = "paused";
  #expanded = 0;
  #tried = 0n;
  #transitions = 0n;

  private constructor(
    core: ExploreCore,
    machine: Machine,
    domain: SystemDomain,
    records: readonly Records[],
    asked: Asked,
  ) {
    this.#core = core;
    this.#asked = asked;
    this.#domain = domain;
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
   * Makes the domain's machine and its first state.
   *
   * @throws RangeError if the domain does not fit, Error if its first state cannot be made
   */
  static async start(domain: SystemDomain, options: SearchOptions = {}): Promise<SystemSearch> {
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
    const search = new SystemSearch(core, machine, domain, records, asksFor(options));
    machine.tlb.suppress(options.withoutTlbi ?? null);
    const byDefault = Object.hasOwn(domain.rules, "translation") && domain.onlyByName?.includes("translation") !== true;
    const watchesTranslation = options.rules?.includes("translation") ?? byDefault;
    exports.keepDead(Number(domain.keepDead === true));
    for (const pa of domain.countedWords ?? []) exports.countWord(pa);
    if (exports.startAny(Number(domain.keepMailboxes === true), Number(watchesTranslation)) === 0)
      throw new RangeError("the machine does not fit");
    search.#begin();
    return search;
  }

  #begin(): void {
    this.#watch.settle();
    if (this.#visit() !== 0) throw new Error("the first state is none");
    const broken = this.#watch.stateBreaks();
    if (broken !== null) this.#found(broken, 0, NOTHING);
  }

  /**
   * Tries all steps in so many more states.
   *
   * @param states how many
   * @param untilFinding stop at the first finding; else states that break a rule are left aside
   */
  run(states: number, untilFinding = true): SearchEnd {
    if (this.#end === "found") this.#end = "paused";
    for (let left = states; left > 0 && this.#end === "paused"; left--) {
      if (this.#expanded === this.#parents.length) this.#end = "exhausted";
      else this.#expand(this.#expanded++, untilFinding);
    }
    return this.#end;
  }

  get counts(): SearchCounts {
    const states = this.#parents.length;
    return {
      states,
      expanded: this.#expanded,
      tried: this.#tried,
      transitions: this.#transitions,
      depth: this.#depths.at(-1) ?? 0,
      bytesPerState: Math.ceil((this.#core.exports.wordBytes() >>> 0) / states),
    };
  }

  /** What was found, in the order of the lengths of the ways to it. */
  get findings(): readonly Finding[] {
    return this.#findings;
  }

  #expand(state: number, untilFinding: boolean): void {
    if (this.#broken.has(state)) return;
    const { exports } = this.#core;
    this.#goTo(state);
    this.#watch.enter();
    for (const [index, step] of this.#domain.steps.entries()) {
      if (!this.#watch.isPossible(step)) continue;
      const mark = exports.mark();
      this.#attempt(state, index, mark);
      if (exports.undoTo(mark) !== 0) this.#end = "journal";
      if (this.#end !== "paused" && (this.#end !== "found" || untilFinding)) return;
      this.#end = "paused";
    }
  }

  /** Tries one step in `state`, in which the machine is; the caller undoes it. */
  #attempt(state: number, index: number, mark: number): void {
    this.#tried++;
    const { exports } = this.#core;
    const ret = this.#perform(index);
    if (mark < 0 || exports.journalOverflowed() !== 0) {
      this.#end = "journal";
      return;
    }
    const code = exports.panickedCode();
    if (code !== 0) {
      if (this.#asked("panic")) this.#found({ kind: "panic", rule: "panic", subject: 0n }, state, index, code);
      return;
    }
    const breach = exports.brokenTranslation();
    if (breach !== 0) {
      const subject = BigInt.asUintN(64, exports.translationAddress());
      this.#found({ kind: "translation", rule: "translation", subject }, state, index, breach);
      return;
    }
    const step = this.#domain.steps[index] ?? { calls: [] };
    const known = this.#parents.length;
    const next = this.#visit();
    if (next === NO_STATE) return;
    if (next !== state) this.#transitions++;
    const isKept = this.#asked("refusal") && ret < 0 && next !== state && !this.#watch.mayKeep(step);
    const refused: Broken | null = isKept ? { kind: "refusal", rule: "refusal", subject: 0n } : null;
    const broken = this.#watch.stepBreaks(step, { ret, reason: exports.lastReason() }) ?? refused;
    if (next === known) this.#add(state, index);
    const broke = broken ?? (next === known ? this.#watch.stateBreaks() : null);
    if (broke === null) return;
    if (next === known) this.#broken.add(next);
    this.#found(broke, state, index, broke.kind === "refusal" ? -ret : 0);
  }

  #add(state: number, index: number): void {
    this.#parents.push(state);
    this.#steps.push(index);
    this.#depths.push((this.#depths[state] ?? 0) + 1);
  }

  #perform(index: number): number {
    const { first, count } = this.#records[index] ?? { first: 0, count: 0 };
    const ret = this.#core.exports.performSteps(first, count);
    if (this.#core.exports.panickedCode() === 0) this.#watch.settle(this.#domain.steps[index]);
    return ret;
  }

  #visit(): number {
    const state = this.#core.exports.visitAny() >>> 0;
    if (state === NO_STATE) this.#end = this.#core.exports.areWordsFull() !== 0 ? "parts" : "states";
    return state;
  }

  /** Brings the machine to a state: back to the last common one, and on from there. */
  #goTo(state: number): void {
    const { exports } = this.#core;
    const way = this.#wayTo(state);
    let common = 0;
    while (common < way.length && this.#path[common]?.state === way[common]) common++;
    const leaving = this.#path[common];
    if (leaving !== undefined) exports.undoTo(leaving.mark);
    this.#path = this.#path.slice(0, common);
    for (const next of way.slice(common)) {
      this.#path.push({ state: next, mark: exports.mark() });
      this.#perform(this.#steps[next] ?? 0);
    }
  }

  /** The states from the first one on, which is left out, to this one. */
  #wayTo(state: number): number[] {
    const way: number[] = [];
    for (let at = state; at !== 0; at = this.#parents[at] ?? 0) way.push(at);
    return way.reverse();
  }

  // The first finding of each rule and kind of call is the shortest way to it.
  #found({ kind, rule, subject }: Broken, state: number, index: number, code = 0): void {
    this.#end = "found";
    const indices = [...this.#wayTo(state).map((at) => this.#steps[at] ?? 0), ...(index === NOTHING ? [] : [index])];
    const steps = indices.flatMap((at): readonly Step[] => this.#domain.steps[at]?.calls ?? []);
    const last = steps.at(-1)?.op;
    const isKnown = this.#findings.some(
      (found) => found.rule === rule && found.code === code && found.steps.at(-1)?.op === last,
    );
    if (isKnown) return;
    const statement = this.#domain.rules[rule] ?? RULES[kind as keyof typeof RULES];
    this.#findings.push({ kind, code, subject, steps, rule, statement });
  }
}

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
