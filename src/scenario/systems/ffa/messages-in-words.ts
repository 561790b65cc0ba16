// FF-A messages as sentences: what a caller wrote into TX, what a manager answered in RX.

import { FFA_VERSION_1_0 } from "../../../../assembly/abi/ffa.js";
import {
  decodeConstituents,
  decodeDescriptor,
  type Constituent,
  type TransactionDescriptor,
} from "../../../machine/ffa-descriptor.js";
import { endpointName } from "../../../machine/ffa-effects.js";
import type { FfaAnswer } from "../../../machine/ffa-endpoint.js";
import { count, hex } from "../../../machine/names.js";
import type { Operation } from "../../../machine/operations.js";

const DATA = ["unspecified", "read-only", "read-write", "reserved"] as const;
const INSTRUCTION = ["unspecified", "not executable", "executable", "reserved"] as const;
/** Constituents that a sentence lists. */
const LISTED = 4;

/** A call's message and the response to it. */
export function messageWords(
  version: number,
  call: Operation,
  message: Uint8Array | null,
  answer: FfaAnswer,
): string[] {
  const words: string[] = [];
  if (message !== null) words.push(`in TX: ${sentWords(version, call, message)}`);
  if (answer.descriptor !== null) words.push(`in RX: ${descriptorWords(answer.descriptor)}`);
  if (answer.constituents.length > 0) words.push(`in RX: ${constituentWords(answer.constituents)}`);
  return words;
}

function sentWords(version: number, { op }: Operation, message: Uint8Array): string {
  if (op === "ffa_mem_relinquish") return relinquishWords(message);
  if (op === "ffa_mem_frag_tx") return constituentWords(decodeConstituents(message));
  const descriptor = decodeDescriptor(message, version === FFA_VERSION_1_0 ? "1.0" : "1.1");
  return descriptor === null ? `${count(message.length, "byte")} that are no descriptor` : descriptorWords(descriptor);
}

function descriptorWords(descriptor: TransactionDescriptor): string {
  const { sender, attributes, flags, handle = 0n, tag, receivers, composite, constituents = [] } = descriptor;
  const words = [
    `sender ${endpointName(sender)}`,
    `attributes ${hex(attributes)}`,
    `flags ${hex(flags)}`,
    `tag ${hex(tag)}`,
  ];
  if (handle !== 0n) words.push(`handle ${hex(handle)}`);
  for (const { id, permissions } of receivers) words.push(`for ${endpointName(id)}: ${permissionWords(permissions)}`);
  if (composite !== undefined) words.push(`${count(composite.pageCount, "page")}, ${constituentWords(constituents)}`);
  return words.join(", ");
}

function permissionWords(permissions: number): string {
  return `data ${DATA[permissions & 3] ?? ""}, instruction ${INSTRUCTION[(permissions >> 2) & 3] ?? ""}`;
}

function constituentWords(constituents: readonly Constituent[]): string {
  const listed = constituents.slice(0, LISTED).map(({ address, pages }) => `${hex(address)} (${count(pages, "page")})`);
  const rest = constituents.length > LISTED ? ", ..." : "";
  return `${count(constituents.length, "constituent")}${listed.length === 0 ? "" : `: ${listed.join(", ")}${rest}`}`;
}

function relinquishWords(message: Uint8Array): string {
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  const endpoints = Array.from({ length: (message.length - 16) >> 1 }, (_, i) => view.getUint16(16 + 2 * i, true));
  const head = `handle ${hex(view.getBigUint64(0, true))}, flags ${hex(view.getUint32(8, true))}`;
  return `${head}, ${count(view.getUint32(12, true), "endpoint")}: ${endpoints.map(endpointName).join(", ")}`;
}
