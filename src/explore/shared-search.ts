// A search that several workers make together, round by round (assembly/explore/partition.ts). At the end of a round each sends
// the others what it found and whether a rule is broken or a bound reached; all take in the same and draw the same conclusions. So
// states, their order, ways and findings are those of one worker.

import type { Domain } from "./domain.js";
import { isWanted, type ExploreOptions } from "./explore.js";
import { Peers, type Ports } from "./peers.js";
import { SearchShare, type Round } from "./search-share.js";
import type { FoundAt, Place, SearchCounts, SearchEnd } from "./search.js";

/** States between two looks at messages and the clock. */
const SLICE = 2000;

/** What goes to workers, who have the domain's code only. */
export type SharedOptions = Omit<ExploreOptions, "onProgress">;

/** What a worker's share came to. */
export interface ShareResult {
  readonly end: SearchEnd;
  readonly counts: SearchCounts;
  readonly findings: readonly FoundAt[];
}

/** What a share needs of the thread in which it runs; a pool's job has it. */
export interface ShareContext {
  readonly report: (counts: SearchCounts) => void;
  readonly pause: () => Promise<void>;
  readonly signal: AbortSignal;
}

/** How a worker's part of a round ended. */
interface Message extends Round {
  readonly round: number;
  readonly found: Uint8Array<ArrayBuffer>;
  /** It has found what the search is to stop at. */
  readonly isFound: boolean;
  /** A bound, if one was reached. */
  readonly bound: SearchEnd | null;
}

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
  #round = 0;
  /** What came of this round, or of the next one already, by round and worker. */
  readonly #messages = new Map<number, Map<number, Message>>();

  constructor(share: SearchShare, options: SharedOptions, ports: Ports, context: ShareContext) {
    this.#share = share;
    this.#options = options;
    this.#context = context;
    this.#deadline = performance.now() + (options.seconds ?? Infinity) * 1000;
    this.#peers = new Peers<Message>(ports, context.signal, (message, peer) => {
      this.#messagesOf(message.round).set(peer, message);
    });
  }

  close(): void {
    this.#peers.close();
  }

  async toItsEnd(): Promise<ShareResult> {
    let end: SearchEnd | null = this.#hasFound ? "found" : null;
    while (end === null) end = await this.#runRound(false);
    // The rest of what was found before: one that is shorter may be among it.
    if (end === "found") await this.#runRound(true);
    return { end, counts: this.#share.counts, findings: this.#share.findings };
  }

  /** Returns why the search ends here; null if it goes on. */
  async #runRound(lookOnly: boolean): Promise<SearchEnd | null> {
    this.#share.beginRound(lookOnly);
    const bound = await this.#work();
    const messages = await this.#exchange(bound);
    if (messages.some(({ isFound }) => isFound)) return this.#takeIn("found");
    const reached = messages.find((message) => message.bound !== null)?.bound ?? null;
    return reached ?? this.#takeIn(null);
  }

  #takeIn(end: SearchEnd | null): SearchEnd | null {
    const isMore = this.#share.take();
    if (this.#share.isFull) return end ?? "states";
    return end ?? (isMore ? null : "exhausted");
  }

  /** Does this worker's part. Returns the bound that was reached, if one was. */
  async #work(): Promise<SearchEnd | null> {
    let end: SearchEnd = "paused";
    while (end === "paused") {
      if (performance.now() >= this.#deadline) return "paused";
      end = this.#share.run(SLICE);
      this.#context.report(this.#share.counts);
      await this.#context.pause();
    }
    return end === "exhausted" ? null : end;
  }

  /** Sends what this worker found to all, and takes what they send. Returns how the round ended for all. */
  async #exchange(bound: SearchEnd | null): Promise<Message[]> {
    const { place } = this.#share;
    const own = { ...this.#share.endRound(), round: this.#round, isFound: this.#hasFound, bound };
    this.#peers.sendAll(own);
    const messages = this.#messagesOf(this.#round);
    await this.#peers.until(() => messages.size === place.workers - 1);
    this.#messages.delete(this.#round++);
    for (const peer of this.#peers.numbers) this.#share.receive(peer, messages.get(peer) ?? own);
    return [own, ...messages.values()];
  }

  #messagesOf(round: number): Map<number, Message> {
    const messages = this.#messages.get(round) ?? new Map<number, Message>();
    this.#messages.set(round, messages);
    return messages;
  }

  /** Whether this worker has found what the search is to stop at. */
  get #hasFound(): boolean {
    const { all = false, until, untilRule } = this.#options;
    if (!this.#share.hasFindings || (all && until === undefined)) return false;
    return until === undefined || this.#share.findings.some((each) => isWanted(each, until, untilRule));
  }
}
