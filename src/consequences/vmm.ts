// What a VMM does with the answer of its run ioctl (kvmtool's kvm_cpu__run; reference host-and-vmm 3).

import type { EvidenceLog } from "./evidence-log.js";
import { decide, hostRule, type Row } from "./rule-table.js";

export interface RunCase {
  /** The errno of a run ioctl that failed; null if it returned 0. */
  readonly errno: string | null;
  readonly onRunFailure: "exit" | "stay";
}

export type RunVerdict = "again" | "exit" | "leave-vcpu";

const KVMTOOL = "kvmtool:kvm_cpu__run";

const AFTER_RUN: readonly Row<RunCase, RunVerdict>[] = [
  {
    rule: hostRule(
      "vmm.run.exit-reason",
      "the run ioctl returned 0: the exit reason is handled, the loop goes on",
      "3",
      "S",
      KVMTOOL,
    ),
    when: ({ errno }) => errno === null,
    then: "again",
  },
  {
    rule: hostRule("vmm.run.interrupted", "EINTR and EAGAIN: the loop goes on", "3", "S", KVMTOOL),
    when: ({ errno }) => errno === "EINTR" || errno === "EAGAIN",
    then: "again",
  },
  {
    rule: hostRule("vmm.run.exit", "the run ioctl failed: the VMM says so and exits with status 1", "3", "S", KVMTOOL),
    when: ({ onRunFailure }) => onRunFailure === "exit",
    then: "exit",
  },
  {
    rule: hostRule("vmm.run.stay", "the run ioctl failed: this VMM lets the vCPU be and lives on", "2.5", "M"),
    when: () => true,
    then: "leave-vcpu",
  },
];

/** The errno in `KVM_RUN EFAULT` or `KVM_RUN EFAULT MEMORY_FAULT`; null for exit reasons and other results. */
export function runErrno(result: string): string | null {
  return /^KVM_RUN (E[A-Z0-9]+)\b/.exec(result)?.[1] ?? null;
}

/** What a VMM does after a run that ended with `result`. */
export function afterRun(result: string, onRunFailure: "exit" | "stay", log: EvidenceLog): RunVerdict {
  return decide(AFTER_RUN, { errno: runErrno(result), onRunFailure }, log);
}
