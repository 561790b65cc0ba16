// Plain KVM of Linux 7.3, without pKVM, with guest_memfd behind its VMs: private, or shared from the beginning.

import type { Citation, Rule } from "../../../consequences/evidence.js";
import type { EvidenceLog } from "../../../consequences/evidence-log.js";
import type { Frames } from "../../../consequences/host-memory.js";
import { El2 } from "../../../consequences/kvm/el2.js";
import { PlainKvmDriver } from "../../../consequences/kvm/plain-driver.js";
import { LinuxHost } from "../../../consequences/linux-host.js";
import type { Backing, Verb } from "../../scenario.js";
import type { Lack, Setup, System, World } from "../../system.js";
import type { MachineHold } from "../linux/booted-machine.js";
import { PageAllocator } from "../linux/page-allocator.js";
import { PlainHardware } from "./hardware.js";
import { bootedMachine, MEMORY } from "./machine.js";
import { PlainKvmWorld } from "./world.js";

const stated = (section: string, mark: Citation["mark"]): Citation => ({ page: "host-and-vmm", section, mark });

const NO_OWNERS = "KVM without pKVM keeps no owners: the host kernel has all memory all the time";
const NO_STATES =
  "a guest_memfd is private or shared as a whole, from its creation; on arm64 no page has a state of its own";

const LACKS: ReadonlyMap<Verb, Lack> = new Map([
  ["donate", { reason: NO_OWNERS, citation: stated("4.1", "S") }],
  ["lend", { reason: NO_OWNERS, citation: stated("4.1", "S") }],
  ["share", { reason: NO_STATES, citation: stated("7.8", "M") }],
  ["accept", { reason: `there is nothing to accept: ${NO_STATES}`, citation: stated("4.1", "S") }],
  [
    "relinquish",
    { reason: "a guest gives nothing back; its VMM takes pages by punching holes", citation: stated("7.6", "M") },
  ],
]);

/** Of these the reference says something else about guest_memfd than about memory in general. */
const OF_GUEST_MEMFD: ReadonlyMap<string, Citation> = new Map([
  ["call.offline_memory", stated("7.13", "U")],
  ["call.pwrite_memfd", stated("4.2", "M")],
]);

function asOfPlainKvm(rule: Rule): Rule {
  const citation = OF_GUEST_MEMFD.get(rule.id);
  return citation === undefined ? rule : { ...rule, citation };
}

interface Variant {
  readonly name: string;
  readonly title: string;
  readonly about: string;
  readonly backing: Backing;
}

export const kvmGmem: System = plainKvm({
  name: "kvm-gmem",
  title: "KVM, guest_memfd private",
  about: "KVM of Linux 7.3 without pKVM; normal VMs on a guest_memfd that user space cannot touch.",
  backing: "guest_memfd",
});

export const kvmGmemShared: System = plainKvm({
  name: "kvm-gmem-shared",
  title: "KVM, guest_memfd shared",
  about:
    "KVM of Linux 7.3 without pKVM; normal VMs on a guest_memfd made with INIT_SHARED, which the VMM maps and uses.",
  backing: "guest_memfd-shared",
});

function plainKvm({ name, title, about, backing }: Variant): System {
  return {
    ...{ name, title, about, lacks: LACKS },
    async create(setup: Setup, log: EvidenceLog): Promise<World> {
      return makeWorld(setup, log, (await bootedMachine()).hold(), backing);
    },
  };
}

function makeWorld(setup: Setup, log: EvidenceLog, hold: MachineHold, backing: Backing): World {
  const { machine } = hold;
  if (machine.config.kind !== "kvm") throw new Error("the machine is no plain KVM host");
  log.restateRules(asOfPlainKvm);
  const kvm = new El2(machine, log);
  const hardware = new PlainHardware(kvm);
  const { folio_pool: folios } = machine.config;
  const allocator = new PageAllocator(machine, MEMORY.start, folios.base);
  const host = new LinuxHost({
    ...{
      hardware,
      log,
      frames: besideFolios(allocator, folios),
      memoryStart: MEMORY.start,
      pageSize: machine.pageSize,
    },
    ...{ kernel: "linux-7.3", pkvm: false },
  });
  const driver = new PlainKvmDriver(kvm, host);
  host.attach(driver);
  return new PlainKvmWorld({ setup, host, hardware, lacks: LACKS, backing, hold, kvm, driver, allocator });
}

/** The allocator of the host's own pages. Folios of guest_memfd are the machine's: they come and go with its files. */
function besideFolios(allocator: PageAllocator, folios: { readonly base: bigint; readonly size: bigint }): Frames {
  const isFolio = (pa: bigint) => pa >= folios.base && pa < folios.base + folios.size;
  return {
    allocate: () => allocator.allocate(),
    free: (pa) => {
      if (!isFolio(pa)) allocator.free(pa);
    },
    clear: (pa) => allocator.clear(pa),
    copy: (from, to) => allocator.copy(from, to),
  };
}
