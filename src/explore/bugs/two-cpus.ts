// Bugs that no single CPU can show: another one comes in between two parts of an operation (reference bugs.md, class I).

import * as mutations from "../../../assembly/abi/mutations.js";
import { pkvmDomain } from "../pkvm-domain.js";
import type { Bug } from "./bug.js";

export const TWO_CPU_BUGS: readonly Bug[] = [
  {
    name: "init-vcpu-early-publish",
    section: "2.2",
    classes: ["I"],
    source: "→ 7.1",
    mistake: "a new vCPU is put into its slot, without the VM table's lock, before its fields are written",
    breaks: "another CPU loads a vCPU that points nowhere yet, and EL2 stops at the address that it reads there",
    search: {
      mutation: mutations.INIT_VCPU_EARLY_PUBLISH,
      domain: () => pkvmDomain({ pages: 0, tablePages: 0, vms: [true], gfns: 0, makesVms: true }),
      kind: "panic",
      cpus: 2,
    },
  },
  {
    name: "host-fault-race-panic",
    section: "2.5",
    classes: ["I"],
    source: "reported by the pKVM specification work (unverified)",
    mistake: "a host fault on a page that another CPU has mapped meanwhile is taken for one that cannot be",
    breaks: "two CPUs of the host that touch one page stop the machine",
    search: {
      mutation: mutations.HOST_FAULT_RACE_PANIC,
      domain: () => pkvmDomain({ pages: 1, tablePages: 1, vms: [false], gfns: 1 }),
      kind: "panic",
      cpus: 2,
    },
  },
];
