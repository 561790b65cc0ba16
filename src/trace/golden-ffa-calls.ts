// The calls of a golden recording of kind `ffa` as operations: the message that stands in TX, and the registers.

import { bytesToHex } from "@noble/hashes/utils.js";
import { encodeConstituents, encodeDescriptor, encodeRelinquish } from "../machine/ffa-descriptor.js";
import type { Operation, OperationName } from "../machine/operations.js";
import { fail } from "./golden-fields.js";
import { constituentsOf, descriptorOf, type FfaOperation, type FfaReply, type FfaVerb } from "./golden-ffa-format.js";

/** One recorded call. */
export interface FfaCall {
  /** What the caller has put into TX; null if the call reads none. */
  readonly message: Uint8Array | null;
  readonly operation: Operation;
}

const NAMES = {
  mem_donate: "ffa_mem_donate",
  mem_lend: "ffa_mem_lend",
  mem_share: "ffa_mem_share",
  retrieve_req: "ffa_mem_retrieve_req",
  relinquish: "ffa_mem_relinquish",
  reclaim: "ffa_mem_reclaim",
  frag_rx: "ffa_mem_frag_rx",
  frag_tx: "ffa_mem_frag_tx",
  perm_get: "ffa_mem_perm_get",
  perm_set: "ffa_mem_perm_set",
  rx_release: "ffa_rx_release",
  rx_fill: "ffa_rx_fill",
  abort: "ffa_abort",
} as const satisfies Record<FfaVerb, OperationName>;

/** A recorded verb as Freehold spells it. */
export function verbName(verb: FfaVerb): OperationName {
  return NAMES[verb];
}

/**
 * The call of a line.
 *
 * @throws FormatError if `raw` is not what the fields describe
 */
export function callOf(line: FfaOperation): FfaCall {
  const { vm, tx_fault = 0, wipe_fail = 0 } = line.args;
  const x64 = "x64" in line.args ? (line.args.x64 ?? 0) : 0;
  const message = messageOf(line);
  if (message !== null && "raw" in line.args) agree("args.raw", line.args.raw, message);
  return { message, operation: { ...registersOf(line), vm, x64, tx_fault, wipe_fail } as Operation };
}

function messageOf(line: FfaOperation): Uint8Array | null {
  switch (line.op) {
    case "mem_donate":
    case "mem_lend":
    case "mem_share":
    case "retrieve_req":
      return encodeDescriptor(descriptorOf(line.args.desc), line.args.fragment);
    case "frag_tx":
      return cutTo(encodeConstituents(constituentsOf(line.args.constituents)), line.args.fragment);
    case "relinquish":
      return encodeRelinquish(line.args);
    default:
      return null;
  }
}

function cutTo(bytes: Uint8Array, length: number): Uint8Array {
  const cut = new Uint8Array(length);
  cut.set(bytes.subarray(0, length));
  return cut;
}

// The registers of the call, by the arguments of its operation.
function registersOf(line: FfaOperation): { readonly op: OperationName } & Readonly<Record<string, unknown>> {
  const op = NAMES[line.op];
  switch (line.op) {
    case "mem_donate":
    case "mem_lend":
    case "mem_share":
    case "retrieve_req": {
      const { total, fragment, address = 0n, page_count = 0 } = line.args;
      return { op, total, fragment, address, page_count };
    }
    case "frag_tx":
      return { op, handle: line.args.handle, fragment: line.args.fragment, sender: BigInt(line.args.sender ?? 0) };
    case "frag_rx":
      return { op, handle: line.args.handle, offset: line.args.offset, sender: BigInt(line.args.sender ?? 0) };
    case "reclaim":
      return { op, handle: line.args.handle, flags: BigInt(line.args.flags) };
    case "perm_get":
      return { op, base: line.args.base, pages: line.args.pages };
    case "perm_set":
      return { op, base: line.args.base, pages: line.args.pages, perm: line.args.perm };
    default:
      return { op };
  }
}

/** The bytes of a recorded response, cut or filled with zeros to its length; null if the reply has none. */
export function responseOf(reply: FfaReply): Uint8Array | null {
  if (reply.fn === "RETRIEVE_RESP") {
    const bytes = encodeDescriptor(descriptorOf(reply.desc), reply.fragment);
    agree("reply.raw", reply.raw, bytes);
    return bytes;
  }
  if (reply.fn !== "FRAG_TX") return null;
  const bytes = cutTo(encodeConstituents(constituentsOf(reply.constituents)), reply.fragment);
  agree("reply.raw", reply.raw, bytes);
  return bytes;
}

// A line that says the same bytes twice must say the same; zeros at the end may be left out.
function agree(field: string, raw: string | undefined, bytes: Uint8Array): void {
  if (raw === undefined) return;
  const written = bytesToHex(bytes);
  const full = raw.padEnd(written.length, "0");
  if (full === written) return;
  const differing = [...full].findIndex((digit, index) => digit !== written[index]);
  fail(`${field}: differs from the fields beside it at byte ${differing >> 1}`);
}

const WORDS_AT = 8;
const WORDS_END = 24;
const LONG_ENTRY = 32;

/** Makes the implementation-defined words zero that the recording leaves out: their value means nothing (README section 5). */
export function withoutMeaninglessWords(reply: FfaReply, bytes: Uint8Array): Uint8Array {
  if (reply.fn !== "RETRIEVE_RESP" || reply.desc.access_size !== LONG_ENTRY) return bytes;
  const { receivers, receivers_offset: first = 48 } = reply.desc;
  const masked = bytes.slice();
  receivers.forEach(({ impdef }, index) => {
    const at = first + index * LONG_ENTRY;
    if (impdef === undefined) masked.fill(0, at + WORDS_AT, at + WORDS_END);
  });
  return masked;
}
