// pKVM of Linux 7.3 beside a secure world: its host lends memory to secure partitions of Hafnium's, through EL2's FF-A proxy.
// Two cases of hardware: the security state of lent memory stays as it is, or it moves to another physical address space.

import type { EvidenceLog } from "../../../consequences/evidence-log.js";
import { El2 } from "../../../consequences/kvm/el2.js";
import { LinuxHost } from "../../../consequences/linux-host.js";
import type { Setup, System, World } from "../../system.js";
import type { MachineHold } from "../linux/booted-machine.js";
import { PageAllocator } from "../linux/page-allocator.js";
import { LendingDriver } from "./driver.js";
import { LenderHardware } from "./hardware.js";
import { bootedMachine, MEMORY } from "./machine.js";
import { asOfLender } from "./rules.js";
import { LenderWorld } from "./world.js";

export const pkvmFfa: System = lender({
  name: "pkvm-ffa",
  title: "pKVM, FF-A lend, open",
  about:
    "a pKVM host of Linux 7.3 lends pages to a secure partition of Hafnium's; no firmware changes their security state.",
  protect: false,
});

export const pkvmFfaPas: System = lender({
  name: "pkvm-ffa-pas",
  title: "pKVM, FF-A lend, PAS",
  about:
    "a pKVM host of Linux 7.3 lends pages to a secure partition of Hafnium's; they move to the secure physical address space.",
  protect: true,
});

interface Variant {
  readonly name: string;
  readonly title: string;
  readonly about: string;
  readonly protect: boolean;
}

function lender({ protect, ...about }: Variant): System {
  return {
    ...about,
    lacks: new Map(),
    async create(setup: Setup, log: EvidenceLog): Promise<World> {
      return makeWorld(setup, log, (await bootedMachine(protect)).hold());
    },
  };
}

function makeWorld(setup: Setup, log: EvidenceLog, hold: MachineHold): World {
  const { machine } = hold;
  if (machine.config.kind !== "pkvm") throw new Error("the machine is no pKVM host");
  log.restateRules(asOfLender);
  const el2 = new El2(machine, log);
  const hardware = new LenderHardware(el2);
  const allocator = new PageAllocator(machine, MEMORY.free, machine.config.hyp_carveout.base);
  const host = new LinuxHost({
    ...{ hardware, log, frames: allocator, memoryStart: MEMORY.start, pageSize: machine.pageSize },
    ...{ kernel: "linux-7.3", pkvm: true },
  });
  const driver = new LendingDriver(el2, host);
  host.attach(driver);
  return new LenderWorld({
    ...{ setup, host, hardware, lacks: pkvmFfa.lacks, backing: "anonymous" },
    ...{ hold, el2, driver, allocator },
  });
}
