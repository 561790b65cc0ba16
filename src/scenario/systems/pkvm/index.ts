// pKVM of Linux 7.3: EL2 of arm64's KVM in protected mode, with its host kernel, VMMs and guests.

import type { EvidenceLog } from "../../../consequences/evidence-log.js";
import { KvmDriver } from "../../../consequences/kvm/driver.js";
import { El2 } from "../../../consequences/kvm/el2.js";
import { LinuxHost } from "../../../consequences/linux-host.js";
import type { Verb } from "../../scenario.js";
import type { Lack, Setup, System, World } from "../../system.js";
import { PageAllocator } from "../linux/page-allocator.js";
import { PkvmHardware } from "./hardware.js";
import { bootedMachine, MEMORY } from "./machine.js";
import { PkvmWorld } from "./world.js";

const VERB_MAP = { page: "verbs", section: "Verb map", mark: "S" } as const;

const LACKS: ReadonlyMap<Verb, Lack> = new Map([
  [
    "lend",
    {
      reason: "no lend as such: a donated page is in effect lent, since the host gets it back at teardown",
      citation: VERB_MAP,
    },
  ],
  ["accept", { reason: "nothing to accept: the sender's call maps both sides", citation: VERB_MAP }],
  [
    "relinquish",
    { reason: "a guest of Linux 7.3 cannot give a page back, it can only unshare what it shared", citation: VERB_MAP },
  ],
]);

export const pkvm: System = {
  name: "pkvm",
  title: "pKVM, Linux 7.3",
  about:
    "EL2, host kernel and KVM of Linux 7.3 in protected mode (kvm-arm.mode=protected), with kvmtool's manners as VMM.",
  lacks: LACKS,
  async create(setup: Setup, log: EvidenceLog): Promise<World> {
    const hold = (await bootedMachine()).hold();
    const { machine } = hold;
    if (machine.config.kind !== "pkvm") throw new Error("the machine is no pKVM host");
    const el2 = new El2(machine, log);
    const hardware = new PkvmHardware(el2, log);
    const allocator = new PageAllocator(machine, MEMORY.start, machine.config.hyp_carveout.base);
    const host = new LinuxHost({
      ...{ hardware, log, frames: allocator, memoryStart: MEMORY.start, pageSize: machine.pageSize },
      ...{ kernel: "linux-7.3", pkvm: true },
    });
    const driver = new KvmDriver(el2, host, machine.config, allocator);
    host.attach(driver);
    return new PkvmWorld({ setup, host, hardware, lacks: LACKS, backing: "anonymous", hold, el2, driver, allocator });
  },
};
