// The TLB model of a machine: what it holds, what it reports, and what that means in words (packed form: assembly/abi/tlb.ts).

import * as abi from "../../assembly/abi/tlb.js";
import type { Core } from "./module.js";
import { operationName, type OperationName } from "./operations.js";

/**
 * `on_access`: what accesses have used. `worst_case`: every valid entry of the tables counts as cached from the moment it is
 * written, since hardware may walk ahead of any access: what an operation forgets to invalidate is reported without an access.
 */
export type TlbMode = "off" | "on_access" | "worst_case";

const MODES: readonly TlbMode[] = ["off", "on_access", "worst_case"];

/** Where the model issues a TLBI. */
export type TlbiSite =
  | "break_leaf"
  | "break_table"
  | "unmap_leaf"
  | "unmap_table"
  | "unmap_range"
  | "relax_perms"
  | "split"
  | "teardown"
  | "flush_vmid";

const SITES: Readonly<Record<TlbiSite, number>> = {
  break_leaf: abi.TLBI_BREAK_LEAF,
  break_table: abi.TLBI_BREAK_TABLE,
  unmap_leaf: abi.TLBI_UNMAP_LEAF,
  unmap_table: abi.TLBI_UNMAP_TABLE,
  unmap_range: abi.TLBI_UNMAP_RANGE,
  relax_perms: abi.TLBI_RELAX_PERMS,
  split: abi.TLBI_SPLIT,
  teardown: abi.TLBI_TEARDOWN,
  flush_vmid: abi.TLBI_FLUSH_VMID,
};

/** All sites, in the order of the library's functions. */
export const TLBI_SITES = Object.keys(SITES) as readonly TlbiSite[];

/**
 * `left_behind`: an operation ended and left a translation that it took out of the tables. `break_before_make`: a valid entry was
 * written while another one for the same address was still cached. `stale_use`: an access was translated
 * by an entry that the tables do not hold any more. `vmid_left`: a VMID was flushed or given up, and an entry of it is left.
 */
export type TlbReportKind = "left_behind" | "break_before_make" | "stale_use" | "vmid_left";

const KINDS: ReadonlyMap<number, TlbReportKind> = new Map<number, TlbReportKind>([
  [abi.TLB_LEFT_BEHIND, "left_behind"],
  [abi.TLB_BREAK_BEFORE_MAKE, "break_before_make"],
  [abi.TLB_STALE_USE, "stale_use"],
  [abi.TLB_VMID_LEFT, "vmid_left"],
]);

/** A descriptor and the level it stands at. */
export interface TlbDescriptor {
  readonly descriptor: bigint;
  readonly level: number;
}

/** Something stale in the TLB. */
export interface TlbReport {
  readonly kind: TlbReportKind;
  /**
   * Nothing is wrong: the operation leaves the invalidation to its caller, as write protection and ageing do. Only a
   * `stale_use` can be allowed.
   */
  readonly allowed: boolean;
  readonly vmid: number;
  /** The address that was accessed; else the first one that the cached entry covers. */
  readonly ipa: bigint;
  /** Bytes that the cached entry covers. */
  readonly size: bigint;
  readonly cached: TlbDescriptor;
  /** What the tables hold instead; of a VMID that is left and was never changed, 0. */
  readonly table: TlbDescriptor;
  /** The operation that should have invalidated: its number since the machine was created or reset, and its verb. */
  readonly operation: number;
  readonly op: OperationName;
  /** The operation during which this was noticed; of an access, the one that follows it. */
  readonly noticed: number;
}

/** Reads one packed report. */
function decodeReport(view: DataView, at: number): TlbReport {
  return {
    kind: KINDS.get(view.getUint8(at + abi.TLB_REPORT_KIND)) ?? "left_behind",
    allowed: view.getUint8(at + abi.TLB_REPORT_ALLOWED) !== 0,
    vmid: view.getUint32(at + abi.TLB_REPORT_VMID, true),
    ipa: view.getBigUint64(at + abi.TLB_REPORT_IPA, true),
    size: view.getBigUint64(at + abi.TLB_REPORT_BYTES, true),
    cached: {
      descriptor: view.getBigUint64(at + abi.TLB_REPORT_CACHED, true),
      level: view.getUint8(at + abi.TLB_REPORT_LEVEL),
    },
    table: {
      descriptor: view.getBigUint64(at + abi.TLB_REPORT_TABLE, true),
      level: view.getUint8(at + abi.TLB_REPORT_TABLE_LEVEL),
    },
    operation: view.getUint32(at + abi.TLB_REPORT_OPERATION, true),
    // Nothing but an operation changes tables.
    op: operationName(view.getUint16(at + abi.TLB_REPORT_CODE, true)) as OperationName,
    noticed: view.getUint32(at + abi.TLB_REPORT_NOTICED, true),
  };
}

/** The TLB of one machine. Off, it costs nothing. */
export class Tlb {
  readonly #core: Core;
  readonly #operations: () => number;

  /** @param operations how many operations the machine has run */
  constructor(core: Core, operations: () => number) {
    this.#core = core;
    this.#operations = operations;
  }

  get mode(): TlbMode {
    return MODES[this.#core.exports.tlbModeNow()] ?? "off";
  }

  /**
   * Switches to a mode, with an empty TLB and no reports. Operations are slower with it on.
   *
   * @throws RangeError if WebAssembly memory is used up
   */
  enable(mode: TlbMode = "on_access"): void {
    const { exports } = this.#core;
    if (exports.tlbSwitch(MODES.indexOf(mode)) === 0)
      throw new RangeError("the 4 GiB of WebAssembly memory are used up");
    exports.tlbNumberOperations(this.#operations());
  }

  disable(): void {
    this.enable("off");
  }

  /** TLBI ALLE1IS, as if issued from outside the model. */
  invalidateAll(): void {
    this.#core.exports.tlbInvalidateAll();
  }

  /** How many reports there were since the last `takeReports`. */
  get reported(): number {
    return this.#core.exports.tlbReportCount();
  }

  /** The reports since the last call, in order: the first 256. */
  takeReports(): TlbReport[] {
    const { exports, memory } = this.#core;
    const count = Math.min(exports.tlbReportCount(), abi.TLB_REPORTS);
    const view = new DataView(memory.buffer);
    const reports = Array.from({ length: count }, (_, index) =>
      decodeReport(view, exports.tlbReportPointer(index) >>> 0),
    );
    exports.tlbForgetReports();
    return reports;
  }

  /**
   * For tests and teaching: takes the TLBI of one site out of the model of this machine, whatever its operations; null puts
   * it back. A snapshot does not hold it.
   */
  suppress(site: TlbiSite | null): void {
    this.#core.exports.tlbSuppress(site === null ? abi.TLBI_NONE : SITES[site]);
  }
}

const hex = (value: bigint): string => `0x${value.toString(16)}`;
const inWords = ({ descriptor, level }: TlbDescriptor): string => `${hex(descriptor)} at level ${level}`;

/** A report as a sentence: both descriptors, and the operation that should have invalidated. */
export function describeTlbReport(report: TlbReport): string {
  const { kind, vmid, ipa, cached, table, op, operation } = report;
  const entry = `VMID ${vmid}, IPA ${hex(ipa)}: the TLB holds ${inWords(cached)}`;
  const now = `the table ${inWords(table)}`;
  const culprit = `${op} (operation ${operation})`;
  switch (kind) {
    case "left_behind":
      return `${entry}, ${now}: ${culprit} did not invalidate`;
    case "break_before_make":
      return `${entry}, ${now}, both valid: ${culprit} made the entry without a break before`;
    case "vmid_left":
      return `${entry}: ${culprit} did not invalidate the VMID`;
    case "stale_use":
      return `${entry}, ${now}; an access used the TLB's: ${culprit} ${report.allowed ? "leaves the TLBI to its caller" : "did not invalidate"}`;
  }
}
