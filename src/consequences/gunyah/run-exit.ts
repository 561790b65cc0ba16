// What the driver makes of a guest's fault: it gives memory and goes on, or its run ioctl returns 0 with an exit for the VMM
// (reference gunyah 7, host-and-vmm 6.4).

import { hostRule, type Row } from "../rule-table.js";

/** How the vCPU left the guest (vcpu_run's state), and what giving it memory came to. */
export interface RunExit {
  readonly state: "PAGE_FAULT" | "VMMIO";
  readonly errno: string | null;
}

export type RunVerdict = "resume" | "MMIO" | "PAGE_FAULT";

const RUN = "drivers/virt/gunyah: vcpu run";

/** A fault on a page of which the hypervisor has no mapping. */
export const PAGE_FAULT_STATE = hostRule(
  "gunyah-linux.run.page-fault",
  "newer firmware leaves the guest with run state PAGE_FAULT (7): the driver is to provide the page",
  "7.7",
  "S",
  RUN,
);
export const VMMIO_STATE = hostRule(
  "gunyah-linux.run.vmmio",
  "the address is in a VMMIO range: the guest is left with run state VMMIO, and the driver looks for a page first",
  "7.7",
  "S",
  RUN,
);

export const RUN_ROWS: readonly Row<RunExit, RunVerdict>[] = [
  {
    rule: hostRule("gunyah-linux.run.provided", "the page is there: the guest goes on", "7.7", "S", RUN),
    when: ({ errno }) => errno === null,
    then: "resume",
  },
  {
    rule: hostRule("gunyah-linux.run.raced", "EAGAIN, somebody else gave it: the guest goes on", "6.5", "S", RUN),
    when: ({ errno }) => errno === "EAGAIN",
    then: "resume",
  },
  {
    rule: hostRule("gunyah-linux.run.mmio", "no page: exit MMIO (1), the VMM emulates a device", "7.7", "S", RUN),
    when: ({ state }) => state === "VMMIO",
    then: "MMIO",
  },
  {
    rule: hostRule(
      "gunyah-linux.run.exit-page-fault",
      "no page: exit PAGE_FAULT (3) with the errno as attempt; the ioctl itself returns 0",
      "6.4",
      "S",
      RUN,
    ),
    when: () => true,
    then: "PAGE_FAULT",
  },
];

/** What the VMM finds in the exit structure. */
export function exitWords({ errno }: RunExit, verdict: Exclude<RunVerdict, "resume">): string {
  return verdict === "MMIO"
    ? "VCPU_RUN returns 0, exit reason MMIO (1)"
    : `VCPU_RUN returns 0, exit reason PAGE_FAULT (3), attempt = -${errno}; unless the VMM says otherwise the guest gets an abort`;
}
