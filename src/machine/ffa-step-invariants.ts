// The invariants of reference ffa section 17 that speak of a step: what one call may do to what was there before it.

import * as abi from "../../assembly/abi/ffa.js";
import type { EffectOf } from "./effects.js";
import { isHeld, pagesOf } from "./ffa-invariants.js";
import { FfaState, type FfaRecord } from "./ffa-state.js";
import type { Violation } from "./invariants.js";
import type { Machine, Outcome } from "./machine.js";
import type { Operation } from "./operations.js";

/** What each of them says. */
export const FFA_STEP_INVARIANTS: Readonly<Record<string, string>> = {
  F9: "reclaim succeeds only if no borrower holds the pages",
  F10: "reclaim restores the owner's pages exactly as they were before the send",
  F14: "what is sent with the clear flag is zero before any receiver has access",
  F15: "pages are secure from a protected send to its reclaim, and non-secure again after it",
  F16: "until everything is sent no table and no page is different from before",
};

/** A transaction as a watcher remembers it. */
interface Remembered {
  readonly record: FfaRecord;
  /** None before everything is sent: what a message promises until then was not looked at. */
  readonly pages: readonly bigint[];
  /** The sender's pages as they were before the send: the first mode of each place that the send changed. */
  readonly before: readonly EffectOf<"mode">[];
}

const CLEAR = 1;
const SENDING: ReadonlySet<string> = new Set(["ffa_mem_donate", "ffa_mem_lend", "ffa_mem_share", "ffa_mem_frag_tx"]);

/** Watches one machine from its first call on; every call must be shown to it, with its effects recorded. */
export class FfaWatcher {
  readonly #machine: Machine;
  readonly #state: FfaState;
  #known = new Map<string, Remembered>();

  constructor(machine: Machine) {
    this.#machine = machine;
    this.#state = new FfaState(machine);
  }

  /** Checks the call that has just run. The first violation, or null. */
  check(operation: Operation, outcome: Outcome): Violation | null {
    const known = this.#known;
    this.#known = this.#remember(known, outcome);
    for (const found of this.#violations(operation, outcome, known)) return found;
    return null;
  }

  #remember(known: ReadonlyMap<string, Remembered>, outcome: Outcome): Map<string, Remembered> {
    const now = new Map<string, Remembered>();
    for (const record of this.#state.records()) {
      const key = `${record.manager} ${record.slot}`;
      const old = known.get(key);
      const wasComplete = old !== undefined && old.record.complete && old.record.handle === record.handle;
      const before = wasComplete ? old.before : firstModes(outcome);
      now.set(key, { record, pages: record.complete ? pagesOf(this.#state, record) : [], before });
    }
    return now;
  }

  *#violations(operation: Operation, outcome: Outcome, known: ReadonlyMap<string, Remembered>): Generator<Violation> {
    if (SENDING.has(operation.op)) yield* this.#sent(outcome, known);
    for (const [key, old] of known) {
      const isGone = this.#known.get(key)?.record.handle !== old.record.handle || !this.#known.has(key);
      if (!isGone || !old.record.complete) continue;
      if (operation.op === "ffa_mem_reclaim" && outcome.ret === 0) yield* this.#reclaimed(old);
      const isDelivered = operation.op === "ffa_mem_retrieve_req" || operation.op === "ffa_mem_frag_rx";
      if (old.record.protected && !isDelivered) yield* this.#released(old);
    }
  }

  *#sent(outcome: Outcome, known: ReadonlyMap<string, Remembered>): Generator<Violation> {
    if (outcome.details.reply?.fn === "FRAG_RX") {
      const changed = outcome.effects.find(({ kind }) => kind === "mode" || kind === "pas" || kind === "wipe");
      if (changed !== undefined && "pa" in changed) yield violation("F16", changed.pa, 0, 1);
    }
    for (const [key, { record, pages }] of this.#known) {
      const isNew = record.complete && known.get(key)?.record.complete !== true;
      if (!isNew || (record.flags & CLEAR) === 0) continue;
      const unwiped = pages.find((pa) => this.#machine.readPage(pa).some((byte) => byte !== 0));
      if (unwiped !== undefined) yield violation("F14", unwiped, 0, 1);
    }
  }

  *#reclaimed({ record, before }: Remembered): Generator<Violation> {
    if (isHeld(record)) yield violation("F9", record.handle, 0, 1);
    for (const { vm, table, pa, before: mode } of before) {
      const found = this.#state.mode(vm, table, pa);
      if (found !== mode) yield violation("F10", pa, mode, found);
    }
  }

  *#released({ pages }: Remembered): Generator<Violation> {
    const secure = pages.find((pa) => this.#state.isSecure(pa));
    if (secure !== undefined) yield violation("F15", secure, 0, 1);
  }
}

function firstModes({ effects }: Outcome): EffectOf<"mode">[] {
  const first = new Map<string, EffectOf<"mode">>();
  for (const effect of effects) {
    if (effect.kind !== "mode" || (effect.before & abi.MODE_UNOWNED) !== 0) continue;
    const place = `${effect.vm} ${effect.table} ${effect.pa}`;
    if (!first.has(place)) first.set(place, effect);
  }
  return [...first.values()];
}

const violation = (name: string, subject: bigint, expected: number, found: number): Violation => ({
  invariant: name,
  statement: FFA_STEP_INVARIANTS[name] ?? name,
  ...{ subject, expected: BigInt(expected), found: BigInt(found) },
});
