// A small pKVM host before a secure world to search: the host's FF-A calls pass EL2's proxy to the SPMC, a secure partition
// retrieves and gives back. The host has no VMs here, so that what EL2 knows of its pages is the proxy's doing alone.

import {
  FFA_DENIED,
  FFA_INVALID_PARAMETERS,
  FFA_NON_SECURE_TABLE,
  FFA_VERSION_1_0,
  FFA_VERSION_1_2,
} from "../../assembly/abi/ffa.js";
import { resolveConfig, type MachineConfig } from "../machine/config.js";
import { FfaEndpoint } from "../machine/ffa-endpoint.js";
import type { Machine } from "../machine/machine.js";
import { count } from "../machine/names.js";
import type { Operation } from "../machine/operations.js";
import { secretOf } from "./contents.js";
import type { FalseAnswer } from "./domain.js";
import {
  fragmentStep,
  reclaimStep,
  releaseStep,
  relinquishStep,
  retrieveStep,
  sendStep,
  writeStep,
  type Caller,
  type FfaStep,
} from "./ffa-calls.js";
import { PKVM_FFA_RULES, PkvmFfaWatch } from "./pkvm-ffa-rules.js";
import type { SystemDomain } from "./system-domain.js";

/** How large a machine is, and what is tried on it. */
export interface PkvmFfaSizes {
  /** Pages of the host's that change hands. */
  readonly pages: number;
  readonly transactions: number;
  /** Whether messages also come in two fragments: of one page each, and of more than was promised. */
  readonly fragments?: boolean;
  /** Whether host and partition write to the pages. */
  readonly writes?: boolean;
  /** Whether the host also shares pages with EL2. */
  readonly hyp?: boolean;
  /** Whether the host begins without a version and a mailbox, asks for any, and writes messages in the layout of each. */
  readonly versions?: boolean;
  /** What the SPMC says wrongly of a transaction that is to be reclaimed: too many ranges; or whatever it likes. */
  readonly lies?: "range counts" | "all";
}

/** The sizes by name. */
export const PKVM_FFA_PRESETS = {
  tiny: { pages: 1, transactions: 1, writes: true },
  small: { pages: 2, transactions: 2, hyp: true },
  /** Messages in two fragments. */
  fragments: { pages: 2, transactions: 1, fragments: true },
  /** FF-A 1.0, 1.1 and 1.2. */
  versions: { pages: 1, transactions: 1, versions: true },
  /** A secure world that lies about what it was given. */
  lies: { pages: 2, transactions: 1, lies: "all" },
} as const satisfies Readonly<Record<string, PkvmFfaSizes>>;

const PAGE = 0x1000n;
const BASE = 0x4000_0000n;
const CARVEOUT = BASE + 16n * PAGE;
const CARVEOUT_PAGES = 32n;
const TX = BASE + 8n * PAGE;
const RX = TX + PAGE;
/** Pages that there is room for before the host's buffers. */
const MOST_PAGES = 8;
const TRACER = 0xc00;
const HOST: Caller = { id: 0 };
const PARTITION: Caller = { id: 0x8001 };
const REGISTERS = { vm: 0, x64: 1, tx_fault: 0, wipe_fail: 0 } as const;
/** FF-A 1.0, 1.1 and 1.2. */
const VERSIONS = [FFA_VERSION_1_0, 0x10001, FFA_VERSION_1_2];

const at = (page: number): bigint => BASE + BigInt(page) * PAGE;
const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

const askFor = (version: number): Operation => ({ op: "ffa_version", vm: 0, version: BigInt(version) });
const MAP: Operation = { op: "ffa_rxtx_map", ...REGISTERS, tx: TX, rx: RX, pages: 1 };
const UNMAP: Operation = { op: "ffa_rxtx_unmap", ...REGISTERS, id: 0n };

/** The machine's configuration, as a trace has it. */
function configOf({ transactions, fragments = false }: PkvmFfaSizes): MachineConfig {
  return {
    ia_bits: 32,
    regions: [{ base: BASE, size: CARVEOUT + CARVEOUT_PAGES * PAGE - BASE }],
    hyp_carveout: { base: CARVEOUT, size: CARVEOUT_PAGES * PAGE },
    hyp_text: { base: CARVEOUT, size: PAGE },
    host_s2_pool_pages: 16,
    max_vms: 1,
    secure_world: {
      partitions: [{ id: PARTITION.id }],
      limits: { transactions, fragments: fragments ? 2 : 1, recipients: 1 },
    },
  };
}

/** The machine and what is tried on it. */
export function pkvmFfaDomain(sizes: PkvmFfaSizes): SystemDomain<FfaStep> {
  const { pages, versions = false } = sizes;
  const subject = { pages: numbers(pages).map(at), tracer: TRACER, protect: false, ...(versions ? { tx: TX } : {}) };
  const given = configOf(sizes);
  return {
    system: "pkvm-ffa",
    config: resolveConfig(given),
    given: { system: "pkvm", config: given },
    bounds: boundsOf(sizes),
    warmUp,
    // Version and buffers are agreed on.
    setUp: versions ? [] : [askFor(FFA_VERSION_1_2), MAP],
    steps: stepsOf(sizes),
    rules: PKVM_FFA_RULES,
    watch: (machine, marks, asked) => new PkvmFfaWatch(machine, marks, subject, asked),
  };
}

function boundsOf({ pages, transactions, fragments = false, lies }: PkvmFfaSizes): string {
  const sent = `${count(transactions, "transaction")} at once, messages of ${fragments ? "two fragments at most" : "one fragment"}`;
  const secure =
    lies === undefined ? "" : `, an SPMC that lies about ${lies === "all" ? "ranges" : "how many ranges there are"}`;
  return `${count(pages, "page")}, one partition, ${sent}${secure}; no VMs`;
}

// Buffers have frames, the host's TX and the pages too.
function warmUp(machine: Machine): void {
  const { exports } = machine.core;
  for (const page of [TX, ...numbers(MOST_PAGES).map(at)]) exports.frameForWrite(page);
  new FfaEndpoint(machine, PARTITION.id).relinquish({ handle: 0n });
  for (const { id } of [HOST, PARTITION]) exports.frameForWrite(exports.ffaRxAddress(id));
}

function stepsOf(sizes: PkvmFfaSizes): FfaStep[] {
  const { pages, transactions, versions = false, writes = false, hyp = false } = sizes;
  const speakers = versions ? VERSIONS.map((version) => ({ ...HOST, version })) : [HOST];
  return [
    ...speakers.flatMap((speaker) => sendSteps(speaker, sizes)),
    ...(versions ? [] : malformedSteps()),
    ...numbers(transactions).flatMap((slot) => holderSteps(BigInt(slot), sizes)),
    releaseStep(PARTITION),
    ...(versions ? [...VERSIONS.map(askFor), MAP, UNMAP].map(hostStep) : []),
    ...(writes ? numbers(pages).flatMap((page) => writeSteps(at(page))) : []),
    ...(hyp ? numbers(pages).flatMap((page) => sharesWithHyp(at(page) / PAGE)) : []),
  ];
}

const hostStep = (call: Operation): FfaStep => ({ calls: [call], about: { kind: "other", caller: HOST.id } });

const sharesWithHyp = (pfn: bigint): FfaStep[] =>
  (["host_share_hyp", "host_unshare_hyp"] as const).map((op) => hostStep({ op, pfn }));

function sendSteps(speaker: Caller, { pages, fragments = false }: PkvmFfaSizes): FfaStep[] {
  const ranges = numbers(pages).map((page) => ({ address: at(page), pages: 1 }));
  const [first] = ranges;
  return (["share", "lend"] as const).flatMap((verb) => {
    const send = { verb, to: [PARTITION.id] };
    const whole = ranges.map((range) => sendStep(speaker, { ...send, ranges: [range] }));
    if (!fragments || first === undefined) return whole;
    const halves = { ...send, ranges, first: 1 };
    // A page more than there are ranges: the SPMC refuses it with the last fragment.
    const composite = { pageCount: pages + 1, constituentCount: pages };
    return [...whole, sendStep(speaker, halves), sendStep(speaker, { ...halves, instead: { composite } })];
  });
}

function holderSteps(handle: bigint, { pages, fragments = false, lies }: PkvmFfaSizes): FfaStep[] {
  const request = { handle, sender: HOST.id, receivers: [PARTITION.id] };
  const ranges = numbers(pages).map((page) => ({ address: at(page), pages: 1 }));
  const reclaim = reclaimStep(HOST, handle, false);
  return [
    ...(["unspecified", "NX"] as const).map((instruction) => retrieveStep(PARTITION, { ...request, instruction })),
    relinquishStep(PARTITION, handle, false),
    reclaim,
    ...(fragments ? ranges.map((range) => fragmentStep(HOST, handle, [range])) : []),
    ...falseAnswers(lies).map((answer) => misled(reclaim, answer)),
  ];
}

function misled({ calls, about }: FfaStep, answer: FalseAnswer): FfaStep {
  return { calls: [answer, ...calls], about: about.kind === "reclaim" ? { ...about, isMisled: true } : about };
}

/** More ranges than any descriptor has; with `all` also none, another page, and a list that begins elsewhere. */
function falseAnswers(lies: PkvmFfaSizes["lies"]): FalseAnswer[] {
  const answer = (field: FalseAnswer["field"], value: bigint): FalseAnswer => ({ op: "false_answer", field, value });
  const counts = [1n << 28n, 0xffff_ffffn].map((value) => answer("range_count", value));
  if (lies === undefined) return [];
  if (lies === "range counts") return counts;
  const others = [answer("range_count", 0n), answer("first_address", at(1)), answer("composite_offset", 0xffff_fff0n)];
  return [...counts, ...others];
}

function writeSteps(page: bigint): FfaStep[] {
  const tables = [PARTITION.id, PARTITION.id | FFA_NON_SECURE_TABLE];
  return [
    writeStep(HOST.id, "host", page, TRACER, secretOf(HOST.id)),
    ...tables.map((table) => writeStep(PARTITION.id, table, page, TRACER, secretOf(PARTITION.id))),
  ];
}

/** A composite descriptor beyond all ends, access descriptors behind the message's, and half a page. */
function malformedSteps(): FfaStep[] {
  const send = { verb: "lend", to: [PARTITION.id], ranges: [{ address: at(0), pages: 1 }], malformed: true } as const;
  const unaligned = [{ address: at(0) + 0x800n, pages: 1 }];
  const receivers = [{ id: PARTITION.id, permissions: 2, offset: 0xffff_fff0 }];
  return [
    sendStep(HOST, { ...send, instead: { receivers }, error: FFA_INVALID_PARAMETERS }),
    sendStep(HOST, { ...send, patch: lateAccessDescriptor, error: FFA_INVALID_PARAMETERS }),
    sendStep(HOST, { ...send, ranges: unaligned, error: FFA_DENIED }),
  ];
}

// The entry begins 8 bytes before the end: its composite offset, the last word of the message, would do.
function lateAccessDescriptor(message: DataView): void {
  message.setUint32(32, message.byteLength - 8, true);
  message.setUint32(message.byteLength - 4, message.byteLength - 32, true);
}
