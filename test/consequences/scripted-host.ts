// A host on scripted hardware: some frames are taken away, and an access to them is answered as a hypervisor would.

import { EvidenceLog } from "../../src/consequences/evidence-log.js";
import type { Evidence } from "../../src/consequences/evidence.js";
import type { KernelVersion } from "../../src/consequences/fault-rules.js";
import type { CpuAccess, CpuAnswer, DmaAccess, DmaAnswer, Hardware } from "../../src/consequences/hardware.js";
import type { HostPage } from "../../src/consequences/host-memory.js";
import { LinuxHost } from "../../src/consequences/linux-host.js";
import type { Process } from "../../src/consequences/processes.js";
import type { MmuEvent, VmDriver } from "../../src/consequences/vm-driver.js";

const PAGE = 4096n;
export const MEMORY_START = 0x4000_0000n;

/** What a refused access ends in: pKVM's marked abort, Gunyah's external abort, or a granule protection fault. */
export type Refusal = "pkvm" | "gunyah" | "granule";

/** FSC and S1PTW of the aborts (reference host-and-vmm 8.2). */
const SYNDROMES: Readonly<Record<Refusal, { readonly fsc: bigint; readonly keepsWnR: boolean }>> = {
  pkvm: { fsc: 0x87n, keepsWnR: true },
  gunyah: { fsc: 0x10n, keepsWnR: false },
  granule: { fsc: 0x28n, keepsWnR: true },
};

export class ScriptedHardware implements Hardware {
  /** First 64 bits of each page, by its address. */
  readonly contents = new Map<bigint, bigint>();
  /** Pages that are a guest's. */
  readonly taken = new Set<bigint>();
  /** What the force-reclaim call answers; 0 gives the page back, zeroed. */
  reclaim: number | null = 0;
  /** Answers that override the rest, once each. */
  readonly script: CpuAnswer[] = [];
  aborts = 0;
  readonly #refusal: Refusal;

  constructor(refusal: Refusal) {
    this.#refusal = refusal;
  }

  access(access: CpuAccess): CpuAnswer {
    const scripted = this.script.shift();
    if (scripted !== undefined) return scripted;
    const page = access.pa - (access.pa % PAGE);
    if (!this.taken.has(page)) return { kind: "done", value: this.#move(page, access.value) };
    this.aborts += 1;
    return { kind: "abort", esr: this.#syndrome(access), far: access.va };
  }

  #syndrome({ el, kind }: CpuAccess): bigint {
    const { fsc, keepsWnR } = SYNDROMES[this.#refusal];
    const ec = BigInt((kind === "fetch" ? 0x20 : 0x24) + el);
    return (ec << 26n) | (1n << 25n) | (kind === "store" && keepsWnR ? 0x40n : 0n) | fsc;
  }

  #move(page: bigint, value: bigint | undefined): bigint {
    const before = this.contents.get(page) ?? 0n;
    if (value !== undefined) this.contents.set(page, value);
    return before;
  }

  dma({ pa, value, iommu }: DmaAccess): DmaAnswer {
    if (iommu === "stage2" && this.taken.has(pa)) return { kind: "blocked" };
    return { kind: "done", value: this.#move(pa, value) };
  }

  forceReclaim(pa: bigint): number | null {
    if (this.reclaim === 0) {
      this.taken.delete(pa);
      this.contents.set(pa, 0n);
    }
    return this.reclaim;
  }
}

/** A driver that writes down what it hears and refuses the memslot changes it is told to. */
export class RecordingDriver implements VmDriver {
  readonly heard: string[] = [];
  readonly refused = new Map<string, string>();

  invalidate(page: HostPage, event: MmuEvent): void {
    this.heard.push(`${event} ${page.name}`);
  }

  invalidateFile(): void {
    this.heard.push("file");
  }

  exit(process: Process): void {
    this.heard.push(`exit ${process.name}`);
  }

  memslot(change: string): string | null {
    return this.refused.get(change) ?? null;
  }
}

export interface Scripted {
  readonly host: LinuxHost;
  readonly hardware: ScriptedHardware;
  readonly driver: RecordingDriver;
  readonly log: EvidenceLog;
  /** Rules applied since the last call, by id. */
  readonly rules: () => string[];
}

export interface ScriptedOptions {
  readonly refusal?: Refusal;
  readonly kernel?: KernelVersion;
  readonly panicOnOops?: boolean;
  readonly diskIommu?: "none" | "stage2";
}

export function scriptedHost(options: ScriptedOptions = {}): Scripted {
  const { refusal = "pkvm", kernel = "linux-7.3", ...rest } = options;
  const hardware = new ScriptedHardware(refusal);
  const log = new EvidenceLog();
  let next = MEMORY_START;
  const frames = {
    allocate: () => (next += PAGE),
    free: () => undefined,
    clear: (pa: bigint) => hardware.contents.set(pa, 0n),
    copy: () => undefined,
  };
  const host = new LinuxHost({
    hardware,
    kernel,
    pkvm: refusal === "pkvm",
    log,
    pageSize: Number(PAGE),
    frames,
    memoryStart: MEMORY_START,
    ...rest,
  });
  const driver = new RecordingDriver();
  host.attach(driver);
  const isRule = (entry: Evidence) => entry.kind === "rule";
  const rules = () =>
    log
      .take()
      .filter(isRule)
      .map(({ rule }) => rule.id);
  return { host, hardware, driver, log, rules };
}

/** A page of `process` that was pinned for a guest and donated: the host's stage 2 does not have it any more. */
export function donated({ host, hardware }: Scripted, process: Process, name = "page"): HostPage {
  const page = host.map(process, { name, backing: "anonymous", content: 0xa004n });
  const pin = host.pin(page);
  if (pin.errno !== null) throw new Error(pin.errno);
  hardware.taken.add(pin.pa);
  return page;
}
