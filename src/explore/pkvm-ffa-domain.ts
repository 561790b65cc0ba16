// A small pKVM host before a secure world to search: the host's FF-A calls pass EL2's proxy to the SPMC, a secure partition
// retrieves and gives back. The host has no VMs here, so that what EL2 knows of its pages is the proxy's doing alone.

import { FFA_DENIED, FFA_INVALID_PARAMETERS } from "../../assembly/abi/ffa.js";
import { resolveConfig } from "../machine/config.js";
import { FfaEndpoint } from "../machine/ffa-endpoint.js";
import type { Machine } from "../machine/machine.js";
import type { Operation } from "../machine/operations.js";
import {
  reclaimStep,
  releaseStep,
  relinquishStep,
  retrieveStep,
  sendStep,
  type Caller,
  type FfaStep,
} from "./ffa-calls.js";
import { FFA_RULES, FfaWatch } from "./ffa-rules.js";
import type { SystemDomain } from "./system-domain.js";

/** How large a machine is. */
export interface PkvmFfaSizes {
  /** Pages of the host's that change hands. */
  readonly pages: number;
  readonly transactions: number;
}

/** The sizes by name. */
export const PKVM_FFA_PRESETS = {
  tiny: { pages: 1, transactions: 1 },
  small: { pages: 2, transactions: 2 },
} as const satisfies Readonly<Record<string, PkvmFfaSizes>>;

const PAGE = 0x1000n;
const BASE = 0x4000_0000n;
const CARVEOUT = BASE + 16n * PAGE;
const CARVEOUT_PAGES = 32n;
const TX = BASE + 8n * PAGE;
const RX = TX + PAGE;
const TRACER = 0xc00;
const HOST: Caller = { id: 0 };
const PARTITION: Caller = { id: 0x8001 };
const REGISTERS = { vm: 0, x64: 1, tx_fault: 0, wipe_fail: 0 } as const;

const at = (page: number): bigint => BASE + BigInt(page) * PAGE;
const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

/** Version and buffers are agreed on. */
const SET_UP: readonly Operation[] = [
  { op: "ffa_version", vm: 0, version: 0x10002n },
  { op: "ffa_rxtx_map", ...REGISTERS, tx: TX, rx: RX, pages: 1 },
];

/** The machine and what is tried on it. */
export function pkvmFfaDomain(sizes: PkvmFfaSizes): SystemDomain<FfaStep> {
  const { pages, transactions } = sizes;
  const subject = { pages: numbers(pages).map(at), tracer: TRACER, protect: false, proxy: true };
  return {
    system: "pkvm-ffa",
    config: resolveConfig({
      ia_bits: 32,
      regions: [{ base: BASE, size: CARVEOUT + CARVEOUT_PAGES * PAGE - BASE }],
      hyp_carveout: { base: CARVEOUT, size: CARVEOUT_PAGES * PAGE },
      hyp_text: { base: CARVEOUT, size: PAGE },
      host_s2_pool_pages: 16,
      max_vms: 1,
      secure_world: { partitions: [{ id: PARTITION.id }], limits: { transactions, fragments: 1, recipients: 1 } },
    }),
    bounds: `${pages} pages, one partition, ${transactions} transactions at once, messages of one fragment; no VMs`,
    warmUp,
    setUp: SET_UP,
    steps: stepsOf(sizes),
    rules: FFA_RULES,
    watch: (machine, marks) => new FfaWatch(machine, marks, subject),
  };
}

// Buffers have frames, the host's TX too.
function warmUp(machine: Machine): void {
  const { exports } = machine.core;
  exports.frameForWrite(TX);
  new FfaEndpoint(machine, PARTITION.id).relinquish({ handle: 0n });
  for (const { id } of [HOST, PARTITION]) exports.frameForWrite(exports.ffaRxAddress(id));
}

function stepsOf({ pages, transactions }: PkvmFfaSizes): FfaStep[] {
  const sends = numbers(pages).flatMap((page) => {
    const ranges = [{ address: at(page), pages: 1 }];
    return (["share", "lend"] as const).map((verb) => sendStep(HOST, { verb, to: [PARTITION.id], ranges }));
  });
  const holders = numbers(transactions).flatMap((slot) => {
    const handle = BigInt(slot);
    const request = { handle, sender: HOST.id, receivers: [PARTITION.id] };
    return [
      ...(["unspecified", "NX"] as const).map((instruction) => retrieveStep(PARTITION, { ...request, instruction })),
      relinquishStep(PARTITION, handle, false),
      reclaimStep(HOST, handle, false),
    ];
  });
  return [...sends, ...malformedSteps(), ...holders, releaseStep(PARTITION)];
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
