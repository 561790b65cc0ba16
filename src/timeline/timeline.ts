// A trace loaded to be looked at: any operation at once, forwards and backwards. What follows from the operations alone stands in
// flat arrays, which go to another thread without a copy; what needs the machine is asked of it, as it was after an operation.
//
// "After operation N": operations 0 to N have run; -1 is the state before the first one.

import type { Access } from "../machine/translation.js";
import type { Stage2 } from "../machine/accesses.js";
import type { ReplaySummary } from "../trace/replay.js";

/** Memory of the machine, in frame numbers. Its pages are numbered through all regions, ascending. */
export interface MapRegion {
  readonly pfn: bigint;
  readonly pages: number;
  /** Number of its first page. */
  readonly first: number;
}

/** One entry an operation. */
export interface OperationColumns {
  readonly count: number;
  /** Line of the file, from 1. */
  readonly line: Uint32Array;
  /** Index in {@link LoadedTrace.verbs}. */
  readonly verb: Uint16Array;
  /** VM handle, or FF-A endpoint; 0: none takes part. */
  readonly vm: Uint32Array;
  /** Number of the first page it works on, also where it names it by a guest's address; NO_PAGE: none. */
  readonly page: Uint32Array;
  /** How many pages from there. */
  readonly pages: Uint32Array;
  /** What it returned. */
  readonly ret: Int32Array;
  /** OPERATION_* bits. */
  readonly flags: Uint8Array;
}

export const NO_PAGE = 0xffff_ffff;
/** It was refused: a check failed, nothing changed. */
export const OPERATION_REFUSED = 1;
/** The hypervisor panicked in it. */
export const OPERATION_PANICKED = 2;
/** The machine did something else than the recording says. */
export const OPERATION_DIFFERS = 4;
/** The machine was built anew before it. */
export const OPERATION_AFTER_RESET = 8;

/** One entry a page whose class changed, in the order of the operations; a page stands at most once for each operation. */
export interface ChangeColumns {
  readonly count: number;
  readonly operation: Uint32Array;
  readonly page: Uint32Array;
  readonly before: Uint8Array;
  readonly after: Uint8Array;
}

export interface LoadedTrace {
  readonly summary: ReplaySummary;
  /** `pkvm`, `ffa`, `lone table`: whose operations these are. */
  readonly system: string;
  readonly pageShift: number;
  readonly regions: readonly MapRegion[];
  /** The number by which the trace itself calls operation 0: a capture may begin late. */
  readonly firstOperation: number;
  /** Names of the parties of page classes: `host`, `hypervisor`, `VM 0x1000`, ... */
  readonly parties: readonly string[];
  readonly verbs: readonly string[];
  readonly operations: OperationColumns;
  readonly changes: ChangeColumns;
  /** Class of every page before the first operation. */
  readonly initial: Uint8Array;
}

/** What one component says of a page. */
export interface PageSide {
  /** `host`, `hypervisor`, `VM 0x1000`, ... */
  readonly party: string;
  /** `OWNED`, `SHARED_BORROWED`, `NOPAGE`, ... in the system's own words. */
  readonly state: string;
}

/** Where a table maps the page, or says why it does not. */
export interface PageLeaf {
  readonly table: Stage2;
  /** `host stage 2`, `stage 2 of VM 0x1000`, ... */
  readonly name: string;
  /** Bytes. */
  readonly ipa: bigint;
  readonly level: number;
  readonly descriptor: bigint;
  /** In words; of an annotation, who is named in it. */
  readonly words: string;
}

export interface PageDetails {
  readonly pfn: bigint;
  readonly sides: readonly PageSide[];
  readonly leaves: readonly PageLeaf[];
  /** Null: never written, so it reads as zeros. */
  readonly contents: Uint8Array | null;
}

/** One operation in words. */
export interface OperationDetails {
  readonly number: number;
  readonly line: number;
  readonly verb: string;
  readonly args: Readonly<Record<string, string>>;
  /** `0`, `-1 (-EPERM)`, `panic: ...`. */
  readonly answer: string;
  /** Why it was refused or panicked, as `freehold explain` says it; else null. */
  readonly refusal: string | null;
  readonly effects: readonly string[];
  /** What the recording says of it where the machine did something else, by field; empty if they agree. */
  readonly recorded: Readonly<Record<string, string>>;
}

/** A table that can be walked. */
export interface WalkableTable {
  readonly table: Stage2;
  readonly name: string;
}

export interface WalkLevel {
  readonly level: number;
  /** `IPA[38:30] = 0x1`: the bits that chose the entry. */
  readonly index: string;
  /** Address of the entry in bytes, and the entry. */
  readonly entry: bigint;
  readonly descriptor: bigint;
  readonly words: string;
  /** `value` is the field's number (`0b11`), `words` what it says. */
  readonly fields: readonly {
    readonly name: string;
    readonly bits: string;
    readonly value: string;
    readonly words: string;
  }[];
}

export interface WalkDetails {
  readonly levels: readonly WalkLevel[];
  /** `PA 0x41000000, read and write, normal memory`, or the fault with level and syndrome. */
  readonly result: string;
  readonly faults: boolean;
  /** Bytes; null if it faults. */
  readonly pa: bigint | null;
  /** ESR_EL2 and HPFAR_EL2 in words, of a fault. HPFAR_EL2 is missing where the architecture leaves it unknown. */
  readonly registers: readonly { readonly name: string; readonly value: bigint; readonly words: string }[];
}

/** The machine of a loaded trace. Every answer is of the state after operation `after`. */
export interface TimelineMachine {
  page(after: number, pfn: bigint): PageDetails;
  operation(number: number): OperationDetails | null;
  tables(after: number): readonly WalkableTable[];
  /** Null if there is no such table then. */
  walk(after: number, table: Stage2, ipa: bigint, access: Access): WalkDetails | null;
}
