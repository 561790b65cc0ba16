// One worker's share of a search: what goes from its core to others' and comes from them, as bytes that can be moved. How a
// search is shared out: assembly/explore/partition.ts.

import * as abi from "../../assembly/abi/explore.js";
import type { Domain } from "./domain.js";
import {
  DEFAULT_STATES,
  ENDS,
  Search,
  type Finding,
  type Place,
  type SearchCounts,
  type SearchEnd,
  type SearchOptions,
} from "./search.js";

/** A worker keeps the states that it owns, those that it discovered, and ways to those that it was handed. */
const ROWS_OF_STATE = 2;

export class SearchShare {
  readonly place: Place;
  readonly #search: Search;

  private constructor(search: Search, place: Place) {
    this.#search = search;
    this.place = place;
  }

  /** @throws as Search.start */
  static async start(domain: Domain, options: SearchOptions, place: Place): Promise<SearchShare> {
    const maxStates = ROWS_OF_STATE * (options.maxStates ?? DEFAULT_STATES);
    const search = await Search.start(domain, { ...options, maxStates }, place);
    search.core.exports.beginShare();
    return new SearchShare(search, place);
  }

  get #exports() {
    return this.#search.core.exports;
  }

  /** States that this worker discovered first, and what it made of those that it expanded. */
  get counts(): Omit<SearchCounts, "depth"> {
    return { ...this.#search.counts, states: this.#exports.discoveredCount() };
  }

  get findings(): Finding[] {
    return this.#search.findings;
  }

  get hasFindings(): boolean {
    return this.#exports.findingCount() > 0;
  }

  /** There was no room for what others sent. */
  get isFull(): boolean {
    return this.#exports.shareIsFull() !== 0;
  }

  /** States that are there for the next depth. */
  get ahead(): number {
    return this.#exports.statesAhead();
  }

  beginDepth(): void {
    this.#exports.beginDepth();
  }

  /** Expands up to so many states of the depth: `exhausted` when there are no more of them, `paused` when there may be. */
  run(states: number): SearchEnd {
    return ENDS.get(this.#exports.runShare(states)) ?? "paused";
  }

  // What leaves

  offersFor(peer: number): number {
    return this.#exports.offersFor(peer);
  }

  /** The parts that the peer does not know yet: to be sent before any states. */
  *partsFor(peer: number): Generator<Uint8Array<ArrayBuffer>> {
    for (;;) {
      const bytes = this.#exports.partsFor(peer, abi.SHARE_WINDOW);
      if (bytes === 0) return;
      yield this.#bytes((this.#exports.partsSentTo(peer) >>> 0) - bytes, bytes);
    }
  }

  /** All offers for a peer, in pieces that fit its window. */
  *offers(peer: number): Generator<Uint8Array<ArrayBuffer>> {
    const size = this.#exports.stateBytes();
    const most = Math.floor(abi.SHARE_WINDOW / size);
    const count = this.offersFor(peer);
    for (let from = 0; from < count; from += most) {
      yield this.#bytes((this.#exports.outbox(peer) >>> 0) + from * size, Math.min(most, count - from) * size);
    }
    this.#exports.forgetOffers(peer);
  }

  /** States of the next depth with the ways to them, up to so many: fewer if no more are left. */
  *handOver(states: number): Generator<Uint8Array<ArrayBuffer>> {
    for (let left = states; left > 0; left -= this.#exports.handedOverCount()) {
      const entries = this.#exports.handOver(left);
      if (entries === 0) return;
      yield this.#bytes(this.#window, entries * this.#exports.stateBytes());
    }
  }

  #bytes(at: number, length: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#search.core.memory.buffer.slice(at, at + length));
  }

  // What comes in

  takeParts(peer: number, parts: Uint8Array): void {
    this.#put(parts);
    this.#exports.takeParts(peer, parts.length);
  }

  /** Answers the offers that were new. */
  takeOffers(peer: number, offers: Uint8Array): Uint8Array<ArrayBuffer> {
    const fresh = this.#exports.takeOffers(peer, this.#put(offers));
    return this.#bytes(this.#window, fresh * this.#exports.stateBytes());
  }

  /** Takes back what was new of this worker's offers. */
  takeBack(states: Uint8Array): void {
    this.#exports.takeBack(this.#put(states));
  }

  takeOver(peer: number, states: Uint8Array): void {
    this.#exports.takeOver(peer, this.#put(states));
  }

  get #window(): number {
    return this.#exports.shareWindow() >>> 0;
  }

  /** Returns how many states that would be. */
  #put(bytes: Uint8Array): number {
    new Uint8Array(this.#search.core.memory.buffer, this.#window, bytes.length).set(bytes);
    return bytes.length / this.#exports.stateBytes();
  }
}
