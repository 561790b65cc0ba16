// The search over the specification machine, by several workers: each runs its share (specification-search.ts) and has a port to
// each of the others. What a share finds for another is sent as it comes; behind the last of a depth comes how it ended.

import { Peers, type Ports } from "./peers.js";
import type { Place } from "./search.js";
import {
  Share,
  type Finding,
  type FindingWithCalls,
  type SearchOptions,
  type ShareCounts,
  type StoredState,
} from "./specification-search.js";
import type { PackedState } from "./specification.js";

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

/** How a worker's depth ended. */
interface DepthEnd {
  /** States that it began with. */
  readonly began: number;
  readonly isFull: boolean;
  /** The first of each kind up to now. */
  readonly findings: readonly Finding[];
}

interface Step {
  readonly state: PackedState;
  readonly parent: StoredState;
}

type Message =
  | { readonly kind: "ready" }
  | { readonly kind: "states"; readonly depth: number; readonly batch: Uint8Array<ArrayBuffer> }
  | { readonly kind: "end"; readonly depth: number; readonly end: DepthEnd }
  | { readonly kind: "ask"; readonly index: number }
  | { readonly kind: "step"; readonly step: Step }
  | { readonly kind: "over" };

/**
 * Runs one worker's share to the end of the search.
 *
 * @throws RangeError as Share.create; the signal's reason
 */
export async function searchSpecificationShare(
  options: SearchOptions,
  { worker, workers }: Place,
  ports: Ports,
  context: SpecificationContext,
  bytes?: Uint8Array,
): Promise<SpecificationShareResult> {
  const run = new ShareRun(await Share.create(options, worker, workers, bytes), ports, context);
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
  /** Which one runs. What comes for the next one is kept until it begins. */
  #depth = -1;
  #ready = 0;
  /** From workers that are a depth ahead: what they found belongs to the depth after that. */
  readonly #early: Uint8Array[] = [];
  /** By depth, this one or the next, and by worker. */
  readonly #ends = new Map<number, Map<number, DepthEnd>>();
  #step: Step | null = null;
  #isOver = false;

  constructor(share: Share, ports: Ports, context: SpecificationContext) {
    this.#share = share;
    this.#context = context;
    this.#peers = new Peers<Message>(ports, context.signal, (message, peer) => this.#take(message, peer));
  }

  close(): void {
    this.#peers.close();
  }

  async toItsEnd(): Promise<SpecificationShareResult> {
    this.#peers.sendAll({ kind: "ready" });
    await this.#peers.until(() => this.#ready === this.#share.workers - 1);
    const start = performance.now();
    let ends = await this.#runDepth();
    const first = new Map<Finding["kind"], Finding>();
    while (ends.some(({ began }) => began > 0)) {
      for (const finding of ends.flatMap(({ findings }) => findings)) {
        if (!first.has(finding.kind)) first.set(finding.kind, finding);
      }
      if (ends.some(({ isFull }) => isFull)) break;
      ends = await this.#runDepth();
    }
    const seconds = (performance.now() - start) / 1000;
    const findings = await this.#tell([...first.values()]);
    // The last depth had no states, unless it was not finished.
    const exhausted = !ends.some(({ isFull }) => isFull);
    const depth = exhausted ? this.#depth - 1 : this.#depth;
    return { counts: this.#share.counts, depth, exhausted, findings, seconds };
  }

  /** One depth in step with the others: how it ended for all, by worker. */
  async #runDepth(): Promise<DepthEnd[]> {
    this.#depth++;
    const began = this.#share.beginDepth();
    for (const batch of this.#early.splice(0)) this.#share.receive(batch);
    const send = (peer: number, batch: Uint8Array<ArrayBuffer>): void =>
      this.#peers.send(peer, { kind: "states", depth: this.#depth, batch }, [batch.buffer]);
    await this.#share.expandDepth(send, () => this.#breathe());
    const end = { began, isFull: this.#share.isFull, findings: this.#share.findings };
    this.#peers.sendAll({ kind: "end", depth: this.#depth, end });
    const ends = this.#endsOf(this.#depth).set(this.#share.worker, end);
    await this.#peers.until(() => ends.size === this.#share.workers);
    this.#ends.delete(this.#depth);
    return Array.from({ length: this.#share.workers }, (_, worker) => ends.get(worker) ?? end);
  }

  async #breathe(): Promise<void> {
    this.#context.report(this.#share.counts);
    await this.#context.pause();
  }

  #take(message: Message, peer: number): void {
    switch (message.kind) {
      case "ready":
        return void this.#ready++;
      case "states":
        if (message.depth === this.#depth) this.#share.receive(message.batch);
        else this.#early.push(message.batch);
        return;
      case "end":
        return void this.#endsOf(message.depth).set(peer, message.end);
      case "ask":
        return this.#peers.send(peer, { kind: "step", step: this.#stepTo(message.index) });
      case "step":
        this.#step = message.step;
        return;
      case "over":
        this.#isOver = true;
    }
  }

  #endsOf(depth: number): Map<number, DepthEnd> {
    const ends = this.#ends.get(depth) ?? new Map<number, DepthEnd>();
    this.#ends.set(depth, ends);
    return ends;
  }

  // The way to a finding leads through states of all workers: the first one asks the others for them.

  async #tell(findings: readonly Finding[]): Promise<FindingWithCalls[]> {
    if (this.#share.worker !== 0) {
      await this.#peers.until(() => this.#isOver);
      return [];
    }
    const told: FindingWithCalls[] = [];
    for (const finding of findings) {
      told.push({ ...finding, calls: this.#share.callsThrough(await this.#wayTo(finding.at), finding.kind) });
    }
    this.#peers.sendAll({ kind: "over" });
    return told;
  }

  /** The states from the first one on, which is left out and its own parent, to this one. */
  async #wayTo(at: StoredState): Promise<PackedState[]> {
    const way: PackedState[] = [];
    for (;;) {
      const { state, parent } = await this.#ask(at);
      if (parent.worker === at.worker && parent.index === at.index) return way.reverse();
      way.push(state);
      at = parent;
    }
  }

  async #ask({ worker, index }: StoredState): Promise<Step> {
    if (worker === this.#share.worker) return this.#stepTo(index);
    this.#step = null;
    this.#peers.send(worker, { kind: "ask", index });
    await this.#peers.until(() => this.#step !== null);
    return this.#step ?? this.#stepTo(index);
  }

  #stepTo(index: number): Step {
    return { state: this.#share.stateAt(index), parent: this.#share.parentAt(index) };
  }
}
