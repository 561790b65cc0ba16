// Linux's drivers for Gunyah: memory reaches guests page by page, as they touch it. Three ways: the vendor driver lends
// pages that it pins in the VMM's address space; the v17-style one lends, or shares, pages of a file of its own.

import type { Citation } from "../../../consequences/evidence.js";
import type { EvidenceLog } from "../../../consequences/evidence-log.js";
import { type DriverModel, GunyahDriver } from "../../../consequences/gunyah/driver.js";
import { Gunyah } from "../../../consequences/gunyah/hypervisor.js";
import { LinuxHost } from "../../../consequences/linux-host.js";
import type { Verb } from "../../scenario.js";
import type { Lack, Setup, System, World } from "../../system.js";
import { bootedMachine, MEMORY } from "../gunyah/machine.js";
import { asReadFromSource } from "../gunyah/marks.js";
import { PageAllocator } from "../linux/page-allocator.js";
import { GunyahLinuxHardware } from "./hardware.js";
import { GunyahLinuxWorld } from "./world.js";

const DEMAND_PAGING: Citation = { page: "gunyah", section: "7", mark: "S" };
const FROM_THE_GUEST: Citation = { page: "host-and-vmm", section: "7.8", mark: "S" };

const ACCEPT: readonly [Verb, Lack] = [
  "accept",
  { reason: "nothing to accept: the driver maps what the guest touches", citation: DEMAND_PAGING },
];
const SHARE: readonly [Verb, Lack] = [
  "share",
  {
    reason: "lent pages are not shared: the guest gives one back, or a parcel was shared beforehand",
    citation: FROM_THE_GUEST,
  },
];
const LEND: readonly [Verb, Lack] = [
  "lend",
  { reason: "the VM's memory is bound to be shared: nothing of it is lent", citation: DEMAND_PAGING },
];

interface Variant {
  readonly name: string;
  readonly title: string;
  readonly about: string;
  readonly model: DriverModel;
  readonly lacks: ReadonlyMap<Verb, Lack>;
}

function system({ model, lacks, ...names }: Variant): System {
  return {
    ...names,
    lacks,
    async create(setup: Setup, log: EvidenceLog): Promise<World> {
      const hold = (await bootedMachine()).hold();
      const { machine } = hold;
      if (machine.config.kind !== "gunyah") throw new Error("the machine does not run Gunyah");
      log.restateRules(asReadFromSource);
      const hypervisor = new Gunyah(machine, log);
      const hardware = new GunyahLinuxHardware(hypervisor, log);
      const { hyp_carveout: carveout } = machine.config;
      const allocator = new PageAllocator(machine, MEMORY.start, carveout.base);
      const host = new LinuxHost({
        ...{ hardware, log, frames: allocator, memoryStart: MEMORY.start, pageSize: machine.pageSize },
        ...{ kernel: "linux-7.3", pkvm: false },
      });
      const driver = new GunyahDriver(hypervisor, host, model);
      host.attach(driver);
      const backing = model.memory === "file" ? "guest_memfd" : "anonymous";
      const linux = { setup, host, hardware, lacks, backing } as const;
      return new GunyahLinuxWorld({ ...linux, hold, hypervisor, driver, allocator, carveout });
    },
  };
}

export const gunyahLinuxPinned = system({
  name: "gunyah-linux-pinned",
  title: "Gunyah, Linux driver, pinned user pages lent",
  about:
    "The vendor driver of Linux 6.12 on Gunyah: user pages of the VMM, pinned for long and lent as the guest touches them.",
  model: { memory: "pinned", access: "lend" },
  lacks: new Map([ACCEPT, SHARE]),
});

export const gunyahLinuxMemfd = system({
  name: "gunyah-linux-memfd",
  title: "Gunyah, Linux driver, own memory file lent",
  about:
    "The v17-style Linux driver on Gunyah: pages of its own guest-memory file, taken out of the linear map and lent as the guest touches them.",
  model: { memory: "file", access: "lend" },
  lacks: new Map([ACCEPT, SHARE]),
});

export const gunyahLinuxShare = system({
  name: "gunyah-linux-share",
  title: "Gunyah, Linux driver, own memory file shared",
  about:
    "The v17-style Linux driver on Gunyah with memory that it shares: pages of its own file, for guest and host alike.",
  model: { memory: "file", access: "share" },
  lacks: new Map([ACCEPT, LEND]),
});
