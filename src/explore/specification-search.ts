// The breadth-first search over all states of the specification machine, shared out by hash among workers that have nothing in
// common. They keep in step: when one has expanded its states of a depth it tells the others so, behind its last batch, and goes
// on when all have told it the same. So states, transitions and depths do not depend on how many workers there are.

import * as abi from "../../assembly/abi/specification.js";
import { callFrom, Specification, type Call, type PackedState, type SpecificationConfig } from "./specification.js";

export interface SearchOptions extends SpecificationConfig {
  /** The host finalises guests whose pages it has not taken back. */
  readonly abandons?: boolean;
  /** Count states that differ only in names as one: of pages, or of pages and guests. */
  readonly symmetry?: "pages" | "guests";
  /** The search ends when a worker owns more states. */
  readonly maxStates?: number;
  /** How many states there are, if that is known: saves the time in which tables grow. */
  readonly expectedStates?: number;
  /** Where the search begins, instead of with pages that are all the host's. */
  readonly from?: PackedState;
}

/** What one worker has seen. */
export interface ShareCounts {
  readonly states: number;
  readonly transitions: number;
  /** Memory of the states, where they came from, and the table. */
  readonly bytes: number;
  readonly panics: number;
}

/** A state that one worker owns. */
export interface StoredState {
  readonly worker: number;
  readonly index: number;
}

/** A state that breaks a rule, or in which a call panics EL2. */
export interface Finding {
  readonly kind: "broken" | "panic";
  readonly at: StoredState;
  /** BROKEN_..., or INTACT for a panic. */
  readonly rule: number;
}

const DEFAULT_MAX_STATES = 1 << 24;
/** States between two looks at what others sent. */
const SLICE = 16384;

/** The batch is a copy: it may be moved. */
export type SendBatch = (peer: number, batch: Uint8Array<ArrayBuffer>) => void;

/** One worker's share of a search. */
export class Share {
  readonly worker: number;
  readonly workers: number;
  readonly #specification: Specification;
  readonly #initial: PackedState;
  #full = false;

  private constructor(specification: Specification, initial: PackedState, worker: number, workers: number) {
    this.#specification = specification;
    this.#initial = initial;
    this.worker = worker;
    this.workers = workers;
  }

  /**
   * @throws RangeError if the machine does not fit the packed state, or the memory the states
   */
  static async create(options: SearchOptions, worker = 0, workers = 1, bytes?: Uint8Array): Promise<Share> {
    const specification = await Specification.create(options, bytes);
    const initial = options.from ?? specification.state;
    const { exports } = specification.core;
    const maximum = options.maxStates ?? DEFAULT_MAX_STATES;
    const expected = Math.ceil(((options.expectedStates ?? 0) / workers) * (workers === 1 ? 1 : 1.02));
    if (exports.createSearch(worker, workers, maximum, expected, flagsOf(options)) === 0) {
      throw new RangeError(`no memory for ${maximum} states of worker ${worker} of ${workers}`);
    }
    const share = new Share(specification, initial, worker, workers);
    exports.addInitial(initial.pages, initial.slots);
    return share;
  }

  get counts(): ShareCounts {
    const { count, transitions, visitedBytes, panics } = this.#specification.core.exports;
    return { states: count.value, transitions: transitions.value, bytes: visitedBytes(), panics: panics.value };
  }

  /** The states that were found are expanded next. Returns how many there are. */
  beginDepth(): number {
    return this.#specification.core.exports.beginDepth();
  }

  /**
   * Expands this worker's states of a depth. `send` gets what others own; `breathe` is waited for now and then, so that what they
   * send can come in through receive().
   */
  async expandDepth(send: SendBatch, breathe?: () => Promise<void>): Promise<void> {
    let ended = abi.EXPAND_PAUSED;
    while (ended === abi.EXPAND_PAUSED && !this.#full) {
      ended = this.#specification.core.exports.expand(SLICE);
      this.#sendBatches(send);
      if (ended === abi.EXPAND_LIMIT) this.#full = true;
      if (breathe !== undefined) await breathe();
    }
  }

  /** There was no room for all states that were found: the search is not exhaustive. */
  get isFull(): boolean {
    return this.#full;
  }

  #sendBatches(send: SendBatch): void {
    const { exports, memory } = this.#specification.core;
    for (let peer = 0; peer < this.workers; peer++) {
      const candidates = exports.outboxCount(peer);
      if (candidates === 0) continue;
      send(peer, new Uint8Array(memory.buffer, exports.outbox(peer) >>> 0, candidates * abi.CANDIDATE_SIZE).slice());
      exports.clearOutbox(peer);
    }
  }

  /** Takes in states that another worker found. */
  receive(batch: Uint8Array): void {
    const { exports, memory } = this.#specification.core;
    new Uint8Array(memory.buffer, exports.inboxWindow() >>> 0, batch.length).set(batch);
    if (exports.receive(batch.length / abi.CANDIDATE_SIZE) === 0) this.#full = true;
  }

  /** The first of each kind so far. */
  get findings(): Finding[] {
    const { broken, brokenBy, panicking, panics } = this.#specification.core.exports;
    const at = (index: number): StoredState => ({ worker: this.worker, index });
    const findings: Finding[] = [];
    if (brokenBy.value !== abi.INTACT) findings.push({ kind: "broken", at: at(broken.value), rule: brokenBy.value });
    if (panics.value !== 0) findings.push({ kind: "panic", at: at(panicking.value), rule: abi.INTACT });
    return findings;
  }

  stateAt(index: number): PackedState {
    const { pagesOf, slotsOf } = this.#specification.core.exports;
    return { pages: BigInt.asUintN(64, pagesOf(index)), slots: BigInt.asUintN(64, slotsOf(index)) };
  }

  parentAt(index: number): StoredState {
    const parent = this.#specification.core.exports.parentOf(index);
    return { worker: parent >>> abi.PARENT_WORKER_SHIFT, index: parent & ((1 << abi.PARENT_WORKER_SHIFT) - 1) };
  }

  /**
   * The calls that lead from the initial state through stored ones, which may have other names for pages and guests; for a panic,
   * the call that panics as the last.
   */
  callsThrough(states: readonly PackedState[], kind: Finding["kind"]): Call[] {
    const { nextCall, panicHere } = this.#specification.core.exports;
    this.#specification.state = this.#initial;
    const calls = states.map(({ pages, slots }) => nextCall(pages, slots));
    return (kind === "panic" ? [...calls, panicHere()] : calls).map(callFrom);
  }
}

function flagsOf({ abandons, symmetry }: SearchOptions): number {
  let flags = abandons === true ? abi.HOST_ABANDONS : 0;
  if (symmetry !== undefined) flags |= abi.SYMMETRIC_PAGES;
  if (symmetry === "guests") flags |= abi.SYMMETRIC_GUESTS;
  return flags;
}

export interface Totals {
  readonly states: number;
  readonly transitions: number;
  readonly bytesPerState: number;
  /** States in which a call panics EL2. */
  readonly panics: number;
}

export interface FindingWithCalls extends Finding {
  /** The shortest way there. */
  readonly calls: readonly Call[];
}

export interface SearchResult extends Totals {
  /** Calls on the way to the states that are farthest away. */
  readonly depth: number;
  /** All reachable states were seen. */
  readonly exhausted: boolean;
  /** The first of each kind. */
  readonly findings: readonly FindingWithCalls[];
}

/** The search with all shares in this thread: the counts are those of as many workers. */
export async function searchSpecification(options: SearchOptions, workers = 1): Promise<SearchResult> {
  const shares: Share[] = [];
  for (let worker = 0; worker < workers; worker++) shares.push(await Share.create(options, worker, workers));

  const findings = new Map<Finding["kind"], FindingWithCalls>();
  let depth = 0;
  for (;;) {
    if (shares.reduce((states, share) => states + share.beginDepth(), 0) === 0) break;
    depth++;
    for (const share of shares) await share.expandDepth((peer, batch) => shares[peer]!.receive(batch));
    for (const finding of shares.flatMap((share) => share.findings)) {
      if (!findings.has(finding.kind)) findings.set(finding.kind, { ...finding, calls: callsTo(shares, finding) });
    }
    if (shares.some((share) => share.isFull)) break;
  }
  const exhausted = !shares.some((share) => share.isFull);
  const counts = total(shares.map((share) => share.counts));
  return { ...counts, depth: depth - 1, exhausted, findings: [...findings.values()] };
}

/** The sums over all workers. */
export function total(shares: readonly ShareCounts[]): Totals {
  const sum = (of: (share: ShareCounts) => number) => shares.reduce((before, share) => before + of(share), 0);
  const states = sum((share) => share.states);
  return {
    states,
    transitions: sum((share) => share.transitions),
    bytesPerState: sum((share) => share.bytes) / states,
    panics: sum((share) => share.panics),
  };
}

/** Follows parents back to the initial state, which is its own parent, and finds the calls of the way there. */
function callsTo(shares: readonly Share[], { at, kind }: Finding): Call[] {
  const states: PackedState[] = [];
  let { worker, index } = at;
  for (;;) {
    const share = shares[worker]!;
    const parent = share.parentAt(index);
    if (parent.worker === worker && parent.index === index) break;
    states.unshift(share.stateAt(index));
    ({ worker, index } = parent);
  }
  return shares[0]!.callsThrough(states, kind);
}
