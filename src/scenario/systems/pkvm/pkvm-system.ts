// A system whose hypervisor is pKVM: machine, host kernel, KVM and world put together. Linux 7.3 and Android are two of them.

import type { Rule } from "../../../consequences/evidence.js";
import type { EvidenceLog } from "../../../consequences/evidence-log.js";
import type { KernelVersion } from "../../../consequences/fault-rules.js";
import { KvmDriver } from "../../../consequences/kvm/driver.js";
import { El2 } from "../../../consequences/kvm/el2.js";
import { el2Features } from "../../../consequences/kvm/el2-features.js";
import { LinuxHost } from "../../../consequences/linux-host.js";
import type { Verb } from "../../scenario.js";
import type { Lack, Setup, System, World } from "../../system.js";
import type { MachineHold } from "../linux/booted-machine.js";
import { PageAllocator } from "../linux/page-allocator.js";
import { PkvmHardware } from "./hardware.js";
import { bootedMachine, MEMORY, type Variant } from "./machine.js";
import { PkvmWorld } from "./world.js";

const VERB_MAP = { page: "verbs", section: "Verb map", mark: "S" } as const;

export const NO_LEND: Lack = {
  reason: "no lend as such: a donated page is in effect lent, since the host gets it back at teardown",
  citation: VERB_MAP,
};
export const NO_ACCEPT: Lack = { reason: "nothing to accept: the sender's call maps both sides", citation: VERB_MAP };
export const NO_RELINQUISH: Lack = {
  reason: "a guest of Linux 7.3 cannot give a page back, it can only unshare what it shared",
  citation: VERB_MAP,
};

export interface PkvmOptions {
  readonly name: string;
  readonly title: string;
  readonly about: string;
  readonly lacks: ReadonlyMap<Verb, Lack>;
  readonly variant: Variant;
  readonly kernel: KernelVersion;
  /** How well the rules are known here that were measured on Linux 7.3. Default: as they stand. */
  readonly restate?: (rule: Rule) => Rule;
}

export function pkvmSystem(options: PkvmOptions): System {
  const { name, title, about, lacks } = options;
  return {
    ...{ name, title, about, lacks },
    async create(setup: Setup, log: EvidenceLog): Promise<World> {
      return makeWorld(setup, log, (await bootedMachine(options.variant)).hold(), options);
    },
  };
}

function makeWorld(setup: Setup, log: EvidenceLog, hold: MachineHold, { lacks, kernel, restate }: PkvmOptions): World {
  const { machine } = hold;
  if (machine.config.kind !== "pkvm") throw new Error("the machine is no pKVM host");
  if (restate !== undefined) log.restateRules(restate);
  const features = el2Features(machine.config);
  const el2 = new El2(machine, log);
  const hardware = new PkvmHardware(el2, log);
  const allocator = new PageAllocator(machine, MEMORY.start, machine.config.hyp_carveout.base);
  const host = new LinuxHost({
    ...{ hardware, log, frames: allocator, memoryStart: MEMORY.start, pageSize: machine.pageSize },
    ...{ kernel, pkvm: true, diskIommu: features.iommu ? "stage2" : "none" },
  });
  const driver = new KvmDriver(el2, host, machine.config, allocator);
  host.attach(driver);
  return new PkvmWorld({ setup, host, hardware, lacks, backing: "anonymous", hold, el2, driver, allocator });
}
