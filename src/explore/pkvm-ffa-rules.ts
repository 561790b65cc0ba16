// What a search over a pKVM host before a secure world looks after beside the rules of the secure world itself (ffa-rules.ts):
// what EL2's proxy notes of the host's pages is what the SPMC was told of them (reference ffa section 19).

import { OWNED, SHARED_BORROWED, SHARED_OWNED } from "../../assembly/abi/codes.js";
import * as proxy from "../../assembly/abi/ffa-proxy.js";
import { pagesOf } from "../machine/ffa-invariants.js";
import { FfaState } from "../machine/ffa-state.js";
import { INVARIANTS } from "../machine/invariants.js";
import type { Machine } from "../machine/machine.js";
import type { FfaStep } from "./ffa-calls.js";
import { FFA_RULES, FfaWatch, type FfaSubject } from "./ffa-rules.js";
import {
  firstAsked,
  watched,
  type Asked,
  type Broken,
  type Marks,
  type StepAnswer,
  type Watch,
} from "./system-domain.js";
import type { ExploreCore } from "./variant.js";

/** The rules by name: I<n> are pKVM's, F<n> and those by name the secure world's. */
export const PKVM_FFA_RULES: Readonly<Record<string, string>> = {
  ...INVARIANTS,
  ...FFA_RULES,
  recorded: "a page that the host shares with the secure world is in a transaction of the SPMC's",
  forwarded: "what the SPMC was told of the host's pages EL2 has noted: they are shared",
  understood: "a message in the layouts of the version in use is not refused as malformed",
  restored: "once a transaction is reclaimed its pages are the host's alone",
};

/** How messages are malformed, to EL2. */
const MALFORMED: ReadonlySet<number> = new Set([
  proxy.REASON_PROXY_TRUNCATED,
  proxy.REASON_PROXY_COMPOSITE_OFFSET,
  proxy.REASON_PROXY_ENDPOINTS,
  proxy.REASON_PROXY_SENDER,
  proxy.REASON_PROXY_RANGES,
]);
const TX_WORDS = 32;

export interface PkvmFfaSubject extends FfaSubject {
  /** The host's TX page, where it is not registered from the start: what stands in it between two calls is nothing. */
  readonly tx?: bigint;
}

export class PkvmFfaWatch implements Watch<FfaStep> {
  readonly #machine: Machine;
  readonly #marks: Marks;
  readonly #state: FfaState;
  readonly #subject: PkvmFfaSubject;
  readonly #asked: Asked;
  readonly #secureWorld: FfaWatch;
  /** The pages of each transaction in the state whose steps are being tried, by handle. */
  #before: ReadonlyMap<bigint, readonly bigint[]> = new Map();
  #version = 0;

  constructor(machine: Machine, marks: Marks, subject: PkvmFfaSubject, asked: Asked) {
    this.#machine = machine;
    this.#marks = marks;
    this.#state = new FfaState(machine);
    this.#subject = subject;
    this.#asked = asked;
    this.#secureWorld = new FfaWatch(machine, marks, { ...subject, proxy: true }, asked);
  }

  enter(): void {
    this.#secureWorld.enter();
    this.#before = new Map(this.#state.records().map((record) => [record.handle, pagesOf(this.#state, record)]));
    this.#version = (this.#machine.core as ExploreCore).exports.agreedVersion();
  }

  isPossible(step: FfaStep): boolean {
    return this.#secureWorld.isPossible(step);
  }

  settle(step?: FfaStep): void {
    this.#secureWorld.settle(step);
    const { tx } = this.#subject;
    if (tx === undefined) return;
    for (let word = 0; word < TX_WORDS; word++) {
      const pa = tx + BigInt(8 * word);
      if (this.#marks.read(pa) !== 0n) this.#marks.write(pa, 0n);
    }
  }

  mayKeep(step: FfaStep): boolean {
    return this.#secureWorld.mayKeep(step);
  }

  stepBreaks(step: FfaStep, answer: StepAnswer): Broken | null {
    return this.#secureWorld.stepBreaks(step, answer) ?? firstAsked(this.#stepBreaches(step, answer), this.#asked);
  }

  stateBreaks(): Broken | null {
    return this.#secureWorld.stateBreaks() ?? firstAsked(this.#stateBreaches(), this.#asked);
  }

  *#stepBreaches({ about }: FfaStep, { ret, reason }: StepAnswer): Generator<Broken> {
    const isPlain = about.kind === "send" && !about.malformed && about.version === this.#version;
    if (isPlain && MALFORMED.has(reason)) yield watched("understood", 0n);
    if (about.kind !== "reclaim" || ret !== 0) return;
    const pages = this.#before.get(about.handle) ?? [];
    const kept = pages.find((page) => this.#hostState(page) !== OWNED);
    if (kept !== undefined) yield watched("restored", kept);
  }

  *#stateBreaches(): Generator<Broken> {
    const told = new Set(this.#state.records().flatMap((record) => pagesOf(this.#state, record)));
    for (const page of this.#subject.pages) {
      const isShared = this.#hostState(page) === SHARED_OWNED;
      if (isShared && !told.has(page) && !this.#isSharedElsewhere(page)) yield watched("recorded", page);
      if (!isShared && told.has(page)) yield watched("forwarded", page);
    }
  }

  #hostState(page: bigint): number | undefined {
    return this.#machine.pageState(page >> 12n)?.host;
  }

  /** With EL2 or guests. */
  #isSharedElsewhere(page: bigint): boolean {
    const state = this.#machine.pageState(page >> 12n);
    return state !== null && (state.hyp === SHARED_BORROWED || state.shares > 0);
  }
}
