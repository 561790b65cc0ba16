// The specification machine: pKVM's ownership protocol with a plain state for each page (assembly/explore/specification/).
// A machine to be stepped beside the real one, and one worker's share of a search over all its states.

import * as abi from "../../assembly/abi/specification.js";

/** The part of the WebAssembly interface that is used here; node's types do not declare it. */
declare namespace WebAssembly {
  interface Module {
    readonly [Symbol.toStringTag]: string;
  }
  class Memory {
    constructor(limits: { initial: number; maximum: number; shared: boolean });
    readonly buffer: SharedArrayBuffer;
  }
  function compile(bytes: Uint8Array): Promise<Module>;
  function instantiate(module: Module, imports: object): Promise<{ readonly exports: object }>;
}

/** The machine's size, and what is bounded. */
export interface SpecificationConfig {
  /** 1 to 6 */
  readonly pages: number;
  /** One entry for each guest, up to 4: is it protected? */
  readonly guests: readonly boolean[];
  /** Guest frames of each guest. Guests times gfns: 8 at most. */
  readonly gfns: number;
  /** Pins a page can have at once, up to 15. */
  readonly pins: number;
  /** Mappings in non-protected guests that a page can have counted at once, up to 15. */
  readonly shares: number;
}

/** Two words: assembly/explore/specification/state.ts has the layout. */
export interface PackedState {
  readonly pages: bigint;
  readonly slots: bigint;
}

/** `a` and `b`: page; page and slot; slot; or guest, as the operation needs. A slot is `guest * gfns + gfn`. */
export interface Call {
  readonly operation: number;
  readonly a: number;
  readonly b: number;
}

/** A global of the module, read at the time of the look. */
interface Global<T> {
  readonly value: T;
}

/** What the module exports. 32-bit results are signed. */
export interface SpecificationExports {
  readonly configure: (
    pages: number,
    guests: number,
    gfns: number,
    protectedGuests: number,
    pins: number,
    shares: number,
  ) => number;
  readonly step: (operation: number, a: number, b: number) => number;
  readonly setState: (pages: bigint, slots: bigint) => void;
  readonly pages: Global<bigint>;
  readonly slots: Global<bigint>;
  readonly brokenRule: (abandons: number) => number;
  readonly canonicalise: () => void;

  readonly createSearch: (me: number, all: number, maximum: number, expected: number, flags: number) => number;
  readonly addInitial: (pages: bigint, slots: bigint) => void;
  readonly beginDepth: () => number;
  readonly expand: (most: number) => number;
  readonly growTable: () => number;
  readonly nextCall: (pages: bigint, slots: bigint) => number;
  readonly panicHere: () => number;

  readonly count: Global<number>;
  readonly transitions: Global<number>;
  readonly visitedBytes: () => number;
  readonly pagesOf: (index: number) => bigint;
  readonly slotsOf: (index: number) => bigint;
  readonly parentOf: (index: number) => number;
  readonly broken: Global<number>;
  readonly brokenBy: Global<number>;
  readonly panicking: Global<number>;
  readonly panics: Global<number>;
}

/** Linear memory that the workers of a search share. It can be sent to another thread. */
export type SharedMemory = WebAssembly.Memory;

export function createSharedMemory(): SharedMemory {
  return new WebAssembly.Memory({ initial: 1, maximum: 65536, shared: true });
}

/** Where an instance's code and memory come from. */
export interface SpecificationSource {
  /** The module, where it cannot be read from the file beside the built package (in a browser). */
  readonly bytes?: Uint8Array;
  /** The memory of the other workers; its own if left out. */
  readonly memory?: SharedMemory;
}

let compiled: Promise<WebAssembly.Module> | undefined;

/** A new instance of the module. The first call compiles it. */
async function instantiate({
  bytes,
  memory = createSharedMemory(),
}: SpecificationSource): Promise<SpecificationExports> {
  compiled ??= compile(bytes);
  const abort = (): never => {
    throw new Error("the specification machine stopped: this is a bug");
  };
  const instance = await WebAssembly.instantiate(await compiled, { env: { memory, abort } });
  return instance.exports as SpecificationExports;
}

async function compile(bytes: Uint8Array | undefined): Promise<WebAssembly.Module> {
  return WebAssembly.compile(bytes ?? (await readModule()));
}

/** Node only: the file is beside the built package, or in dist/ when the sources run directly. */
async function readModule(): Promise<Uint8Array> {
  const { readFile } = await import("node:fs/promises");
  try {
    return await readFile(new URL(/* @vite-ignore */ "../../freehold-specification.wasm", import.meta.url));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return readFile(new URL(/* @vite-ignore */ "../../dist/freehold-specification.wasm", import.meta.url));
  }
}

/** The machine, stepped call by call: what the protocol says to a call in this state. */
export class Specification {
  readonly exports: SpecificationExports;

  private constructor(exports: SpecificationExports) {
    this.exports = exports;
  }

  /**
   * A machine whose pages are the host's and whose guests are live and map nothing.
   * @throws RangeError if the packed state has no room for a machine of that size
   */
  static async create(config: SpecificationConfig, source: SpecificationSource = {}): Promise<Specification> {
    const exports = await instantiate(source);
    const { pages, guests, gfns, pins, shares } = config;
    const protectedGuests = guests.reduce((mask, isProtected, guest) => mask | (Number(isProtected) << guest), 0);
    if (exports.configure(pages, guests.length, gfns, protectedGuests, pins, shares) === 0) {
      throw new RangeError(
        `the specification machine has 1 to ${abi.MAX_PAGES} pages, up to ${abi.MAX_GUESTS} guests with ${abi.MAX_SLOTS} gfns together, ` +
          `and counts up to ${abi.MAX_COUNT}; found ${JSON.stringify(config)}`,
      );
    }
    return new Specification(exports);
  }

  /** The result of the call: 0, a negated errno, or one of NO_CALLER, EL2_PANIC, BEYOND_BOUND, NO_SUCH_CALL. Only 0 changes the state. */
  step({ operation, a, b }: Call): number {
    return this.exports.step(operation, a, b);
  }

  get state(): PackedState {
    const { pages, slots } = this.exports;
    return { pages: BigInt.asUintN(64, pages.value), slots: BigInt.asUintN(64, slots.value) };
  }

  set state({ pages, slots }: PackedState) {
    this.exports.setState(pages, slots);
  }
}

/** A page as the state has it: its row of the ownership tuple, that row's argument, and the guest (from 1) whose secret it holds. */
export interface PageState {
  readonly row: number;
  readonly argument: number;
  readonly secret: number;
}

/** A gfn of a guest: EL2's page state, and the page that is mapped. */
export interface SlotState {
  readonly state: number;
  readonly page: number;
}

export function pageOf({ pages }: PackedState, page: number): PageState {
  const bits = Number((pages >> BigInt(10 * page)) & 0x3ffn);
  return { row: bits & 7, argument: (bits >> 3) & 15, secret: bits >> 7 };
}

export function slotOf({ slots }: PackedState, slot: number): SlotState {
  const bits = Number((slots >> BigInt(6 * slot)) & 0x3fn);
  return { state: bits & 7, page: bits >> 3 };
}

export function lifeOf({ slots }: PackedState, guest: number): number {
  return Number((slots >> BigInt(48 + 2 * guest)) & 3n);
}

/** A call as the module numbers it: operation << 8 | a << 4 | b. */
export function callFrom(number: number): Call {
  return { operation: number >>> 8, a: (number >> 4) & 15, b: number & 15 };
}
