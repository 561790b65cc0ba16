// An FF-A endpoint for scripts and scenarios: calls with values instead of bytes and registers. The messages are written and
// read here as the endpoint's version has them; all decisions are the partition managers'.

import { FFA_VERSION_1_0, FFA_VERSION_1_2 } from "../../assembly/abi/ffa.js";
import type { FfaEndpointConfig } from "./ffa-config.js";
import {
  CONSTITUENT_BYTES,
  decodeConstituents,
  decodeDescriptor,
  descriptorBytes,
  encodeConstituents,
  encodeDescriptor,
  encodeRelinquish,
  transmit,
  type AccessDescriptor,
  type Constituent,
  type TransactionDescriptor,
} from "./ffa-descriptor.js";
import type { FfaReply, FfaVerb } from "./ffa-effects.js";
import { FfaState } from "./ffa-state.js";
import type { Machine, Outcome } from "./machine.js";
import type { Operation } from "./operations.js";

export type DataAccess = "unspecified" | "RO" | "RW";
export type InstructionAccess = "unspecified" | "NX" | "X";

/** A receiver as a message names it. Left out: what the verb needs (reference ffa, section 4). */
export interface NamedReceiver {
  readonly id: number;
  readonly data?: DataAccess;
  readonly instruction?: InstructionAccess;
  /** The two implementation-defined words. */
  readonly impdef?: readonly [bigint, bigint];
}

/** What goes wrong around a call. */
export interface CallFaults {
  /** Reading TX faults. */
  readonly txFault?: boolean;
  /** The manager cannot map memory to wipe it. */
  readonly wipeFail?: boolean;
}

/** What any message can be made to say instead, to see what a manager makes of it. */
export interface MessageOverrides extends CallFaults {
  /** Fields of the descriptor. */
  readonly descriptor?: Partial<TransactionDescriptor>;
  /** w1 to w4. */
  readonly registers?: {
    readonly total?: number;
    readonly fragment?: number;
    readonly address?: bigint;
    readonly page_count?: number;
  };
}

export interface SendOptions extends MessageOverrides {
  readonly to: number | NamedReceiver | readonly (number | NamedReceiver)[];
  readonly constituents: readonly Constituent[];
  /** The pages are wiped before anybody gets them. */
  readonly clear?: boolean;
  readonly tag?: bigint;
  /** Memory attributes; left out: normal, write-back, inner shareable where they must be stated, else none. */
  readonly attributes?: number;
  /** Only the first fragment is sent, with so many constituents. Left out: everything, in as many fragments as TX needs. */
  readonly firstFragment?: number;
}

/** What receivers must know of a send to retrieve it; in real systems partitions tell each other. */
export interface FfaRegion {
  readonly handle: bigint;
  readonly verb: FfaVerb;
  readonly sender: number;
  readonly tag: bigint;
  readonly receivers: readonly NamedReceiver[];
}

export interface RetrieveOptions extends MessageOverrides {
  /** Left out: as sent. */
  readonly data?: DataAccess;
  /** Left out: not executable where it must be stated. */
  readonly instruction?: InstructionAccess;
  /** The receivers that are listed; left out: those of the region. */
  readonly receivers?: readonly NamedReceiver[];
  readonly flags?: number;
  readonly attributes?: number;
}

/** What a call came to. */
export interface FfaAnswer {
  /** `DENIED` and so on; null if the call succeeded. */
  readonly error: string | null;
  /** What was returned; null after an error, and for calls that return nothing. */
  readonly reply: FfaReply | null;
  /** RETRIEVE_RESP: the descriptor in RX. */
  readonly descriptor: TransactionDescriptor | null;
  /** FRAG_TX: the constituents in RX. */
  readonly constituents: readonly Constituent[];
  readonly outcome: Outcome;
}

/** A send; `region` is null after an error. */
export interface SendAnswer extends FfaAnswer {
  readonly region: FfaRegion | null;
}

const DATA: readonly DataAccess[] = ["unspecified", "RO", "RW"];
const INSTRUCTION: readonly InstructionAccess[] = ["unspecified", "NX", "X"];
/** Normal memory, write-back, inner shareable. */
export const WRITE_BACK = 0x2f;
const CLEAR = 1;
const SENDS = { donate: "ffa_mem_donate", lend: "ffa_mem_lend", share: "ffa_mem_share" } as const;

/** The permissions byte of an access descriptor. */
export function permissionsByte(data: DataAccess, instruction: InstructionAccess): number {
  return DATA.indexOf(data) | (INSTRUCTION.indexOf(instruction) << 2);
}

export interface FfaEndpointOptions {
  /** Endpoint 0, the normal world at the SPMC: the VM in whose name it calls. */
  readonly speaksFor?: number;
  /** Hears of every call: what was called, the message in TX (null: none) and the answer. */
  readonly onCall?: (call: Operation, message: Uint8Array | null, answer: FfaAnswer) => void;
}

/**
 * One endpoint of a machine made with `Machine.createFfa`.
 *
 *     const sent = new FfaEndpoint(machine, 1).lend({ to: 2, constituents: [{ address: 0x10002000n, pages: 1 }] });
 *     if (sent.region !== null) new FfaEndpoint(machine, 2).retrieve(sent.region, { instruction: "X" });
 */
export class FfaEndpoint {
  readonly id: number;
  readonly machine: Machine;
  readonly #state: FfaState;
  readonly #config: FfaEndpointConfig;
  /** The id in the endpoint's messages. */
  readonly #name: number;
  readonly #onCall: FfaEndpointOptions["onCall"];

  /** @throws RangeError if the machine has no such endpoint */
  constructor(machine: Machine, id: number, { speaksFor = id, onCall }: FfaEndpointOptions = {}) {
    this.machine = machine;
    this.id = id;
    this.#state = new FfaState(machine);
    const config = this.#state.config.endpoints.find((endpoint) => endpoint.id === id);
    if (config === undefined) throw new RangeError(`the machine has no endpoint 0x${id.toString(16)}`);
    this.#config = config;
    this.#name = speaksFor;
    this.#onCall = onCall;
  }

  /** FFA_MEM_DONATE. */
  donate(options: SendOptions): SendAnswer {
    return this.#send("donate", options);
  }

  /** FFA_MEM_LEND. */
  lend(options: SendOptions): SendAnswer {
    return this.#send("lend", options);
  }

  /** FFA_MEM_SHARE. */
  share(options: SendOptions): SendAnswer {
    return this.#send("share", options);
  }

  #send(verb: FfaVerb, options: SendOptions): SendAnswer {
    const { constituents, firstFragment, registers = {} } = options;
    const receivers = namedReceivers(options.to, sendDefaults(verb));
    const descriptor = { ...this.#sendDescriptor(verb, receivers, options), ...options.descriptor };
    const here = firstFragment ?? Math.min(constituents.length, this.#capacity(descriptor));
    const total = registers.total ?? descriptorBytes(descriptor, constituents.length);
    const fragment = registers.fragment ?? descriptorBytes(descriptor, here);
    const message = this.#message({ constituents: constituents.slice(0, here), ...descriptor }, fragment);
    const { address = 0n, page_count = 0 } = registers;
    const call: Operation = { op: SENDS[verb], ...this.#call(options), total, fragment, address, page_count };
    const first = this.#make(call, message);
    const region = regionOf(first.reply, { verb, sender: descriptor.sender, tag: descriptor.tag, receivers });
    if (region === null || firstFragment !== undefined) return { ...first, region };
    return this.#sendRest(region, constituents.slice(here), { ...first, region }, options);
  }

  #sendRest(region: FfaRegion, rest: readonly Constituent[], first: SendAnswer, faults: CallFaults): SendAnswer {
    let answer = first;
    const room = Math.floor(this.#bufferBytes / CONSTITUENT_BYTES);
    for (let at = 0; at < rest.length && answer.reply?.fn === "FRAG_RX"; at += room) {
      answer = this.fragTx(region, rest.slice(at, at + room), faults);
    }
    return answer;
  }

  #sendDescriptor(
    verb: FfaVerb,
    receivers: readonly NamedReceiver[],
    { constituents, clear = false, tag = 0n, attributes }: SendOptions,
  ): TransactionDescriptor {
    const isStated = verb === "share" || (verb === "lend" && receivers.length > 1);
    const pageCount = constituents.reduce((sum, { pages }) => sum + pages, 0);
    return {
      ...this.#layout,
      sender: this.#name,
      attributes: attributes ?? (isStated ? WRITE_BACK : 0),
      flags: clear ? CLEAR : 0,
      tag,
      receivers: receivers.map(accessDescriptor),
      composite: { pageCount, constituentCount: constituents.length },
    };
  }

  /** FFA_MEM_FRAG_TX: the next fragment of a send. */
  fragTx(
    region: FfaRegion,
    constituents: readonly Constituent[],
    options: CallFaults & { readonly fragment?: number; readonly sender?: number } = {},
  ): SendAnswer {
    const bytes = encodeConstituents(constituents);
    const { fragment = bytes.length, sender = 0 } = options;
    const call = { ...this.#call(options), handle: region.handle, fragment, sender: BigInt(sender) };
    const answer = this.#make({ op: "ffa_mem_frag_tx", ...call }, bytes);
    return { ...answer, region: answer.error === null ? region : null };
  }

  /** FFA_MEM_RETRIEVE_REQ. The response stays in RX until `releaseRx`. */
  retrieve(region: FfaRegion, options: RetrieveOptions = {}): FfaAnswer {
    const { flags = 0, attributes = 0, registers = {} } = options;
    const isStated = region.verb === "donate" || (region.verb === "lend" && region.receivers.length === 1);
    const instruction = options.instruction ?? (isStated ? "NX" : "unspecified");
    const listed = (options.receivers ?? region.receivers).map((receiver) => {
      const { data = region.verb === "donate" ? "RW" : receiver.data } = options;
      return { ...receiver, ...(data === undefined ? {} : { data }), instruction };
    });
    const descriptor: TransactionDescriptor = {
      ...this.#layout,
      ...{ sender: region.sender, attributes, flags, handle: region.handle, tag: region.tag },
      receivers: listed.map((receiver) => ({ ...accessDescriptor(receiver), offset: 0 })),
      ...options.descriptor,
    };
    const total = registers.total ?? descriptorBytes(descriptor, 0);
    const fragment = registers.fragment ?? total;
    const { address = 0n, page_count = 0 } = registers;
    const call: Operation = {
      op: "ffa_mem_retrieve_req",
      ...this.#call(options),
      total,
      fragment,
      address,
      page_count,
    };
    return this.#make(call, this.#message(descriptor, fragment));
  }

  /** FFA_MEM_FRAG_RX: the next fragment of a response. */
  fragRx({ handle }: Pick<FfaRegion, "handle">, offset: number, sender = 0): FfaAnswer {
    return this.#make({ op: "ffa_mem_frag_rx", ...this.#call({}), handle, offset, sender: BigInt(sender) }, null);
  }

  /** Retrieves with all fragments and gives RX back; the answer's descriptor has all constituents. */
  retrieveAll(region: FfaRegion, options: RetrieveOptions = {}): FfaAnswer {
    const first = this.retrieve(region, options);
    if (first.descriptor === null || first.reply?.fn !== "RETRIEVE_RESP") return first;
    const constituents = [...(first.descriptor.constituents ?? [])];
    this.releaseRx();
    for (let offset = first.reply.fragment; offset < first.reply.total;) {
      const next = this.fragRx(region, offset);
      if (next.reply?.fn !== "FRAG_TX") return next;
      constituents.push(...next.constituents);
      offset += next.reply.fragment;
      this.releaseRx();
    }
    return { ...first, descriptor: { ...first.descriptor, constituents } };
  }

  /** FFA_MEM_RELINQUISH. */
  relinquish(
    { handle }: Pick<FfaRegion, "handle">,
    options: CallFaults & {
      readonly clear?: boolean;
      readonly endpoints?: readonly number[];
      readonly count?: number;
    } = {},
  ): FfaAnswer {
    const { clear = false, endpoints = [this.#name], count } = options;
    const flags = clear ? CLEAR : 0;
    const message = encodeRelinquish({ handle, flags, endpoints, ...(count === undefined ? {} : { count }) });
    return this.#make({ op: "ffa_mem_relinquish", ...this.#call(options) }, message);
  }

  /** FFA_MEM_RECLAIM. */
  reclaim({ handle }: Pick<FfaRegion, "handle">, options: CallFaults & { readonly clear?: boolean } = {}): FfaAnswer {
    const flags = options.clear === true ? BigInt(CLEAR) : 0n;
    return this.#make({ op: "ffa_mem_reclaim", ...this.#call(options), handle, flags }, null);
  }

  /** FFA_MEM_PERM_GET of so many pages; the reply tells how many of them have the permission of the first. */
  permGet(base: bigint, pages = 1): FfaAnswer {
    return this.#make({ op: "ffa_mem_perm_get", ...this.#call({}), base, pages: pages - 1 }, null);
  }

  /** FFA_MEM_PERM_SET: 7 read-only, 5 read-write, 3 read-execute. */
  permSet(base: bigint, pages: number, perm: number): FfaAnswer {
    return this.#make({ op: "ffa_mem_perm_set", ...this.#call({}), base, pages, perm }, null);
  }

  /** FFA_RX_RELEASE. */
  releaseRx(): FfaAnswer {
    return this.#make({ op: "ffa_rx_release", ...this.#call({}) }, null);
  }

  /** Something else puts a message into RX. */
  fillRx(): FfaAnswer {
    return this.#make({ op: "ffa_rx_fill", ...this.#call({}) }, null);
  }

  /** The endpoint dies. It makes no call afterwards. */
  abort(): FfaAnswer {
    return this.#make({ op: "ffa_abort", ...this.#call({}) }, null);
  }

  #call({ txFault = false, wipeFail = false }: CallFaults) {
    return { vm: this.id, x64: 0, tx_fault: txFault ? 1 : 0, wipe_fail: wipeFail ? 1 : 0 } as const;
  }

  get #bufferBytes(): number {
    return this.#config.buffer_pages * this.machine.pageSize;
  }

  /** Header and access descriptors as the endpoint's version has them. */
  get #layout(): Pick<TransactionDescriptor, "layout" | "accessSize"> {
    const { version } = this.#config;
    return { layout: version === FFA_VERSION_1_0 ? "1.0" : "1.1", accessSize: version >= FFA_VERSION_1_2 ? 32 : 16 };
  }

  /** Constituents that fit TX behind a descriptor; of a 1.0 caller one page is read. */
  #capacity(descriptor: TransactionDescriptor): number {
    const isOld = this.#config.version === FFA_VERSION_1_0;
    const room = isOld ? Math.min(this.#bufferBytes, this.machine.pageSize - 16) : this.#bufferBytes;
    return Math.max(0, Math.floor((room - descriptorBytes(descriptor, 0)) / CONSTITUENT_BYTES));
  }

  // As much of a message as TX holds, whatever length the call claims.
  #message(descriptor: TransactionDescriptor, length: number): Uint8Array {
    return encodeDescriptor(descriptor, Math.min(length, this.#bufferBytes));
  }

  #make(call: Operation, message: Uint8Array | null): FfaAnswer {
    const room = this.#bufferBytes;
    if (message !== null && room > 0)
      this.machine.applyBatch(transmit(this.id, message.subarray(0, room)), { effects: false });
    const outcome = this.machine.apply(call);
    const reply = outcome.details.reply ?? null;
    const error = outcome.ret < 0 ? (outcome.errno ?? String(outcome.ret)) : null;
    const isResponse = reply?.fn === "RETRIEVE_RESP" || reply?.fn === "FRAG_TX";
    const bytes = isResponse ? this.#state.readRx(this.id, reply.fragment) : new Uint8Array(0);
    const answer = {
      ...{ error, reply, outcome },
      descriptor: reply?.fn === "RETRIEVE_RESP" ? decodeDescriptor(bytes, this.#layout.layout) : null,
      constituents: reply?.fn === "FRAG_TX" ? decodeConstituents(bytes) : [],
    };
    this.#onCall?.(call, message, answer);
    return answer;
  }
}

function sendDefaults(verb: FfaVerb): { readonly data: DataAccess; readonly instruction: InstructionAccess } {
  return { data: verb === "donate" ? "unspecified" : "RW", instruction: "unspecified" };
}

function namedReceivers(
  to: SendOptions["to"],
  defaults: Required<Pick<NamedReceiver, "data" | "instruction">>,
): NamedReceiver[] {
  const list = Array.isArray(to) ? (to as readonly (number | NamedReceiver)[]) : [to as number | NamedReceiver];
  return list.map((receiver) => ({ ...defaults, ...(typeof receiver === "number" ? { id: receiver } : receiver) }));
}

function accessDescriptor({ id, data, instruction, impdef }: NamedReceiver): AccessDescriptor {
  const permissions = permissionsByte(data ?? "unspecified", instruction ?? "unspecified");
  return { id, permissions, ...(impdef === undefined ? {} : { impdef }) };
}

function regionOf(reply: FfaReply | null, send: Omit<FfaRegion, "handle">): FfaRegion | null {
  if (reply === null || (reply.fn !== "SUCCESS" && reply.fn !== "FRAG_RX") || reply.handle === undefined) return null;
  return { handle: reply.handle, ...send };
}
