// Linux's Gunyah driver on a booted machine, with one VMM and one VM, in the hands of a test.

import { HEAP_TABLES, VMID_HLOS } from "../../../assembly/abi/gunyah.js";
import { EvidenceLog } from "../../../src/consequences/evidence-log.js";
import { type DriverModel, GunyahDriver } from "../../../src/consequences/gunyah/driver.js";
import { Gunyah } from "../../../src/consequences/gunyah/hypervisor.js";
import type { LinuxVm } from "../../../src/consequences/gunyah/linux-vm.js";
import type { HostPage } from "../../../src/consequences/host-memory.js";
import { LinuxHost } from "../../../src/consequences/linux-host.js";
import type { Process } from "../../../src/consequences/processes.js";
import { isValid } from "../../../src/machine/describe.js";
import { GunyahHardware } from "../../../src/scenario/systems/gunyah/hardware.js";
import { bootedMachine, MEMORY } from "../../../src/scenario/systems/gunyah/machine.js";
import { PageAllocator } from "../../../src/scenario/systems/linux/page-allocator.js";
import type { Backing } from "../../../src/consequences/backing.js";

export const IPA = 0x8000_0000n;
export const PAGE = 0x1000n;
/** No limit, for heap_limit. */
const ALL = 0xffff_ffff_ffff_ffffn;

export const PINNED: DriverModel = { memory: "pinned", access: "lend" };
export const MEMFD: DriverModel = { memory: "file", access: "lend" };
export const SHARE: DriverModel = { memory: "file", access: "share" };

interface Options {
  readonly protected?: boolean;
  readonly memlock?: number | null;
}

export class DriverScene {
  readonly log = new EvidenceLog();
  readonly gunyah: Gunyah;
  readonly host: LinuxHost;
  readonly driver: GunyahDriver;
  readonly vmm: Process;
  readonly vm: LinuxVm;
  readonly #model: DriverModel;

  static async of(model: DriverModel, options: Options = {}): Promise<DriverScene> {
    const { machine } = (await bootedMachine()).hold();
    return new DriverScene(machine, model, options);
  }

  private constructor(machine: Gunyah["machine"], model: DriverModel, options: Options) {
    if (machine.config.kind !== "gunyah") throw new Error("no Gunyah machine");
    this.#model = model;
    this.gunyah = new Gunyah(machine, this.log);
    const frames = new PageAllocator(machine, MEMORY.start, machine.config.hyp_carveout.base);
    const hardware = new GunyahHardware(this.gunyah, this.log);
    this.host = new LinuxHost({
      ...{ hardware, log: this.log, frames, memoryStart: MEMORY.start, pageSize: machine.pageSize },
      ...{ kernel: "linux-7.3", pkvm: false },
    });
    this.driver = new GunyahDriver(this.gunyah, this.host, model);
    this.host.attach(this.driver);
    this.vmm = this.host.createProcess({ name: "vmm", memlock: options.memlock ?? null, handlers: ["SIGBUS"] });
    this.vm = this.newVm("guest", options.protected ?? true);
  }

  newVm(name: string, isProtected = true): LinuxVm {
    const vm = this.driver.createVm(name, this.vmm, { protected: isProtected });
    if (vm === null) throw new Error("no VM");
    return vm;
  }

  /** A page of the VMM, from the driver's file where it has one. */
  page(name: string, backing: Backing = this.#model.memory === "file" ? "guest_memfd" : "anonymous"): HostPage {
    const file = backing === "guest_memfd" ? this.driver.newFilePage() : null;
    return this.host.map(this.vmm, { name, backing, ...(file === null ? {} : { file }) });
  }

  /** A new page, bound at `ipa`. */
  bound(ipa = IPA, backing?: Backing): HostPage {
    const page = this.page("ram", backing);
    const errno = this.driver.bind(this.vm, ipa, [page]);
    if (errno !== null) throw new Error(errno);
    return page;
  }

  store(value: bigint, ipa = IPA): string {
    return this.driver.touch(this.vm, { ipa, kind: "store", value }).result;
  }

  load(ipa = IPA) {
    return this.driver.touch(this.vm, { ipa, kind: "load" });
  }

  /** As many more page tables as there may be; none: as before. */
  limitTables(allocations: bigint = ALL): void {
    this.gunyah.apply({ op: "heap_limit", heap: BigInt(HEAP_TABLES), allocations });
  }

  /** The object that owns a physical address. */
  owner(pa: bigint): bigint | undefined {
    return this.gunyah.machine.apply({ op: "memdb_lookup", addr: pa }).details.answer;
  }

  /** Whether HLOS owns it: as it owns the last page below the hypervisor's memory, which nobody uses. */
  isHlosOwned(pa: bigint): boolean {
    const { config } = this.gunyah.machine;
    if (config.kind !== "gunyah") return false;
    return this.owner(pa) === this.owner(config.hyp_carveout.base - PAGE);
  }

  isMapped(vmid: number, ipa: bigint): boolean {
    const leaf = this.gunyah.machine.leaf(vmid === VMID_HLOS ? "host" : vmid, ipa);
    return leaf !== null && isValid(leaf.descriptor);
  }

  isMappedForHlos(pa: bigint): boolean {
    return this.isMapped(VMID_HLOS, pa);
  }

  /** What has happened since the last time: names of operations and of the rules of this driver. */
  happened(): string[] {
    return this.log.take().flatMap((entry) => {
      if (entry.kind === "operation") return [entry.text.split(" ")[0] ?? ""];
      return entry.kind === "rule" && entry.rule.id.startsWith("gunyah-linux.") ? [entry.rule.id.slice(13)] : [];
    });
  }
}
