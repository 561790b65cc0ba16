// Accesses by the host and by guests: what is asked and what comes of it, and their packed form (assembly/abi/walk.ts).

import * as abi from "../../assembly/abi/walk.js";
import { decodeFault, packAccess, type Access, type AccessKind, type Fault } from "./translation.js";

/** Whose stage 2: the host's (or a lone table), or that of the VM with this handle. */
export type Stage2 = "host" | number;

/** The handle by which the core knows a stage 2. */
export const handleOf = (stage2: Stage2): number => (stage2 === "host" ? 0 : stage2);

/** How much an access moves, and as whom. */
export interface AccessOptions extends Omit<Access, "kind" | "unaligned"> {
  /** Bytes: 1, 2, 4 or 8. Default: 8. An address that is no multiple of it makes the access unaligned. */
  readonly bytes?: 1 | 2 | 4 | 8;
  /** What a write or atomic access stores. Default: 0. */
  readonly value?: bigint;
}

/** One access of a batch. */
export interface MemoryAccess extends AccessOptions {
  readonly stage2: Stage2;
  readonly ipa: bigint;
  readonly kind: AccessKind;
}

/**
 * `done`; `fault`; `no_memory`: translated, but nothing is modelled at the physical address (a device): reads give 0, writes
 * go nowhere; `no_stage2`: there is no such VM; `invalid`: a packed access that cannot be.
 */
export type AccessStatus = "done" | "no_memory" | "fault" | "no_stage2" | "invalid";

const STATUSES: ReadonlyMap<number, AccessStatus> = new Map<number, AccessStatus>([
  [abi.ANSWER_DONE, "done"],
  [abi.ANSWER_NO_MEMORY, "no_memory"],
  [abi.ANSWER_FAULTED, "fault"],
  [abi.ANSWER_NO_STAGE2, "no_stage2"],
]);

/** What came of an access. */
export interface AccessAnswer {
  readonly status: AccessStatus;
  /** Physical address in bytes; null unless the access was translated. */
  readonly pa: bigint | null;
  /** What was found there, before a write; null unless the access was translated. */
  readonly value: bigint | null;
  /** Level of the leaf or of the fault. */
  readonly level: number;
  readonly fault: Fault | null;
}

/**
 * Writes the packed form of an access.
 *
 * @throws RangeError if a value does not fit, or the access crosses the boundary of a page of `pageSize` bytes
 */
export function encodeAccess(access: MemoryAccess, pageSize: number, view: DataView, at: number): void {
  const { stage2, ipa, bytes = 8, value = 0n } = access;
  const handle = handleOf(stage2);
  if (!Number.isInteger(handle) || handle < 0 || handle > 0xffff) throw new RangeError(`${handle} is no VM handle`);
  if (BigInt.asUintN(64, ipa) !== ipa) throw new RangeError(`ipa: ${ipa} does not fit 64 bits`);
  if (BigInt.asUintN(8 * bytes, value) !== value) throw new RangeError(`value: ${value} does not fit ${bytes} bytes`);
  if (ipa % BigInt(pageSize) > pageSize - bytes) throw new RangeError("an access stays within its page");
  view.setBigUint64(at + abi.ACCESS_IPA, ipa, true);
  view.setBigUint64(at + abi.ACCESS_VALUE, value, true);
  view.setUint16(at + abi.ACCESS_VM, handle, true);
  view.setUint8(at + abi.ACCESS_BYTES, bytes);
  view.setUint8(at + abi.ACCESS_BYTES + 1, 0);
  view.setUint32(at + abi.ACCESS_FLAGS, packAccess(access), true);
}

/** Reads one packed answer. */
export function decodeAnswer(view: DataView, at: number): AccessAnswer {
  const status = STATUSES.get(view.getUint8(at + abi.ANSWER_STATUS)) ?? "invalid";
  const isTranslated = status === "done" || status === "no_memory";
  const level = view.getInt8(at + abi.ANSWER_LEVEL);
  const hpfar =
    view.getUint8(at + abi.ANSWER_HPFAR_VALID) !== 0 ? view.getBigUint64(at + abi.ANSWER_HPFAR, true) : null;
  return {
    status,
    pa: isTranslated ? view.getBigUint64(at + abi.ANSWER_PA, true) : null,
    value: isTranslated ? view.getBigUint64(at + abi.ANSWER_VALUE, true) : null,
    level,
    fault: decodeFault(view.getUint8(at + abi.ANSWER_FAULT), BigInt(view.getUint32(at + abi.ANSWER_ESR, true)), hpfar),
  };
}
