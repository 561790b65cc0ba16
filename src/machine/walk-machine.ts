// Stage-2 walks by themselves: the registers of one regime over a memory of words, without a hypervisor.

import * as codes from "../../assembly/abi/codes.js";
import * as config from "../../assembly/abi/config.js";
import * as abi from "../../assembly/abi/walk.js";
import { instantiateCore, type Core } from "./module.js";
import { decodeTranslation, packAccess, type Access, type Translation } from "./translation.js";

/** What the CPU implements, as far as a walk can tell. */
export interface WalkFeatures {
  /** 52-bit addresses with 64 KiB pages. */
  readonly lpa?: boolean;
  /** 52-bit addresses with 4 and 16 KiB pages (VTCR_EL2.DS). */
  readonly lpa2?: boolean;
  /** Separate execute permission for EL1 and EL0. */
  readonly xnx?: boolean;
  /** Hardware access flag and dirty state. */
  readonly hafdbs?: boolean;
  /** Small input spaces: T0SZ up to 48, start level 3 with 4 KiB pages. */
  readonly ttst?: boolean;
  /** Forced write-back (HCR_EL2.FWB). */
  readonly s2fwb?: boolean;
  /** Level of FEAT_BBM; 0: not implemented. */
  readonly bbm?: number;
}

/** The registers of a regime and the implementation below them. */
export interface WalkRegisters {
  readonly vtcr: bigint;
  readonly vttbr: bigint;
  /** Default: VM=1. */
  readonly hcr?: bigint;
  /** Default: 0. Only EE counts. */
  readonly sctlr?: bigint;
  /** Implemented physical address bits. Default: 48. */
  readonly paBits?: number;
  readonly features?: WalkFeatures;
  /** A contiguous range larger than the input space is a Translation fault. Default: false. */
  readonly contiguousFault?: boolean;
  /** A block with nT=1 is a Translation fault (FEAT_BBM level 1 or 2). Default: false. */
  readonly ntFault?: boolean;
  /** What stage 1 made of the access, packed. Default: Normal Write-Back non-shareable. */
  readonly stage1Attributes?: number;
  /** Reads of tables from `first` up to `end` (exclusive) end in an External abort. */
  readonly abort?: { readonly first: bigint; readonly end: bigint };
}

/** Why a regime translates as it does: `off` passes addresses through, the last three fault at level 0. */
export type RegimeStatus = "legal" | "off" | "input_size" | "start_level" | "inconsistent";

const STATUSES: readonly RegimeStatus[] = ["legal", "off", "input_size", "start_level", "inconsistent"];

/** Registers decoded. Behind `outputBits` nothing has a meaning unless the regime is legal. */
export interface Regime {
  readonly status: RegimeStatus;
  /** log2 of the granule. */
  readonly granuleShift: number;
  readonly inputBits: number;
  readonly outputBits: number;
  readonly startLevel: number;
  /** Physical address of the first table. */
  readonly base: bigint;
}

const NORMAL_WRITE_BACK = (abi.WRITE_BACK << abi.ATTRIBUTE_OUTER_SHIFT) | (abi.WRITE_BACK << abi.ATTRIBUTE_INNER_SHIFT);

/** One regime over a memory in which every word that was not written reads as 0. */
export class WalkMachine {
  readonly #core: Core;
  #regime: Regime | null = null;

  private constructor(core: Core) {
    this.#core = core;
    this.clear();
  }

  /** A machine with an empty memory and stage 2 off. */
  static async create(): Promise<WalkMachine> {
    return new WalkMachine(await instantiateCore());
  }

  /** Empties the memory and turns stage 2 off. */
  clear(): void {
    const { exports, memory } = this.#core;
    const window = new Uint8Array(memory.buffer, exports.configWindow(), config.CONFIG_HEADER_SIZE);
    window.fill(0);
    new DataView(window.buffer, window.byteOffset).setUint32(config.CONFIG_KIND, config.KIND_WALK, true);
    if (exports.machineCreate() !== codes.CREATE_OK) throw new Error("the core refuses a walk machine");
    this.setRegisters({ vtcr: 0n, vttbr: 0n, hcr: 0n });
  }

  /**
   * Writes the registers. Settings that are illegal together are no error: every access then faults.
   *
   * @throws RangeError if a value does not fit its register
   */
  setRegisters(registers: WalkRegisters): Regime {
    const { exports, memory } = this.#core;
    const packed = packRegisters(registers);
    const at = exports.walkRegisters();
    new Uint8Array(memory.buffer, at, packed.length).set(packed);
    exports.walkSetRegisters();
    this.#regime = decodeRegime(new DataView(memory.buffer, at));
    return this.#regime;
  }

  /** The registers, decoded. */
  get regime(): Regime {
    return this.#regime as Regime;
  }

  /**
   * Writes 8-byte words to memory, in order.
   *
   * @param words physical address (a multiple of 8) and value as a little-endian read returns it
   * @throws RangeError if an address is not aligned, or linear memory is used up
   */
  writeWords(words: readonly (readonly [address: bigint, value: bigint])[]): void {
    const { exports, memory } = this.#core;
    for (let first = 0; first < words.length; first += abi.WALK_BATCH) {
      const part = words.slice(first, first + abi.WALK_BATCH);
      const view = new DataView(memory.buffer, exports.walkRequests(), part.length * abi.REQUEST_SIZE);
      part.forEach(([address, value], index) => {
        if (address % 8n !== 0n) throw new RangeError(`0x${address.toString(16)} is not a multiple of 8`);
        view.setBigUint64(index * abi.REQUEST_SIZE, address, true);
        view.setBigUint64(index * abi.REQUEST_SIZE + 8, value, true);
      });
      if (exports.walkWriteWords(part.length) !== part.length) {
        throw new RangeError("the 4 GiB of WebAssembly memory are used up by words");
      }
    }
  }

  /** The 8-byte word at a physical address (a multiple of 8); 0 if it was never written. */
  readWord(address: bigint): bigint {
    return BigInt.asUintN(64, this.#core.exports.walkReadWord(address));
  }

  /** FNV-1a 64 over all words that are not 0, in ascending address order, each as address and value. */
  digest(): bigint {
    return BigInt.asUintN(64, this.#core.exports.walkDigest());
  }

  /**
   * Translates one access, with all that can be said of it. Hardware updates change the memory.
   *
   * @param ipa bytes, any 64-bit value
   */
  walk(ipa: bigint, access: Access): Translation {
    const { exports, memory } = this.#core;
    const request = new DataView(memory.buffer, exports.walkRequests(), abi.REQUEST_SIZE);
    request.setBigUint64(abi.REQUEST_IPA, ipa, true);
    request.setUint32(abi.REQUEST_ACCESS, packAccess(access), true);
    exports.walkExplain(1);
    return decodeTranslation(new DataView(memory.buffer), exports.walkTranslations(), this.regime.startLevel);
  }
}

/** The packed record of assembly/abi/walk.ts. */
function packRegisters(registers: WalkRegisters): Uint8Array {
  const { vtcr, vttbr, hcr = 1n, sctlr = 0n, paBits = 48, features = {}, abort = { first: 0n, end: 0n } } = registers;
  const bytes = new Uint8Array(abi.REGISTERS_SIZE);
  const view = new DataView(bytes.buffer);
  const put64 = (field: number, value: bigint, name: string) => {
    if (BigInt.asUintN(64, value) !== value) throw new RangeError(`${name}: ${value} does not fit 64 bits`);
    view.setBigUint64(field, value, true);
  };
  put64(abi.REGISTERS_VTCR, vtcr, "vtcr");
  put64(abi.REGISTERS_VTTBR, vttbr, "vttbr");
  put64(abi.REGISTERS_HCR, hcr, "hcr");
  put64(abi.REGISTERS_SCTLR, sctlr, "sctlr");
  put64(abi.REGISTERS_ABORT_FIRST, abort.first, "abort");
  put64(abi.REGISTERS_ABORT_END, abort.end, "abort");
  view.setUint32(abi.REGISTERS_PA_BITS, paBits, true);
  view.setUint32(abi.REGISTERS_FEATURES, packFeatures(features), true);
  view.setUint32(abi.REGISTERS_CHOICES, packChoices(registers), true);
  view.setUint32(abi.REGISTERS_STAGE1, registers.stage1Attributes ?? NORMAL_WRITE_BACK, true);
  return bytes;
}

/** Registers as `packRegisters` writes them; without an abort range. */
export function unpackRegisters(view: DataView, at: number): WalkRegisters {
  const u64 = (field: number) => view.getBigUint64(at + field, true);
  const u32 = (field: number) => view.getUint32(at + field, true);
  const choices = u32(abi.REGISTERS_CHOICES);
  return {
    ...{ vtcr: u64(abi.REGISTERS_VTCR), vttbr: u64(abi.REGISTERS_VTTBR) },
    ...{ hcr: u64(abi.REGISTERS_HCR), sctlr: u64(abi.REGISTERS_SCTLR) },
    paBits: u32(abi.REGISTERS_PA_BITS),
    features: unpackFeatures(u32(abi.REGISTERS_FEATURES)),
    contiguousFault: (choices & abi.CHOICE_CONTIGUOUS_FAULT) !== 0,
    ntFault: (choices & abi.CHOICE_NT_FAULT) !== 0,
    stage1Attributes: u32(abi.REGISTERS_STAGE1),
  };
}

function unpackFeatures(features: number): WalkFeatures {
  const has = (bit: number) => (features & bit) !== 0;
  return {
    ...{ lpa: has(abi.ARCH_LPA), lpa2: has(abi.ARCH_LPA2), xnx: has(abi.ARCH_XNX), hafdbs: has(abi.ARCH_HAFDBS) },
    ...{ ttst: has(abi.ARCH_TTST), s2fwb: has(abi.ARCH_FWB), bbm: features >> abi.ARCH_BBM_SHIFT },
  };
}

function packFeatures({ lpa, lpa2, xnx, hafdbs, ttst, s2fwb, bbm = 0 }: WalkFeatures): number {
  return (
    (lpa ? abi.ARCH_LPA : 0) |
    (lpa2 ? abi.ARCH_LPA2 : 0) |
    (xnx ? abi.ARCH_XNX : 0) |
    (hafdbs ? abi.ARCH_HAFDBS : 0) |
    (ttst ? abi.ARCH_TTST : 0) |
    (s2fwb ? abi.ARCH_FWB : 0) |
    (bbm << abi.ARCH_BBM_SHIFT)
  );
}

function packChoices({ contiguousFault, ntFault }: WalkRegisters): number {
  return (contiguousFault ? abi.CHOICE_CONTIGUOUS_FAULT : 0) | (ntFault ? abi.CHOICE_NT_FAULT : 0);
}

function decodeRegime(view: DataView): Regime {
  return {
    status: STATUSES[view.getUint32(abi.REGIME_STATUS, true)] ?? "inconsistent",
    granuleShift: view.getUint32(abi.REGIME_GRANULE_SHIFT, true),
    inputBits: view.getUint32(abi.REGIME_INPUT_BITS, true),
    outputBits: view.getUint32(abi.REGIME_OUTPUT_BITS, true),
    startLevel: view.getInt32(abi.REGIME_START, true),
    base: view.getBigUint64(abi.REGIME_BASE, true),
  };
}
