// A search over a machine of any system that several workers make together, round by round (system-share.ts). All take in the same
// and draw the same conclusions.

import { isWanted } from "./explore.js";
import { Meeting, type Ports } from "./peers.js";
import type { Finding, Place, SearchCounts, SearchEnd } from "./search.js";
import type { ShareContext, SharedOptions } from "./shared-search.js";
import type { SystemDomain } from "./system-domain.js";
import { SystemShare, type SystemRound } from "./system-share.js";

/** States between two looks at messages and the clock. */
const SLICE = 32;

/** What a worker's share came to. */
export interface SystemShareResult {
  readonly end: SearchEnd;
  /** States are those of all workers; what was tried is this worker's part. */
  readonly counts: SearchCounts;
  /** The same for all workers. */
  readonly findings: readonly Finding[];
}

interface Part {
  readonly round: SystemRound;
  /** A bound, if one was reached. */
  readonly bound: SearchEnd | null;
  /** States that the worker has taken in. */
  readonly states: number;
}

const NOTHING_FOUND: SystemRound = { states: [], broken: [] };

/**
 * Runs one worker's share to the end of the search.
 *
 * @throws as SystemShare.start; the signal's reason
 */
export async function searchSystemShare(
  domain: SystemDomain,
  options: SharedOptions,
  place: Place,
  ports: Ports,
  context: ShareContext,
): Promise<SystemShareResult> {
  const stopsAtFirst = options.all !== true && options.until === undefined;
  const share = await SystemShare.start(domain, options, place, stopsAtFirst);
  const meeting = new Meeting<Part>(ports, context.signal);
  try {
    const end = await new Rounds(share, options, meeting, context).toTheirEnd();
    return { end, counts: share.counts, findings: share.findings };
  } finally {
    meeting.close();
  }
}

class Rounds {
  readonly #share: SystemShare;
  readonly #options: SharedOptions;
  readonly #meeting: Meeting<Part>;
  readonly #context: ShareContext;
  readonly #deadline: number;

  constructor(share: SystemShare, options: SharedOptions, meeting: Meeting<Part>, context: ShareContext) {
    this.#share = share;
    this.#options = options;
    this.#meeting = meeting;
    this.#context = context;
    this.#deadline = performance.now() + (options.seconds ?? Infinity) * 1000;
  }

  async toTheirEnd(): Promise<SearchEnd> {
    for (;;) {
      if (this.#hasFound) return "found";
      const { states, expanded } = this.#share.counts;
      if (expanded === states) return "exhausted";
      const bound = await this.#runRound();
      if (bound !== null) return this.#hasFound ? "found" : bound;
    }
  }

  /** Returns the bound that some worker reached; null: none did. */
  async #runRound(): Promise<SearchEnd | null> {
    this.#share.beginRound();
    const bound = await this.#work();
    const own = { round: this.#share.endRound(), bound, states: this.#share.counts.states };
    const parts = await this.#meeting.end(this.#share.place.worker, own);
    const reached = parts.find((part) => part.bound !== null)?.bound ?? null;
    const rounds = parts.map(({ round }) => round);
    this.#share.take(rounds, reached !== null);
    return (await this.#agreed(this.#share.bound)) ?? reached;
  }

  /** A worker that had no room for what others found says so: all end, or none. */
  async #agreed(bound: SearchEnd | null): Promise<SearchEnd | null> {
    const { states } = this.#share.counts;
    const parts = await this.#meeting.end(this.#share.place.worker, { round: NOTHING_FOUND, bound, states });
    const reached = parts.find((part) => part.bound !== null)?.bound ?? null;
    // Else each would go on with a search of its own, and wait for the others for ever.
    if (reached === null && parts.some((part) => part.states !== states))
      throw new Error("workers know different states");
    return reached;
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

  get #hasFound(): boolean {
    const { all = false, until, untilRule } = this.#options;
    const { findings } = this.#share;
    if (until !== undefined) return findings.some((each) => isWanted(each, until, untilRule));
    return !all && findings.length > 0;
  }
}
