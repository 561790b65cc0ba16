// A search that several workers make together, depth by depth. At the end of a depth, when it has had back all that it offered,
// each tells the others how many states it has for the next; all draw the same conclusions from these numbers: whether the search
// is over, and who hands over states to whom so that all have as much to do. So depths and shortest ways are those of one worker.

import type { Domain } from "./domain.js";
import type { ExploreOptions } from "./explore.js";
import { Peers, type Ports } from "./peers.js";
import { SearchShare } from "./search-share.js";
import { DEFAULT_STATES, type Finding, type Place, type SearchCounts, type SearchEnd } from "./search.js";

/** States between two looks at messages and the clock. */
const SLICE = 500;
/** Offers that are worth a message before the depth ends. */
const MANY_OFFERS = 4096;
/** States that are worth handing over, and the part of an even share. */
const WORTH_MOVING = 16;
const WORTH_MOVING_SHARE = 0.02;

/** What goes to workers, who have the domain's code only. */
export type SharedOptions = Omit<ExploreOptions, "onProgress">;

/** What a worker's share came to. */
export interface ShareResult {
  readonly end: SearchEnd;
  readonly counts: SearchCounts;
  readonly findings: readonly Finding[];
}

/** What a share needs of the thread in which it runs; a pool's job has it. */
export interface ShareContext {
  readonly report: (counts: SearchCounts) => void;
  readonly pause: () => Promise<void>;
  readonly signal: AbortSignal;
}

/** How a worker's depth ended. */
interface DepthReport {
  readonly ahead: number;
  readonly states: number;
  readonly found: boolean;
  /** A bound, if one was reached. */
  readonly bound: SearchEnd | null;
}

type Message =
  | { readonly kind: "parts" | "offers" | "new" | "states"; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: "handed-over" }
  | { readonly kind: "depth"; readonly depth: number; readonly report: DepthReport };

/**
 * Runs one worker's share to the end of the search.
 *
 * @throws as Search.start; the signal's reason
 */
export async function searchShare(
  domain: Domain,
  options: SharedOptions,
  place: Place,
  ports: Ports,
  context: ShareContext,
): Promise<ShareResult> {
  const share = await SearchShare.start(domain, options, place);
  const run = new ShareRun(share, options, ports, context);
  try {
    return await run.toItsEnd();
  } finally {
    run.close();
  }
}

class ShareRun {
  readonly #share: SearchShare;
  readonly #options: SharedOptions;
  readonly #context: ShareContext;
  readonly #peers: Peers<Message>;
  readonly #deadline: number;
  #depth = 0;
  /** Messages with offers that were not answered yet. */
  #open = 0;
  /** How peers' depths ended: of this depth, or of the next one already. */
  readonly #reports = new Map<number, Map<number, DepthReport>>();
  /** Peers that handed over all they were to. */
  readonly #handedOver = new Set<number>();

  constructor(share: SearchShare, options: SharedOptions, ports: Ports, context: ShareContext) {
    this.#share = share;
    this.#options = options;
    this.#context = context;
    this.#deadline = performance.now() + (options.seconds ?? Infinity) * 1000;
    this.#peers = new Peers<Message>(ports, context.signal, (message, peer) => this.#take(message, peer));
  }

  close(): void {
    this.#peers.close();
  }

  async toItsEnd(): Promise<ShareResult> {
    for (;;) {
      const bound = await this.#expandDepth();
      const reports = await this.#agree(bound);
      if (reports.some(({ ahead }) => ahead > 0)) this.#depth++;
      const end = this.#endAfter(reports);
      if (end !== null) return { end, counts: this.#counts, findings: this.#share.findings };
      await this.#balance(reports.map(({ ahead }) => ahead));
    }
  }

  get #counts(): SearchCounts {
    return { ...this.#share.counts, depth: this.#depth };
  }

  /** Returns the bound that was reached, if one was. */
  async #expandDepth(): Promise<SearchEnd | null> {
    this.#share.beginDepth();
    let end: SearchEnd = "paused";
    while (end === "paused" && !this.#share.isFull && performance.now() < this.#deadline) {
      end = this.#share.run(SLICE);
      this.#sendOffers(end === "paused" ? MANY_OFFERS : 1);
      this.#context.report(this.#counts);
      await this.#context.pause();
    }
    this.#sendOffers(1);
    await this.#peers.until(() => this.#open === 0);
    if (this.#share.isFull) return "states";
    return end === "exhausted" ? null : end;
  }

  #sendOffers(least: number): void {
    for (const peer of this.#peers.numbers) {
      if (this.#share.offersFor(peer) < least) continue;
      this.#sendParts(peer);
      for (const offers of this.#share.offers(peer)) {
        this.#open++;
        this.#send(peer, "offers", offers);
      }
    }
  }

  #sendParts(peer: number): void {
    for (const parts of this.#share.partsFor(peer)) this.#send(peer, "parts", parts);
  }

  #send(peer: number, kind: "parts" | "offers" | "new" | "states", bytes: Uint8Array<ArrayBuffer>): void {
    this.#peers.send(peer, { kind, bytes }, [bytes.buffer]);
  }

  #take(message: Message, peer: number): void {
    switch (message.kind) {
      case "parts":
        return this.#share.takeParts(peer, message.bytes);
      case "offers":
        return this.#send(peer, "new", this.#share.takeOffers(peer, message.bytes));
      case "new":
        this.#open--;
        return this.#share.takeBack(message.bytes);
      case "states":
        return this.#share.takeOver(peer, message.bytes);
      case "handed-over":
        return void this.#handedOver.add(peer);
      case "depth":
        return void this.#reportsOf(message.depth).set(peer, message.report);
    }
  }

  #reportsOf(depth: number): Map<number, DepthReport> {
    const reports = this.#reports.get(depth) ?? new Map<number, DepthReport>();
    this.#reports.set(depth, reports);
    return reports;
  }

  /** How the depth ended for all, by worker. */
  async #agree(bound: SearchEnd | null): Promise<DepthReport[]> {
    const { ahead, counts, place } = this.#share;
    const report = { ahead, states: counts.states, found: this.#hasFound, bound };
    this.#peers.sendAll({ kind: "depth", depth: this.#depth, report });
    const reports = this.#reportsOf(this.#depth).set(place.worker, report);
    await this.#peers.until(() => reports.size === place.workers);
    this.#reports.delete(this.#depth);
    return Array.from({ length: place.workers }, (_, worker) => reports.get(worker) ?? report);
  }

  /** Whether this worker has found what the search is to stop at. */
  get #hasFound(): boolean {
    const { all = false, until } = this.#options;
    if (!this.#share.hasFindings || (all && until === undefined)) return false;
    return until === undefined || this.#share.findings.some(({ kind }) => kind === until);
  }

  /** Why the search ends here; null if it goes on. */
  #endAfter(reports: readonly DepthReport[]): SearchEnd | null {
    if (reports.some(({ found }) => found)) return "found";
    const states = reports.reduce((sum, report) => sum + report.states, 0);
    if (states > (this.#options.maxStates ?? DEFAULT_STATES)) return "states";
    const bound = reports.find((report) => report.bound !== null)?.bound;
    return bound ?? (reports.every(({ ahead }) => ahead === 0) ? "exhausted" : null);
  }

  async #balance(ahead: readonly number[]): Promise<void> {
    const moves = evenOut(ahead);
    const { worker } = this.#share.place;
    for (const { states, to } of moves.filter(({ from }) => from === worker)) {
      this.#sendParts(to);
      for (const bytes of this.#share.handOver(states)) this.#send(to, "states", bytes);
      this.#peers.send(to, { kind: "handed-over" });
    }
    const givers = moves.filter(({ to }) => to === worker);
    await this.#peers.until(() => this.#handedOver.size === givers.length);
    this.#handedOver.clear();
  }
}

interface Move {
  readonly from: number;
  readonly to: number;
  readonly states: number;
}

/** Who gives how many states to whom, so that all have about as many. */
export function evenOut(ahead: readonly number[]): Move[] {
  const even = ahead.reduce((sum, states) => sum + states, 0) / ahead.length;
  const least = Math.max(WORTH_MOVING, even * WORTH_MOVING_SHARE);
  const left = [...ahead];
  const moves: Move[] = [];
  for (let from = 0; from < left.length; from++) {
    for (let to = 0; to < left.length; to++) {
      const states = Math.floor(Math.min(left[from]! - even, even - left[to]!));
      if (states < least) continue;
      left[from]! -= states;
      left[to]! += states;
      moves.push({ from, to, states });
    }
  }
  return moves;
}
