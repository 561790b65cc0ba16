// The classes of all pages as they are after one operation, kept by applying changes forwards or undoing them backwards: no
// machine is asked, so the map follows a finger.

import { NO_PAGE, type ChangeColumns, type LoadedTrace, type MapRegion, type OperationColumns } from "./timeline.js";

export interface Ownership {
  /** Class of every page, by number (page-class.ts). Always the same array. */
  readonly classes: Uint8Array;
  /** The operation after which these are the classes; -1: before the first. */
  readonly after: number;
  /** Goes to the state after `operation`. Answers which pages changed class: numbers, perhaps twice; null: too many, look at all. */
  goTo(operation: number): Uint32Array | null;
  /** The operation at or before `after` that gave the page its class; null: it has had it from the start. */
  since(page: number): number | null;
  /** The next operation behind `operation` that works on the page or changes its class; null: none. `step` -1: the one before. */
  nextOn(page: number, operation: number, step: 1 | -1): number | null;
  /** Number of the page with this frame number; null: there is no such memory. */
  pageOf(pfn: bigint): number | null;
  /** Frame number of a page. */
  pfnOf(page: number): bigint;
}

export type CreateOwnership = (trace: LoadedTrace) => Ownership;

/** The page with its first operation: nothing has happened yet. */
export const createOwnership: CreateOwnership = (trace) => new OwnershipOfTrace(trace);

/** With more changes than this, looking at all pages is as good as following them. */
const CHANGES_TOLD = 65536;

class OwnershipOfTrace implements Ownership {
  readonly classes: Uint8Array;
  #after = -1;
  /** Changes that are applied: those of operations up to `#after`. */
  #applied = 0;
  readonly #changes: ChangeColumns;
  readonly #operations: OperationColumns;
  readonly #regions: readonly MapRegion[];

  constructor(trace: LoadedTrace) {
    this.classes = trace.initial.slice();
    this.#changes = trace.changes;
    this.#operations = trace.operations;
    this.#regions = trace.regions;
  }

  get after(): number {
    return this.#after;
  }

  goTo(operation: number): Uint32Array | null {
    const to = Math.max(-1, Math.min(operation, this.#operations.count - 1));
    const from = this.#applied;
    const end = firstAbove(this.#changes.operation, to);
    if (end >= from) this.#apply(from, end);
    else this.#undo(end, from);
    this.#applied = end;
    this.#after = to;
    const [low, high] = end < from ? [end, from] : [from, end];
    return high - low > CHANGES_TOLD ? null : this.#changes.page.subarray(low, high);
  }

  #apply(from: number, end: number): void {
    const { page, after } = this.#changes;
    for (let i = from; i < end; i++) this.classes[page[i] ?? 0] = after[i] ?? 0;
  }

  #undo(from: number, end: number): void {
    const { page, before } = this.#changes;
    for (let i = end - 1; i >= from; i--) this.classes[page[i] ?? 0] = before[i] ?? 0;
  }

  since(page: number): number | null {
    return this.#lastChange(page, this.#after);
  }

  nextOn(page: number, operation: number, step: 1 | -1): number | null {
    const changed = step === 1 ? this.#nextChange(page, operation) : this.#lastChange(page, operation - 1);
    const worked = this.#nextWork(page, operation, step);
    if (changed === null || worked === null) return changed ?? worked;
    return step === 1 ? Math.min(changed, worked) : Math.max(changed, worked);
  }

  // Columns are searched as they are: ten million changes are looked through in a few frames, an index of them takes seconds to make.

  /** The last operation up to `operation` that changed the page's class. */
  #lastChange(page: number, operation: number): number | null {
    const end = firstAbove(this.#changes.operation, operation);
    return end === 0 ? null : (this.#changes.operation[this.#changes.page.lastIndexOf(page, end - 1)] ?? null);
  }

  #nextChange(page: number, operation: number): number | null {
    const { operation: numbers, page: pages } = this.#changes;
    return numbers[pages.indexOf(page, firstAbove(numbers, operation))] ?? null;
  }

  #nextWork(page: number, operation: number, step: 1 | -1): number | null {
    const { count, page: first, pages } = this.#operations;
    const from = step === 1 ? Math.max(0, operation + 1) : Math.min(count, operation) - 1;
    for (let at = from; at >= 0 && at < count; at += step) {
      const start = first[at] ?? NO_PAGE;
      if (start !== NO_PAGE && start <= page && page - start < (pages[at] ?? 0)) return at;
    }
    return null;
  }

  pageOf(pfn: bigint): number | null {
    const region = this.#regions.find((each) => pfn >= each.pfn && pfn < each.pfn + BigInt(each.pages));
    return region === undefined ? null : region.first + Number(pfn - region.pfn);
  }

  pfnOf(page: number): bigint {
    const region = this.#regions.findLast(({ first }) => first <= page);
    if (region === undefined || page >= region.first + region.pages || page === NO_PAGE) {
      throw new RangeError(`there is no page ${page}`);
    }
    return region.pfn + BigInt(page - region.first);
  }
}

/** Index of the first value above `limit`, in ascending values. */
export function firstAbove(values: Uint32Array, limit: number): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((values[middle] ?? 0) <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}
