// Gunyah as published: hypervisor and resource manager of the release 12/2023. HLOS is Linux, an ordinary VM here, and memory
// moves between VMs by parcels alone.

import type { EvidenceLog } from "../../../consequences/evidence-log.js";
import { Gunyah } from "../../../consequences/gunyah/hypervisor.js";
import { LinuxHost } from "../../../consequences/linux-host.js";
import type { Verb } from "../../scenario.js";
import type { Lack, Setup, System, World } from "../../system.js";
import { PageAllocator } from "../linux/page-allocator.js";
import { GunyahHardware } from "./hardware.js";
import { bootedMachine, MEMORY } from "./machine.js";
import { asReadFromSource } from "./marks.js";
import { Parcels } from "./parcels.js";
import { GunyahVms } from "./vms.js";
import { GunyahWorld } from "./world.js";

/** Every common verb is a message to the resource manager; what it refuses it refuses by name. */
const LACKS: ReadonlyMap<Verb, Lack> = new Map();

export const gunyah: System = {
  name: "gunyah",
  title: "Gunyah, memory parcels",
  about:
    "Hypervisor and resource manager as published (release 12/2023); HLOS runs Linux 7.3, memory moves by donated, lent and shared parcels.",
  lacks: LACKS,
  async create(setup: Setup, log: EvidenceLog): Promise<World> {
    const hold = (await bootedMachine()).hold();
    const { machine } = hold;
    if (machine.config.kind !== "gunyah") throw new Error("the machine does not run Gunyah");
    log.restateRules(asReadFromSource);
    const hypervisor = new Gunyah(machine, log);
    const hardware = new GunyahHardware(hypervisor, log);
    const { hyp_carveout: carveout } = machine.config;
    const allocator = new PageAllocator(machine, MEMORY.start, carveout.base);
    const host = new LinuxHost({
      ...{ hardware, log, frames: allocator, memoryStart: MEMORY.start, pageSize: machine.pageSize },
      ...{ kernel: "linux-7.3", pkvm: false },
    });
    const parcels = new Parcels(hypervisor, host);
    const vms = new GunyahVms(hypervisor, host, parcels);
    host.attach(vms);
    const linux = { setup, host, hardware, lacks: LACKS, backing: "anonymous" } as const;
    return new GunyahWorld({ ...linux, hold, hypervisor, parcels, vms, allocator, carveout });
  },
};
