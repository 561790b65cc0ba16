// The parser in Wasm (assembly/text/tracefs.ts): its window filled, its report and its records read.

import * as configAbi from "../../assembly/abi/config.js";
import { OPERATION_SIZE } from "../../assembly/abi/operations.js";
import { RESULT_SIZE } from "../../assembly/abi/records.js";
import * as abi from "../../assembly/abi/tracefs.js";
import type { HostConfig, Region } from "../machine/config.js";
import { tableGeometry } from "../machine/geometry.js";
import type { Core } from "../machine/module.js";

/** What assembly/text/tracefs.ts exports. */
interface TracefsExports {
  tracefsOpen(): number;
  tracefsStopAt(seq: bigint, firstDivergence: number, everyStep: number): void;
  tracefsSpace(): number;
  tracefsRoom(): number;
  tracefsFilled(bytes: number): void;
  tracefsEndInput(): void;
  tracefsReport(): number;
  tracefsConfig(): number;
  tracefsLastStep(): number;
  tracefsLastRecord(): number;
  tracefsLastResult(): number;
  tracefsStart(): number;
  tracefsRun(): number;
}

/** When a replay stops by itself. */
export interface StopRules {
  /** Before the operation of this number. */
  readonly seq?: number | undefined;
  readonly firstDivergence: boolean;
  /** After every operation, whose effects are recorded. */
  readonly everyStep: boolean;
}

/** Why the trace was refused: REFUSED_*, where, and the numbers that abi/tracefs.ts names. */
export interface RawRefusal {
  readonly code: number;
  readonly line: number;
  readonly column: number;
  /** The line from the column on. */
  readonly text: string;
  /** What the field would have begun with. */
  readonly literal: string;
  readonly subject: bigint;
  readonly other: bigint;
}

/** Where the model first differed: FIELD_*, and both values. */
export interface RawDivergence {
  readonly line: number;
  readonly field: number;
  /** Operation code; 0 for a snapshot, whose id `seq` is. */
  readonly operation: number;
  readonly seq: bigint;
  readonly expected: bigint;
  readonly found: bigint;
  /** Inside a snapshot: a frame number or an address. */
  readonly at: bigint;
}

/** A recorded step, as its line has it. An abort's fields have other names: see STEP_* of assembly/abi/tracefs.ts. */
export interface RawStep {
  readonly line: number;
  readonly ret: number;
  readonly vm: number;
  readonly host: number;
  readonly hyp: number;
  readonly guest: number;
  readonly pfn: bigint;
  readonly gfn: bigint;
  readonly nr: bigint;
  readonly cnt: bigint;
  readonly length: bigint;
}

/** More operations than any trace has. */
const ALL = (1n << 64n) - 1n;

/** The text window and the parser behind it. */
export class TracefsParser {
  readonly #core: Core;
  readonly #exports: TracefsExports;

  /**
   * Reserves the parser's memory. No machine may exist yet on this core.
   *
   * @throws Error if the memory cannot be had
   */
  constructor(core: Core) {
    this.#core = core;
    this.#exports = core.exports as unknown as TracefsExports;
    if (this.#exports.tracefsOpen() === 0) throw new Error("no memory for the text window");
  }

  stopAt({ seq, firstDivergence, everyStep }: StopRules): void {
    this.#exports.tracefsStopAt(seq === undefined ? ALL : BigInt(seq), Number(firstDivergence), Number(everyStep));
  }

  /** Copies as many of `bytes` into the window as there is room for. Returns how many. */
  fill(bytes: Uint8Array): number {
    const space = this.#exports.tracefsSpace() >>> 0;
    const part = bytes.subarray(0, this.#exports.tracefsRoom());
    new Uint8Array(this.#core.memory.buffer).set(part, space);
    this.#exports.tracefsFilled(part.length);
    return part.length;
  }

  endInput(): void {
    this.#exports.tracefsEndInput();
  }

  /** Reads and replays what is in the window. Returns TRACEFS_*. */
  run(): number {
    return this.#exports.tracefsRun();
  }

  /** Once the first snapshot is complete: the machine it describes; null if it describes none, and is refused. */
  config(): HostConfig | null {
    const at = this.#exports.tracefsConfig() >>> 0;
    return at === 0 ? null : readConfig(new DataView(this.#core.memory.buffer, at));
  }

  /** The machine is made: puts it into the state in which the trace begins. Returns TRACEFS_*. */
  start(): number {
    return this.#exports.tracefsStart();
  }

  get lines(): number {
    return this.#report(abi.REPORT_LINES);
  }

  get steps(): number {
    return this.#report(abi.REPORT_STEPS);
  }

  get stepsDiverged(): number {
    return this.#report(abi.REPORT_STEPS_DIVERGED);
  }

  get snapshots(): number {
    return this.#report(abi.REPORT_SNAPSHOTS);
  }

  get snapshotsDiverged(): number {
    return this.#report(abi.REPORT_SNAPSHOTS_DIVERGED);
  }

  /** Operations with numbers below this one were run. */
  get nextSeq(): number {
    return Number(this.#reportView().getBigUint64(abi.REPORT_NEXT_SEQ, true));
  }

  /** Why the parser answered TRACEFS_REFUSED. */
  get refusal(): RawRefusal {
    const view = this.#reportView();
    const u32 = (at: number) => view.getUint32(at, true);
    return {
      code: u32(abi.REPORT_REFUSAL),
      line: u32(abi.REPORT_LINE),
      column: u32(abi.REPORT_COLUMN),
      text: this.#text(u32(abi.REPORT_TEXT), u32(abi.REPORT_TEXT_SIZE)),
      literal: this.#text(u32(abi.REPORT_LITERAL), u32(abi.REPORT_LITERAL_SIZE)),
      subject: view.getBigUint64(abi.REPORT_SUBJECT, true),
      other: view.getBigUint64(abi.REPORT_OTHER, true),
    };
  }

  /** Where the replay first differed, or null. */
  get divergence(): RawDivergence | null {
    const view = this.#reportView();
    const line = view.getUint32(abi.REPORT_DIVERGED_LINE, true);
    if (line === 0) return null;
    return {
      line,
      field: view.getUint32(abi.REPORT_DIVERGED_FIELD, true),
      operation: view.getUint32(abi.REPORT_DIVERGED_OPERATION, true),
      seq: view.getBigUint64(abi.REPORT_DIVERGED_SEQ, true),
      expected: view.getBigUint64(abi.REPORT_DIVERGED_EXPECTED, true),
      found: view.getBigUint64(abi.REPORT_DIVERGED_FOUND, true),
      at: view.getBigUint64(abi.REPORT_DIVERGED_AT, true),
    };
  }

  /** The step run last. */
  get lastStep(): RawStep {
    const view = new DataView(this.#core.memory.buffer, this.#exports.tracefsLastStep() >>> 0, abi.STEP_SIZE);
    return {
      line: view.getUint32(abi.STEP_LINE, true),
      ret: view.getInt32(abi.STEP_RET, true),
      vm: view.getUint32(abi.STEP_VM, true),
      host: view.getUint8(abi.STEP_HOST),
      hyp: view.getUint8(abi.STEP_HYP),
      guest: view.getUint8(abi.STEP_GUEST),
      pfn: view.getBigUint64(abi.STEP_PFN, true),
      gfn: view.getBigUint64(abi.STEP_GFN, true),
      nr: view.getBigUint64(abi.STEP_NR, true),
      cnt: view.getBigUint64(abi.STEP_CNT, true),
      length: view.getBigUint64(abi.STEP_LENGTH, true),
    };
  }

  /** Its operation record. */
  get lastRecord(): DataView {
    return new DataView(this.#core.memory.buffer, this.#exports.tracefsLastRecord() >>> 0, OPERATION_SIZE);
  }

  /** Its result record. */
  get lastResult(): DataView {
    return new DataView(this.#core.memory.buffer, this.#exports.tracefsLastResult() >>> 0, RESULT_SIZE);
  }

  #report(at: number): number {
    return this.#reportView().getUint32(at, true);
  }

  #reportView(): DataView {
    return new DataView(this.#core.memory.buffer, this.#exports.tracefsReport() >>> 0, abi.REPORT_SIZE);
  }

  #text(at: number, size: number): string {
    return new TextDecoder("latin1").decode(new Uint8Array(this.#core.memory.buffer, at, size));
  }
}

/** Reads the packed configuration (assembly/abi/config.ts). Sizes of EL2's own areas play no part in a replayed machine. */
function readConfig(view: DataView): HostConfig {
  const u32 = (at: number) => view.getUint32(at, true);
  const features = u32(configAbi.CONFIG_FEATURES);
  const nowhere = { base: 0n, size: 0n };
  return {
    kind: "replayed",
    geometry: tableGeometry(u32(configAbi.CONFIG_PAGE_SHIFT), u32(configAbi.CONFIG_IA_BITS)),
    features: {
      fwb: (features & configAbi.FEATURE_FWB) !== 0,
      dic: (features & configAbi.FEATURE_DIC) !== 0,
      xnx: (features & configAbi.FEATURE_XNX) !== 0,
      tlb_range: (features & configAbi.FEATURE_TLB_RANGE) !== 0,
      el2_debug: (features & configAbi.FEATURE_EL2_DEBUG) !== 0,
    },
    regions: Array.from({ length: u32(configAbi.CONFIG_REGIONS) }, (_, index) => readRegion(view, index)),
    hyp_carveout: nowhere,
    hyp_text: nowhere,
    host_s2_pool_pages: u32(configAbi.CONFIG_HOST_S2_POOL_PAGES),
    vm_bytes: 0,
    vm_bytes_per_vcpu: 0,
    vcpu_bytes: 0,
    host_kvm_bytes: 0,
    host_vcpu_bytes: 0,
    handle_base: u32(configAbi.CONFIG_HANDLE_BASE),
    max_vms: u32(configAbi.CONFIG_MAX_VMS),
    frames: u32(configAbi.CONFIG_FRAMES),
  };
}

function readRegion(view: DataView, index: number): Region {
  const at = configAbi.CONFIG_HEADER_SIZE + index * configAbi.CONFIG_REGION_SIZE;
  return { base: view.getBigUint64(at, true), size: view.getBigUint64(at + 8, true), nomap: false };
}
