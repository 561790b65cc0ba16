// KVM_RUN as the VMM sees it end, whatever kind of VM ran (reference host-and-vmm 2.5, 3, 4.2).

import type { LinuxHost } from "../linux-host.js";
import type { Process } from "../processes.js";

/** So often a guest may fault at one place in the same way before it makes no progress. */
export const MAX_RESUMES = 8;

/** Whether a step's result is the ioctl's: what ends inside the guest does not come back to the VMM. */
export function isRunResult(result: string): boolean {
  return result.startsWith("KVM_RUN");
}

/**
 * The ioctl has returned.
 *
 * @param memoryFault what kvm_run says of the address, where its exit reason is KVM_EXIT_MEMORY_FAULT
 */
export function runReturned(host: LinuxHost, vmm: Process, result: string, memoryFault: () => string = () => ""): void {
  host.log.saw("vmm", () => runWords(result, memoryFault));
  // An exit reason is the VMM's to handle: it goes on.
  if (result.startsWith("KVM_RUN E")) host.runReturned(vmm, result);
}

function runWords(result: string, memoryFault: () => string): string {
  const [, what = "", reason] = result.split(" ");
  if (what === "MMIO") return "KVM_RUN returns 0, exit_reason 6 (KVM_EXIT_MMIO)";
  const exit = reason === undefined ? "0 (KVM_EXIT_UNKNOWN)" : `39 (KVM_EXIT_MEMORY_FAULT), ${memoryFault()}`;
  return `KVM_RUN returns -1, errno ${what}, exit_reason ${exit}`;
}
