// A pKVM host with a secure partition behind EL2's FF-A proxy, and messages of the host that tests break field by field.

import {
  descriptorBytes,
  encodeDescriptor,
  transmit,
  type Constituent,
  type TransactionDescriptor,
} from "../../../src/machine/ffa-descriptor.js";
import { Machine, type Outcome } from "../../../src/machine/machine.js";
import type { MachineConfig } from "../../../src/machine/config.js";
import type { Operation } from "../../../src/machine/operations.js";
import { must } from "./scenario.js";

export const SP = 0x8001;
/** Where the partition's non-secure pages are. */
export const SP_NON_SECURE = 0xc001;
/** The host's TX and RX, and the first of many pages that it owns. */
export const TX = 0x4100_0000n;
export const RX = 0x4100_1000n;
export const MEMORY = 0x4200_0000n;
export const PAGE = 0x1000n;

export const V1_0 = 0x10000n;
export const V1_1 = 0x10001n;
export const V1_2 = 0x10002n;

const FAULTS = { x64: 1, tx_fault: 0, wipe_fail: 0 } as const;
/** Registers of a call of the host's that fakes no faults. */
export const HOST = { vm: 0, ...FAULTS } as const;

export const negotiate = (version: bigint): Operation => ({ op: "ffa_version", vm: 0, version });
export const mapBuffers = (tx = TX, rx = RX, pages = 1): Operation => ({ op: "ffa_rxtx_map", ...HOST, tx, rx, pages });
export const unmapBuffers = (id = 0n): Operation => ({ op: "ffa_rxtx_unmap", ...HOST, id });
export const reclaim = (handle: bigint, flags = 0n): Operation => ({ op: "ffa_mem_reclaim", ...HOST, handle, flags });

export interface SecureHostOptions {
  /** Firmware moves pages between physical address spaces. */
  readonly protect?: boolean;
  readonly version?: bigint;
}

/** A host before its first FF-A call. */
export function bootedHost({ protect = false }: SecureHostOptions = {}): Promise<Machine> {
  const config: MachineConfig = {
    regions: [{ base: 0x4000_0000n, size: 0x400_0000n }],
    secure_world: { protect, partitions: [{ id: SP }] },
  };
  return Machine.create(config);
}

/** A host that has negotiated a version and registered its buffers. */
export async function secureHost(options: SecureHostOptions = {}): Promise<Machine> {
  const machine = await bootedHost(options);
  must(machine, negotiate(options.version ?? V1_2));
  must(machine, mapBuffers());
  return machine;
}

/** `pages` pages, `at` pages behind MEMORY. */
export const run = (at: bigint, pages = 1): Constituent => ({ address: MEMORY + at * PAGE, pages });
export const pfn = (at: bigint): bigint => (MEMORY >> 12n) + at;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** A send of the host's. Lengths and counts: what the ranges need, unless they are given. */
export interface HostMessage {
  op: "ffa_mem_share" | "ffa_mem_lend";
  version: bigint;
  ranges: Constituent[];
  /** Ranges of the whole message, where the first fragment has fewer. */
  allRanges?: number;
  pageCount?: number;
  receiver: number;
  descriptor: Partial<Mutable<TransactionDescriptor>>;
  /** Of the access descriptor: where it says the composite descriptor is. */
  offset?: number;
  total?: number;
  fragment?: number;
  address: bigint;
  page_count: number;
}

/** Lends two ranges to the partition. */
export function aLend(version = V1_2): HostMessage {
  return {
    op: "ffa_mem_lend",
    version,
    ranges: [run(0n, 2), run(4n)],
    receiver: SP,
    descriptor: {},
    address: 0n,
    page_count: 0,
  };
}

function descriptorOf(message: HostMessage): TransactionDescriptor {
  const { version, ranges, receiver, offset, op, descriptor } = message;
  const access = { id: receiver, permissions: 2, ...(offset === undefined ? {} : { offset }) };
  return {
    layout: version === V1_0 ? "1.0" : "1.1",
    accessSize: version >= V1_2 ? 32 : 16,
    ...{ sender: 0, flags: 0, tag: 0n, attributes: op === "ffa_mem_share" ? 0x2f : 0, receivers: [access] },
    composite: {
      pageCount: message.pageCount ?? ranges.reduce((sum, { pages }) => sum + pages, 0),
      constituentCount: message.allRanges ?? ranges.length,
    },
    constituents: ranges,
    ...descriptor,
  };
}

/** Writes the message into TX, where there is one, and makes the call. */
export function send(machine: Machine, message: HostMessage): Outcome {
  const descriptor = descriptorOf(message);
  const whole = descriptorOf({ ...message, descriptor: {} });
  const fragment = message.fragment ?? descriptorBytes(whole, message.ranges.length);
  const total = message.total ?? descriptorBytes(whole, message.allRanges ?? message.ranges.length);
  const bytes = encodeDescriptor(descriptor, Math.min(fragment, 4096));
  machine.applyBatch(transmit(0, bytes), { effects: false });
  const { op, address, page_count } = message;
  return machine.apply({ op, ...HOST, total, fragment, address, page_count });
}

/** Writes ranges into TX and sends them as a further fragment. */
export function sendMore(machine: Machine, handle: bigint, bytes: Uint8Array, fragment = bytes.length): Outcome {
  machine.applyBatch(transmit(0, bytes), { effects: false });
  return machine.apply({ op: "ffa_mem_frag_tx", ...HOST, handle, fragment, sender: 0n });
}

/** The handle that a call answered with. */
export function handleOf({ details: { reply }, errno }: Outcome): bigint {
  if (reply === undefined || !("handle" in reply)) throw new Error(`no handle: ${errno ?? "success"}`);
  return reply.handle ?? 0n;
}
