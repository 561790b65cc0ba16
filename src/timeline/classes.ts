// How the pages of a system are classed, and how an operation changes that. One implementation a system.

import type { EffectRecord } from "./effect-records.js";
import type { MemoryMap } from "./memory-map.js";

/** Hears which class a page has after an operation; it may be the one it had, and may come twice. */
export type ClassListener = (page: number, value: number) => void;

export interface PageClasses {
  readonly map: MemoryMap;
  readonly parties: readonly string[];
  /** Class of every page in the machine's present state. */
  initial(): Uint8Array<ArrayBuffer>;
  /** The machine was reset: what is remembered of it is not true any more. */
  reset(): void;
  /** Something that a record has just done. */
  see(effect: EffectRecord): void;
  /** All records of an operation have run: the pages that may have another class now. `classes`: those before it. */
  settle(classes: Uint8Array, tell: ClassListener): void;
}
