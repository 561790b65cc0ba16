// FF-A calls as a search tries them: the message, written into TX, and the call that reads it; and what a rule needs to know
// of each without reading it back (reference ffa, sections 1.3 and 2).

import { FFA_VERSION_1_0, FFA_VERSION_1_2 } from "../../assembly/abi/ffa.js";
import {
  descriptorBytes,
  encodeConstituents,
  encodeDescriptor,
  encodeRelinquish,
  transmit,
  type Constituent,
  type TransactionDescriptor,
} from "../machine/ffa-descriptor.js";
import { permissionsByte, WRITE_BACK, type DataAccess, type InstructionAccess } from "../machine/ffa-endpoint.js";
import type { FfaVerb } from "../machine/ffa-effects.js";
import type { Operation } from "../machine/operations.js";
import type { SystemStep } from "./system-domain.js";

/** What a step is about. */
export type FfaAbout =
  | {
      readonly kind: "send";
      readonly verb: FfaVerb;
      readonly caller: number;
      /** In whose layout the message is. */
      readonly version: number;
      readonly pages: readonly bigint[];
      readonly clear: boolean;
      /** No manager may take it: it contradicts itself, or reaches beyond its end. */
      readonly malformed: boolean;
      /** What it must be refused with, where that is known. */
      readonly error: number | undefined;
    }
  | { readonly kind: "fragment"; readonly caller: number; readonly handle: bigint; readonly malformed: boolean }
  | { readonly kind: "retrieve"; readonly caller: number; readonly handle: bigint }
  | {
      readonly kind: "relinquish" | "reclaim";
      readonly caller: number;
      readonly handle: bigint;
      readonly clear: boolean;
      /** A manager that is asked on the way answers falsely: that nothing is given back is right then. */
      readonly isMisled?: boolean;
    }
  | { readonly kind: "permissions"; readonly caller: number; readonly malformed: boolean }
  | { readonly kind: "write"; readonly caller: number; readonly page: bigint }
  | { readonly kind: "death"; readonly caller: number }
  | { readonly kind: "other"; readonly caller: number };

export interface FfaStep extends SystemStep {
  readonly about: FfaAbout;
}

/** Who calls, and in which layout its messages are. */
export interface Caller {
  readonly id: number;
  /** FF-A version; default 1.2, whose layouts all later ones have. */
  readonly version?: number;
  /** The VM in whose name endpoint 0 calls. */
  readonly speaksFor?: number;
}

const SENDS = { donate: "ffa_mem_donate", lend: "ffa_mem_lend", share: "ffa_mem_share" } as const;
const CLEAR = 1;
const PAGE = 4096n;

const registers = (vm: number) => ({ vm, x64: 1, tx_fault: 0, wipe_fail: 0 }) as const;

const pagesOf = (ranges: readonly Constituent[]): bigint[] =>
  ranges.flatMap(({ address, pages }) => Array.from({ length: pages }, (_, page) => address + BigInt(page) * PAGE));

const layoutOf = ({ version = FFA_VERSION_1_2 }: Caller): Pick<TransactionDescriptor, "layout" | "accessSize"> =>
  version === FFA_VERSION_1_0
    ? { layout: "1.0", accessSize: 16 }
    : { layout: "1.1", accessSize: version > 0x10001 ? 32 : 16 };

export interface Send {
  readonly verb: FfaVerb;
  readonly to: readonly number[];
  readonly ranges: readonly Constituent[];
  readonly data?: DataAccess;
  readonly clear?: boolean;
  /** Ranges of the first fragment; all if left out. */
  readonly first?: number;
  /** What the message says instead of what it should. */
  readonly instead?: Partial<TransactionDescriptor>;
  readonly malformed?: boolean;
  /** FFA_* of assembly/abi/ffa.ts: what a malformed message must be refused with. */
  readonly error?: number;
  /** Writes into the message what no descriptor says. */
  readonly patch?: (message: DataView) => void;
}

/** FFA_MEM_DONATE, FFA_MEM_LEND, FFA_MEM_SHARE. */
export function sendStep(caller: Caller, send: Send): FfaStep {
  const { verb, to, ranges, data = "RW", clear = false, first = ranges.length, malformed = false } = send;
  const isStated = verb === "share" || (verb === "lend" && to.length > 1);
  const permissions = permissionsByte(verb === "donate" ? "unspecified" : data, "unspecified");
  const descriptor: TransactionDescriptor = {
    ...layoutOf(caller),
    ...{
      sender: caller.speaksFor ?? caller.id,
      attributes: isStated ? WRITE_BACK : 0,
      flags: clear ? CLEAR : 0,
      tag: 0n,
    },
    receivers: to.map((id) => ({ id, permissions })),
    composite: { pageCount: pagesOf(ranges).length, constituentCount: ranges.length },
    constituents: ranges.slice(0, first),
    ...send.instead,
  };
  const total = descriptorBytes(descriptor, ranges.length);
  const fragment = descriptorBytes(descriptor, first);
  const message = encodeDescriptor(descriptor, fragment);
  send.patch?.(new DataView(message.buffer));
  const call: Operation = { op: SENDS[verb], ...registers(caller.id), total, fragment, address: 0n, page_count: 0 };
  const about = {
    kind: "send",
    verb,
    caller: caller.id,
    version: caller.version ?? FFA_VERSION_1_2,
    pages: pagesOf(ranges),
    clear,
    malformed,
    error: send.error,
  } as const;
  return { calls: [...transmit(caller.id, message), call], about };
}

/** FFA_MEM_FRAG_TX. */
export function fragmentStep(
  caller: Caller,
  handle: bigint,
  ranges: readonly Constituent[],
  malformed = false,
): FfaStep {
  const message = encodeConstituents(ranges);
  const call: Operation = {
    op: "ffa_mem_frag_tx",
    ...registers(caller.id),
    handle,
    fragment: message.length,
    sender: 0n,
  };
  return {
    calls: [...transmit(caller.id, message), call],
    about: { kind: "fragment", caller: caller.id, handle, malformed },
  };
}

export interface Retrieve {
  readonly handle: bigint;
  readonly sender: number;
  /** All receivers that the send named. */
  readonly receivers: readonly number[];
  readonly data?: DataAccess;
  readonly instruction?: InstructionAccess;
}

/** FFA_MEM_RETRIEVE_REQ. */
export function retrieveStep(caller: Caller, { handle, sender, receivers, data, instruction }: Retrieve): FfaStep {
  const permissions = permissionsByte(data ?? "unspecified", instruction ?? "unspecified");
  const descriptor: TransactionDescriptor = {
    ...layoutOf(caller),
    ...{ sender, attributes: 0, flags: 0, tag: 0n, handle },
    receivers: receivers.map((id) => ({ id, permissions, offset: 0 })),
  };
  const total = descriptorBytes(descriptor, 0);
  const call: Operation = {
    op: "ffa_mem_retrieve_req",
    ...registers(caller.id),
    ...{ total, fragment: total, address: 0n, page_count: 0 },
  };
  return {
    calls: [...transmit(caller.id, encodeDescriptor(descriptor, total)), call],
    about: { kind: "retrieve", caller: caller.id, handle },
  };
}

/** FFA_MEM_RELINQUISH. */
export function relinquishStep(caller: Caller, handle: bigint, clear: boolean): FfaStep {
  const message = encodeRelinquish({ handle, flags: clear ? CLEAR : 0, endpoints: [caller.speaksFor ?? caller.id] });
  return {
    calls: [...transmit(caller.id, message), { op: "ffa_mem_relinquish", ...registers(caller.id) }],
    about: { kind: "relinquish", caller: caller.id, handle, clear },
  };
}

/** FFA_MEM_RECLAIM. */
export function reclaimStep(caller: Caller, handle: bigint, clear: boolean): FfaStep {
  const call: Operation = { op: "ffa_mem_reclaim", ...registers(caller.id), handle, flags: clear ? 1n : 0n };
  return { calls: [call], about: { kind: "reclaim", caller: caller.id, handle, clear } };
}

/** FFA_RX_RELEASE. */
export const releaseStep = ({ id }: Caller): FfaStep => ({
  calls: [{ op: "ffa_rx_release", ...registers(id) }],
  about: { kind: "other", caller: id },
});

/** FFA_RXTX_UNMAP; `id`: 0 for the caller's own buffers. */
export const unmapBuffersStep = ({ id }: Caller, owner: number): FfaStep => ({
  calls: [{ op: "ffa_rxtx_unmap", ...registers(id), id: BigInt(owner) }],
  about: { kind: "other", caller: id },
});

/** FFA_RX_ACQUIRE of a VM's buffer. */
export const acquireStep = ({ id }: Caller, vm: number): FfaStep => ({
  calls: [{ op: "ffa_rx_acquire", ...registers(id), id: BigInt(vm) }],
  about: { kind: "other", caller: id },
});

/** FFA_ABORT: the endpoint dies. */
export const deathStep = ({ id }: Caller): FfaStep => ({
  calls: [{ op: "ffa_abort", ...registers(id) }],
  about: { kind: "death", caller: id },
});

/** FFA_MEM_PERM_SET of so many pages. */
export function permissionStep({ id }: Caller, base: bigint, pages: number, perm: number): FfaStep {
  return {
    calls: [{ op: "ffa_mem_perm_set", ...registers(id), base, pages, perm }],
    about: { kind: "permissions", caller: id, malformed: pages === 0 },
  };
}

/** A write to a page through the caller's own stage 2. */
export function writeStep(
  caller: number,
  stage2: "host" | number,
  page: bigint,
  offset: number,
  value: bigint,
): FfaStep {
  const access = { stage2, ipa: page + BigInt(offset), kind: "write", value } as const;
  return { calls: [{ op: "access", access }], about: { kind: "write", caller, page } };
}
