// Gunyah as the CPUs of its VMs reach it: touches of memory, and what the hypervisor does about those that fault
// (reference gunyah section 5). HLOS is a VM like any other.

import { GUNYAH_ABORT_DRIVEN, VMID_HLOS } from "../../../assembly/abi/gunyah.js";
import type { AccessAnswer, Stage2 } from "../../machine/accesses.js";
import { vmName } from "../../machine/gunyah-names.js";
import { GunyahVm } from "../../machine/gunyah-vm.js";
import { hex } from "../../machine/names.js";
import type { Operation } from "../../machine/operations.js";
import type { Outcome } from "../../machine/outcome.js";
import { panicSentence } from "../../machine/reasons.js";
import type { Fault } from "../../machine/translation.js";
import { El2, type Touch } from "../kvm/el2.js";
import { gunyahRule, hostRule } from "../rule-table.js";

/** A touch by a VM's CPU. */
export interface VmTouch extends Touch {
  /** Virtual address in bytes, for FAR. Default: the IPA, as with stage 1 off. */
  readonly va?: bigint;
  /** The vCPU is run by a VMM's vcpu_run, which is told of touches in its VMMIO ranges. */
  readonly driven?: boolean;
}

/**
 * What comes of a touch. `injected`: the VM takes an exception; `vmmio`: vcpu_run answers that the VMM shall carry it out;
 * `blocked`: the vCPU runs no more; `stopped`: the machine.
 */
export type VmTouchAnswer =
  | { readonly kind: "done"; readonly value: bigint }
  | { readonly kind: "injected"; readonly esr: bigint; readonly far: bigint }
  | { readonly kind: "vmmio" | "emulated" | "blocked" }
  | { readonly kind: "stopped"; readonly why: string };

const INJECTED = hostRule(
  "gunyah.abort.injected",
  "an access that the address space does not allow: a synchronous External abort with all flags clear, for HLOS as for any VM: no page-in, nobody else is told",
  "6.1",
  "S",
  "hyp/vm/vcpu/aarch64/src/exception_inject.c:inject_inst_data_abort",
);

const ALLOWED = gunyahRule(
  "gunyah.stage2.allowed",
  "a VM reaches what its address space maps, as far as the mapping's rights go",
  "1",
);

/** SPSR_EL2.M of the interrupted context: EL0t, or EL1h. */
const SPSR_MODE = { 0: 0n, 1: 5n } as const;

/** HPFAR_EL2.FIPA holds IPA[47:12] from bit 4 on. */
const HPFAR_SHIFT = 8n;
const PAGE_MASK = 0xfffn;

/** So often a touch is retried: a retry finds what was missing, or there is nothing to find. */
const ATTEMPTS = 4;

/** The stage 2 of a VM by its VMID. */
export const stage2Of = (vmid: number): Stage2 => (vmid === VMID_HLOS ? "host" : vmid);

export class Gunyah extends El2 {
  /** A VM at the resource manager. What it says there is evidence. */
  vm(vmid: number): GunyahVm {
    return new GunyahVm(this.machine, vmid, (operations) => this.#say(operations));
  }

  /** The pieces of a message say nothing: the last operation sends it. */
  #say(operations: readonly Operation[]): Outcome {
    const outcome = this.machine.applyBatch(operations, { effects: this.log.hasTexts }).at(-1) as Outcome;
    this.log.operation(this.machine, operations.at(-1) as Operation, outcome);
    return outcome;
  }

  /** A touch of memory by a VM, with what the hypervisor does if it faults. */
  touchAs(vmid: number, touch: VmTouch): VmTouchAnswer {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const { fault, value }: AccessAnswer = this.touch(stage2Of(vmid), touch);
      if (fault === null) {
        if (vmid !== VMID_HLOS) this.log.rule(ALLOWED);
        return { kind: "done", value: value ?? 0n };
      }
      const answer = this.#abort(vmid, touch, fault);
      if (answer !== "retry") return answer;
    }
    throw new Error(`a touch of ${hex(touch.ipa)} by ${vmName(vmid)} is retried for ever`);
  }

  #abort(vmid: number, touch: VmTouch, { esr, hpfar }: Fault): VmTouchAnswer | "retry" {
    const { ipa, va = ipa, el = 1, driven = false } = touch;
    const outcome = this.apply({
      op: "gunyah_abort",
      vm: vmid,
      esr,
      spsr: SPSR_MODE[el],
      far: va,
      // Where HPFAR is not valid, the hypervisor translates FAR by stage 1: that gives the same address.
      hpfar: hpfar ?? (ipa & ~PAGE_MASK) >> HPFAR_SHIFT,
      flags: driven ? GUNYAH_ABORT_DRIVEN : 0,
    });
    if (outcome.panic !== null) return this.#stopped(panicSentence(outcome.panic));
    const { abort, exception } = outcome.details;
    switch (abort?.result) {
      case "injected":
        return this.#injected(vmid, touch, abort.injectedEsr, exception?.far ?? va);
      case "vmmio_read":
      case "vmmio_write":
        return { kind: "vmmio" };
      case "emulated":
        return { kind: "emulated" };
      case "blocked":
        this.log.saw("hypervisor", `the vCPU of ${vmName(vmid)} is blocked as faulted`);
        return { kind: "blocked" };
      default:
        return "retry";
    }
  }

  #injected(vmid: number, { ipa, kind, el = 1 }: VmTouch, esr: bigint, far: bigint): VmTouchAnswer {
    this.log.rule(INJECTED);
    this.log.syndrome("ESR_EL1", esr);
    this.log.saw(
      "hypervisor",
      `a ${kind} by ${vmName(vmid)} at EL${el}, IPA ${hex(ipa)}, which it may not make: synchronous External abort injected`,
    );
    return { kind: "injected", esr, far };
  }

  #stopped(why: string): VmTouchAnswer {
    this.log.saw("hypervisor", why);
    return { kind: "stopped", why };
  }
}
