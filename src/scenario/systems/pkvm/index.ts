// pKVM of Linux 7.3: EL2 of arm64's KVM in protected mode, with its host kernel, VMMs and guests.

import type { System } from "../../system.js";
import { NO_ACCEPT, NO_LEND, NO_RELINQUISH, pkvmSystem } from "./pkvm-system.js";

export const pkvm: System = pkvmSystem({
  name: "pkvm",
  title: "pKVM, Linux 7.3",
  about:
    "EL2, host kernel and KVM of Linux 7.3 in protected mode (kvm-arm.mode=protected), with kvmtool's manners as VMM.",
  lacks: new Map([
    ["lend", NO_LEND],
    ["accept", NO_ACCEPT],
    ["relinquish", NO_RELINQUISH],
  ]),
  variant: "linux",
  kernel: "linux-7.3",
});
