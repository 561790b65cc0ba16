// The hypervisor of a machine as the host kernel, the host's CPUs and a guest's CPU reach it. What happens here is the
// machine's doing; this file writes it down as evidence.

import { handleOf, type AccessAnswer, type MemoryAccess, type Stage2 } from "../../machine/accesses.js";
import type { Machine, Outcome } from "../../machine/machine.js";
import type { Operation, OperationName } from "../../machine/operations.js";
import type { AccessKind } from "../../machine/translation.js";
import type { EvidenceLog } from "../evidence-log.js";

/** One touch of memory, after stage 1. */
export interface Touch {
  readonly ipa: bigint;
  readonly kind: "load" | "store" | "fetch";
  readonly el?: 0 | 1;
  readonly bytes?: 1 | 2 | 4 | 8;
  /** What a store writes. */
  readonly value?: bigint;
}

const KINDS: Readonly<Record<Touch["kind"], AccessKind>> = { load: "read", store: "write", fetch: "fetch" };

/** An instruction has four bytes. */
const FETCH_BYTES = 4;

/** Operations that say more than their return value: by effects, which then must be recorded. */
const ANSWERS_BY_EFFECTS: ReadonlySet<OperationName> = new Set<OperationName>([
  "host_abort",
  "gunyah_abort",
  "guest_hvc",
  "hcall_donate_guest",
  "hcall_share_guest",
  "kvm_guest_fault",
  "gmem_host_fault",
  "gmem_fallocate",
]);

export class El2 {
  readonly machine: Machine;
  readonly log: EvidenceLog;
  /** Offset of a byte in its page, and of the word it is in. */
  readonly #pageMask: bigint;
  readonly #wordMask: bigint;

  constructor(machine: Machine, log: EvidenceLog) {
    this.machine = machine;
    this.log = log;
    this.#pageMask = BigInt(machine.pageSize - 1);
    this.#wordMask = this.#pageMask - 7n;
  }

  /** Runs an operation. */
  apply(operation: Operation): Outcome {
    const effects = this.log.hasTexts || ANSWERS_BY_EFFECTS.has(operation.op);
    const [outcome] = this.machine.applyBatch([operation], { effects }) as [Outcome];
    this.log.operation(this.machine, operation, outcome);
    return outcome;
  }

  /** The entry at which a walk for `ipa` (bytes) ends; 0 where nothing is mapped or noted. */
  descriptor(stage2: Stage2, ipa: bigint): bigint {
    const { exports } = this.machine.core;
    return exports.findLeaf(handleOf(stage2), ipa) < 0 ? 0n : BigInt.asUintN(64, exports.leafDescriptor());
  }

  /** The aligned 64 bits of memory around `pa` (bytes), looked up without an access. */
  word(pa: bigint): bigint {
    const { core } = this.machine;
    const offset = pa & this.#wordMask;
    const frame = core.exports.framePointer(pa - (pa & this.#pageMask)) >>> 0;
    return frame === 0 ? 0n : new DataView(core.memory.buffer).getBigUint64(frame + Number(offset), true);
  }

  /** Touches memory through a stage 2. A fault is only looked at: whose it is to handle is the caller's business. */
  touch(stage2: Stage2, { ipa, kind, el = 1, bytes = 8, value = 0n }: Touch): AccessAnswer {
    const isFetch = kind === "fetch";
    const size = isFetch ? FETCH_BYTES : bytes;
    const address = isFetch ? ipa - (ipa % BigInt(FETCH_BYTES)) : ipa;
    const access: MemoryAccess = { stage2, ipa: address, kind: KINDS[kind], el, bytes: size, value };
    const [answer] = this.machine.accessBatch([access]) as [AccessAnswer];
    this.log.access(this.machine, access, answer);
    const { fault } = answer;
    // EL2 hears nothing of a granule protection fault.
    if (fault !== null && fault.kind !== "granule_protection") this.log.syndrome("ESR_EL2", fault.esr);
    return answer;
  }
}
