// The search over the specification machine, by several workers: each runs its share (specification-search.ts) in a thread of its
// own. States are in memory that they share; over the ports between them goes only how a round ended.

import * as abi from "../../assembly/abi/specification.js";
import { Peers, type Ports } from "./peers.js";
import type { Place } from "./search.js";
import {
  hasEnded,
  Share,
  type Finding,
  type FindingWithCalls,
  type RoundEnd,
  type SearchOptions,
  type ShareCounts,
} from "./specification-search.js";
import type { SpecificationSource } from "./specification.js";

/** What a worker's share came to. */
export interface SpecificationShareResult {
  readonly counts: ShareCounts;
  /** Calls on the way to the states that are farthest away. */
  readonly depth: number;
  readonly exhausted: boolean;
  /** Of the first worker: the first of each kind of all. */
  readonly findings: readonly FindingWithCalls[];
  /** Since all were ready. */
  readonly seconds: number;
}

/** What a share needs of the thread in which it runs; a pool's job has it. */
export interface SpecificationContext {
  readonly report: (counts: ShareCounts) => void;
  readonly pause: () => Promise<void>;
  readonly signal: AbortSignal;
}

interface Message {
  readonly round: number;
  readonly end: RoundEnd;
}

/**
 * Runs one worker's share to the end of the search.
 *
 * @throws RangeError as Share.create; the signal's reason
 */
export async function searchSpecificationShare(
  options: SearchOptions,
  place: Place,
  ports: Ports,
  context: SpecificationContext,
  source: SpecificationSource,
): Promise<SpecificationShareResult> {
  const run = new ShareRun(await Share.create(options, place, source), ports, context);
  try {
    return await run.toItsEnd();
  } finally {
    run.close();
  }
}

class ShareRun {
  readonly #share: Share;
  readonly #context: SpecificationContext;
  readonly #peers: Peers<Message>;
  #round = 0;
  /** By round, this one or the next, and by worker. */
  readonly #ends = new Map<number, Map<number, RoundEnd>>();

  constructor(share: Share, ports: Ports, context: SpecificationContext) {
    this.#share = share;
    this.#context = context;
    this.#peers = new Peers<Message>(ports, context.signal, ({ round, end }, peer) => {
      this.#endsOf(round).set(peer, end);
    });
  }

  close(): void {
    this.#peers.close();
  }

  async toItsEnd(): Promise<SpecificationShareResult> {
    let ends = await this.#meet(abi.EXPAND_FINISHED);
    const start = performance.now();
    const first = new Map<Finding["kind"], Finding>();
    let depths = 0;
    while (!hasEnded(ends, abi.EXPAND_LIMIT) && this.#share.beginDepth()) {
      depths++;
      ends = await this.#expandDepth();
      for (const finding of ends.flatMap(({ findings }) => findings)) {
        if (!first.has(finding.kind)) first.set(finding.kind, finding);
      }
    }
    const seconds = (performance.now() - start) / 1000;
    const findings = this.#share.worker === 0 ? [...first.values()].map((found) => this.#share.explain(found)) : [];
    const exhausted = !hasEnded(ends, abi.EXPAND_LIMIT);
    return { counts: this.#share.counts, depth: depths - 1, exhausted, findings, seconds };
  }

  /** As many rounds as it takes: how the last one ended for all, by worker. */
  async #expandDepth(): Promise<RoundEnd[]> {
    for (;;) {
      const ends = await this.#meet(await this.#expand());
      if (!hasEnded(ends, abi.EXPAND_GROW) || hasEnded(ends, abi.EXPAND_LIMIT)) return ends;
      const grown = await this.#meet(this.#share.growTable());
      if (hasEnded(grown, abi.EXPAND_LIMIT)) return grown;
    }
  }

  async #expand(): Promise<number> {
    for (;;) {
      const ended = this.#share.expand();
      if (ended !== abi.EXPAND_PAUSED) return ended;
      this.#context.report(this.#share.counts);
      await this.#context.pause();
    }
  }

  /** Waits until all have ended a round: how, by worker. */
  async #meet(ended: number): Promise<RoundEnd[]> {
    const round = this.#round++;
    const end = this.#share.roundEnd(ended);
    this.#peers.sendAll({ round, end });
    const ends = this.#endsOf(round).set(this.#share.worker, end);
    await this.#peers.until(() => ends.size === this.#share.workers);
    this.#ends.delete(round);
    return [...ends.entries()].sort(([one], [other]) => one - other).map(([, its]) => its);
  }

  #endsOf(round: number): Map<number, RoundEnd> {
    const ends = this.#ends.get(round) ?? new Map<number, RoundEnd>();
    this.#ends.set(round, ends);
    return ends;
  }
}
