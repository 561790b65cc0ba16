// Sends and retrieve requests field by field, for tests that break them one field at a time.

import {
  descriptorBytes,
  encodeDescriptor,
  transmit,
  type Constituent,
  type TransactionDescriptor,
} from "../../../src/machine/ffa-descriptor.js";
import type { Machine, Outcome } from "../../../src/machine/machine.js";
import { run, VM1 } from "./ffa-machines.js";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
export type MutableReceiver = Mutable<TransactionDescriptor["receivers"][number]>;

/** A call that carries a transaction descriptor. Lengths: what the message needs, unless they are given. */
export interface Message {
  op: "ffa_mem_donate" | "ffa_mem_lend" | "ffa_mem_share" | "ffa_mem_retrieve_req";
  caller: number;
  descriptor: Mutable<Omit<TransactionDescriptor, "receivers" | "constituents">> & { receivers: MutableReceiver[] };
  constituents: Constituent[];
  /** The composite's page count, unless it is given: the sum. */
  pageCount?: number;
  constituentCount?: number;
  total?: number;
  fragment?: number;
  /** What no field can say. */
  patch?: (view: DataView) => void;
  address: bigint;
  txFault: boolean;
  wipeFail: boolean;
}

/** VM 1 (of version 1.3) lends 2 + 1 pages to VM 2, read-write. */
export function aLend(): Message {
  return {
    op: "ffa_mem_lend",
    caller: 1,
    descriptor: {
      layout: "1.1",
      sender: 1,
      attributes: 0,
      flags: 0,
      tag: 7n,
      accessSize: 32,
      receivers: [{ id: 2, permissions: 2 }],
    },
    constituents: [run(VM1, 2), run(VM1 + 4)],
    address: 0n,
    txFault: false,
    wipeFail: false,
  };
}

/** The descriptor as it goes into TX. */
export function descriptorOf({ op, descriptor, constituents, ...rest }: Message): TransactionDescriptor {
  if (op === "ffa_mem_retrieve_req") return descriptor;
  const pageCount = rest.pageCount ?? constituents.reduce((sum, { pages }) => sum + pages, 0);
  const constituentCount = rest.constituentCount ?? constituents.length;
  return { ...descriptor, composite: { ...descriptor.composite, pageCount, constituentCount }, constituents };
}

/** Writes the message into TX (if the caller has one) and makes the call. */
export function make(machine: Machine, message: Message): Outcome {
  const descriptor = descriptorOf(message);
  const total = message.total ?? descriptorBytes(descriptor, message.constituents.length);
  const fragment = message.fragment ?? total;
  const bytes = encodeDescriptor(descriptor, Math.min(fragment, 4096));
  message.patch?.(new DataView(bytes.buffer));
  if (message.caller !== 5) machine.applyBatch(transmit(message.caller, bytes), { effects: false });
  const { op, caller: vm, address } = message;
  const faults = { tx_fault: message.txFault, wipe_fail: message.wipeFail };
  return machine.apply({ op, vm, x64: 0, ...faults, total, fragment, address, page_count: 0 });
}
