// The pages of a machine, numbered through all of its regions, and what an address is in these numbers.

import type { Machine } from "../machine/machine.js";
import { NO_PAGE, type MapRegion } from "./timeline.js";

/** A region of a map, in numbers that loops can use. */
interface Span {
  readonly pfn: number;
  readonly end: number;
  readonly first: number;
}

export class MemoryMap {
  readonly regions: readonly MapRegion[];
  readonly pages: number;
  readonly #spans: readonly Span[];
  /** The span of the last look-up, in which the next one probably is. */
  #last: Span | undefined;

  /** Regions of frames, ascending. */
  constructor(regions: readonly { readonly pfn: bigint; readonly pages: number }[]) {
    let first = 0;
    this.regions = regions.map(({ pfn, pages }) => {
      const region = { pfn, pages, first };
      first += pages;
      return region;
    });
    this.pages = first;
    this.#spans = this.regions.map(({ pfn, pages, first: number }) => {
      return { pfn: Number(pfn), end: Number(pfn) + pages, first: number };
    });
  }

  /** Number of the page with this frame number; NO_PAGE if it is no memory. */
  pageOf(pfn: number): number {
    let span = this.#last;
    if (span === undefined || pfn < span.pfn || pfn >= span.end) {
      span = this.#spans.find(({ pfn: first, end }) => pfn >= first && pfn < end);
      if (span === undefined) return NO_PAGE;
      this.#last = span;
    }
    return span.first + pfn - span.pfn;
  }

  /** Frame number of a page. */
  pfnOf(page: number): number {
    const span = this.#spans.findLast(({ first }) => first <= page);
    return span === undefined ? 0 : span.pfn + page - span.first;
  }

  /** How many pages there are from a page to the end of its region. */
  pagesFrom(page: number): number {
    const span = this.#spans.findLast(({ first }) => first <= page);
    return span === undefined ? 0 : span.first + (span.end - span.pfn) - page;
  }
}

/** The map of a machine with memory regions. */
export function mapOfRegions(machine: Machine): MemoryMap {
  const shift = BigInt(machine.pageShift);
  const regions = "regions" in machine.config ? machine.config.regions : [];
  return new MemoryMap(regions.map(({ base, size }) => ({ pfn: base >> shift, pages: Number(size >> shift) })));
}
