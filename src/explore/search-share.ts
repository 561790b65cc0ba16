// One worker's share of a search: what goes from its core to others' and comes from them, as bytes that can be moved. How a
// search is shared out: assembly/explore/partition.ts.

import * as abi from "../../assembly/abi/explore.js";
import type { Domain } from "./domain.js";
import {
  ENDS,
  Search,
  type FoundAt,
  type Place,
  type SearchCounts,
  type SearchEnd,
  type SearchOptions,
} from "./search.js";

/** What a worker found in a round, for all others. */
export interface Round {
  /** Kinds of parts that the others do not know yet. */
  readonly parts: readonly Uint8Array<ArrayBuffer>[];
  /** States, as rows. */
  readonly found: Uint8Array<ArrayBuffer>;
  /** Numbers of states in which a rule is broken. */
  readonly broken: Uint8Array<ArrayBuffer>;
}

export class SearchShare {
  readonly place: Place;
  readonly #search: Search;

  private constructor(search: Search, place: Place) {
    this.#search = search;
    this.place = place;
  }

  /** @throws as Search.start */
  static async start(domain: Domain, options: SearchOptions, place: Place): Promise<SearchShare> {
    const search = await Search.start(domain, options, place);
    search.core.exports.startShare();
    return new SearchShare(search, place);
  }

  get #exports() {
    return this.#search.core.exports;
  }

  /** States are those of all workers; what was tried is this worker's part. */
  get counts(): SearchCounts {
    return this.#search.counts;
  }

  get findings(): FoundAt[] {
    return this.#search.findings;
  }

  get hasFindings(): boolean {
    return this.#exports.findingCount() > 0;
  }

  /** There was no room for what others sent. */
  get isFull(): boolean {
    return this.#exports.shareIsFull() !== 0;
  }

  /** Every state was looked at and expanded, but for the last ones with `lookOnly`. */
  beginRound(lookOnly: boolean): void {
    this.#exports.beginRound(lookOnly ? 1 : 0);
  }

  /** Does this worker's part of the round, up to so many states: `exhausted` when it is done, `paused` when it may not be. */
  run(states: number): SearchEnd {
    return ENDS.get(this.#exports.runShare(states)) ?? "paused";
  }

  /** What this worker's part came to. */
  endRound(): Round {
    const exports = this.#exports;
    const found = exports.endRound() * exports.stateBytes();
    return {
      parts: [...this.#newParts()],
      found: this.#bytes(exports.foundBy(this.place.worker), found),
      broken: this.#bytes(exports.brokenStates(), exports.brokenStatesCount() * 4),
    };
  }

  *#newParts(): Generator<Uint8Array<ArrayBuffer>> {
    for (;;) {
      const bytes = this.#exports.partsToSend(abi.SHARE_WINDOW);
      if (bytes === 0) return;
      yield this.#bytes((this.#exports.partsSent() >>> 0) - bytes, bytes);
    }
  }

  /** What another worker's part came to. */
  receive(worker: number, { parts, found, broken }: Round): void {
    const exports = this.#exports;
    for (const bytes of parts) {
      this.#put(bytes, exports.shareWindow());
      exports.takeParts(worker, bytes.length);
    }
    for (let from = 0; from < broken.length; from += abi.SHARE_WINDOW) {
      const piece = broken.subarray(from, from + abi.SHARE_WINDOW);
      this.#put(piece, exports.shareWindow());
      exports.takeBroken(piece.length / 4);
    }
    this.#put(found, exports.foundBy(worker));
    exports.receiveFound(worker, found.length / exports.stateBytes());
  }

  /** Takes in what all have found. Returns whether a state is left to be looked at or expanded. */
  take(): boolean {
    const { states } = this.counts;
    this.#exports.takeRound();
    const after = this.counts;
    return after.states > states || after.expanded < after.states;
  }

  #bytes(at: number, length: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#search.core.memory.buffer.slice(at >>> 0, (at >>> 0) + length));
  }

  #put(bytes: Uint8Array, at: number): void {
    new Uint8Array(this.#search.core.memory.buffer, at >>> 0, bytes.length).set(bytes);
  }
}
