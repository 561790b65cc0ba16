// What a search over realms looks after: the invariants of reference cca section 13, those of states
// (src/machine/cca-invariants.ts) and, as far as one step tells, those of steps; transitions of entries as the reference's tables
// have them (cca-transitions.ts); locks; contents.

import { GPT_NS, GRANULE_DATA, RMI_NEVER_RETURNS } from "../../assembly/abi/cca.js";
import { CCA_INVARIANTS, CCA_STEP_INVARIANTS } from "../machine/cca-invariants.js";
import { decodeGranule, type Granule } from "../machine/cca-effects.js";
import type { Machine } from "../machine/machine.js";
import type { Operation } from "../machine/operations.js";
import { entryOf, NO_REALM, stepBreaches, type RealmNote } from "./cca-transitions.js";
import { isSecret } from "./contents.js";
import type { DomainAccess } from "./domain.js";
import { RULES } from "./rules.js";
import {
  firstAsked,
  watched,
  type Asked,
  type Broken,
  type StepAnswer,
  type SystemStep,
  type Watch,
} from "./system-domain.js";
import type { ExploreCore } from "./variant.js";

/** The rules by name; R<n> are the reference's. */
export const CCA_RULES: Readonly<Record<string, string>> = {
  ...CCA_INVARIANTS,
  ...CCA_STEP_INVARIANTS,
  transition: "each entry's HIPAS and RIPAS change as the tables of reference cca section 6 say, and no others do",
  fold: "a table that is folded into one entry, or made out of one, says what that says: addresses and attributes",
  lock_order:
    "two calls that are possible in one state lock no two granules in opposite order: two CPUs would wait for each other",
  progress: "a call returns: it waits for no lock that nobody will release",
  panic: "no call stops RMM",
  refusal: RULES.refusal,
  secrecy: "what a realm wrote to a page of its protected half, the host cannot read",
  integrity: "what a realm's data granule holds is written by the realm alone",
  translation: RULES.translation,
};

/** What the rules need to know of a domain: physical addresses of descriptors, a REC and granules, and IPAs that steps name. */
export interface CcaSubject {
  readonly rds: readonly bigint[];
  readonly rec: bigint;
  readonly ipas: readonly bigint[];
  readonly unprotected: readonly bigint[];
  readonly granules: readonly bigint[];
  /** Byte offset of the word of a page that tells whose contents it holds. */
  readonly tracer: bigint;
}

interface GranuleNote extends Granule {
  readonly pa: bigint;
  readonly word: bigint;
}

/** A call of the host's or the realm's, or an access of theirs. */
export type CcaCall = Operation | DomainAccess;

export interface CcaStep extends SystemStep {
  readonly calls: readonly CcaCall[];
}

/** Looks after one machine with realms. */
export class CcaWatch implements Watch<CcaStep> {
  readonly #machine: Machine;
  readonly #core: ExploreCore;
  readonly #subject: CcaSubject;
  readonly #asked: Asked;
  /** Those of them that the core checks. */
  readonly #invariants: readonly string[];
  #realms: readonly RealmNote[] = [];
  #granules: readonly GranuleNote[] = [];
  /** Pairs of granules, locked one after the other by calls that were tried in the state that was entered. */
  readonly #locked = new Set<string>();

  constructor(machine: Machine, subject: CcaSubject, asked: Asked) {
    this.#machine = machine;
    // The core of a search is the exploring variant.
    this.#core = machine.core as ExploreCore;
    this.#subject = subject;
    this.#asked = asked;
    this.#invariants = Object.keys(CCA_INVARIANTS).filter(asked);
  }

  enter(): void {
    this.#realms = this.#noteRealms();
    this.#granules = this.#noteGranules();
    this.#locked.clear();
  }

  /** What a REC does, only a REC that runs does. */
  isPossible({ calls: [first] }: CcaStep): boolean {
    if (first === undefined) return false;
    const isRealms =
      first.op === "access" ? first.access.stage2 !== "host" : /^(rsi_|psci_|realm_|rec_)/.test(first.op);
    return !isRealms || this.#granule(this.#subject.rec).references !== 0;
  }

  settle(): void {
    // Nothing follows from a step by itself.
  }

  mayKeep(): boolean {
    return false;
  }

  stepBreaks({ calls: [step] }: CcaStep, { ret }: StepAnswer): Broken | null {
    return step === undefined ? null : firstAsked(this.#stepBreaches(step, ret), this.#asked);
  }

  stateBreaks(): Broken | null {
    return firstAsked(this.#stateBreaches(), this.#asked);
  }

  *#stepBreaches(step: CcaCall, ret: number): Generator<Broken> {
    if (step.op !== "access") {
      if (-ret === RMI_NEVER_RETURNS) {
        // What it holds and has changed is nobody's to see.
        yield { kind: "progress", rule: "progress", subject: 0n };
        return;
      }
      yield* this.#lockBreaches();
      yield* this.#transitionBreaches(step, ret);
    }
    yield* this.#contentsBreaches(step);
  }

  *#stateBreaches(): Generator<Broken> {
    const violation = this.#invariants.length === 0 ? null : this.#machine.checkInvariants(this.#invariants);
    if (violation !== null) yield { kind: "invariant", rule: violation.invariant, subject: violation.subject };
    const secret = this.#noteGranules().find(({ gpt, word }) => gpt === GPT_NS && isSecret(word));
    if (secret !== undefined) yield { kind: "secrecy", rule: "secrecy", subject: secret.pa };
  }

  #granule(pa: bigint): Granule {
    return decodeGranule(BigInt.asUintN(64, this.#core.exports.pageWord(pa >> BigInt(this.#machine.pageShift))));
  }

  #noteGranules(): GranuleNote[] {
    const { granules, tracer } = this.#subject;
    const word = (pa: bigint) => BigInt.asUintN(64, this.#core.exports.readWord(pa + tracer));
    return granules.map((pa) => ({ ...this.#granule(pa), pa, word: word(pa) }));
  }

  #noteRealms(): RealmNote[] {
    const { rds, rec, ipas, unprotected } = this.#subject;
    const { exports } = this.#core;
    const request = exports.pendingRequest(rec);
    return rds.map((rd) => {
      const state = exports.realmStateAt(rd);
      const places = state === NO_REALM ? [] : [...ipas, ...unprotected];
      return { rd, state, request, entries: places.map((ipa) => entryOf(exports, rd, ipa)) };
    });
  }

  // Refused calls too: what they lock they must release.
  *#lockBreaches(): Generator<Broken> {
    const { exports } = this.#core;
    const left = exports.lockLeft();
    if (left !== 0n) yield { kind: "invariant", rule: "R17", subject: left };
    for (let pair = exports.lockPairCount() - 1; pair >= 0; pair--) {
      const [held, taken] = [exports.lockHeld(pair), exports.lockTaken(pair)];
      if (this.#locked.has(`${taken} ${held}`)) yield watched("lock_order", taken);
      this.#locked.add(`${held} ${taken}`);
    }
  }

  // What is refused changes nothing, which the search sees to.
  *#transitionBreaches(step: Operation, ret: number): Generator<Broken> {
    if (ret !== 0) return;
    const reached = BigInt.asUintN(64, this.#core.exports.monitorAnswer(1));
    const after = this.#noteRealms();
    for (const [index, before] of this.#realms.entries()) {
      yield* stepBreaches(step, before, after[index] ?? before, reached);
    }
  }

  *#contentsBreaches(step: CcaCall): Generator<Broken> {
    const isRealms = step.op === "access" && step.access.stage2 !== "host";
    const now = isRealms ? [] : this.#noteGranules();
    const changed = now.find(({ state, word }, index) => {
      const before = this.#granules[index];
      return state === GRANULE_DATA && before?.state === GRANULE_DATA && before.word !== word;
    });
    if (changed !== undefined) yield { kind: "integrity", rule: "integrity", subject: changed.pa };
  }
}
