// Random sequences of operations that mostly succeed: each is chosen by the state in which the machine is, from numbers that
// fast-check draws and shrinks. What the reference calls misuse or a known leftover is never chosen: unshare_ffa of pages that
// are not shared over FF-A (3.13), finalize before everything is reclaimed (5.7), unpin without a pin (fatal, 3.5), pages for
// guests of the wrong kind (which the hypercall handlers keep out, 7.2).

import fc from "fast-check";
import type { MachineConfig } from "../../../src/machine/config.js";
import { Machine, type Outcome } from "../../../src/machine/machine.js";
import type { Operation } from "../../../src/machine/operations.js";
import {
  AREA,
  donateGuest,
  guestShares,
  guestUnshares,
  hostReads,
  makeVm,
  must,
  POISONED,
  reclaim,
  result,
  RWX,
  shareGuest,
  unshareGuest,
} from "./scenario.js";

/**
 * What an operation is drawn from: `page` a transition that the page's state allows, `traffic` one of those that traces are
 * full of, `life` the next step of a VM's life, `any` an operation that nothing speaks for.
 */
export type Kind = "page" | "traffic" | "life" | "any";

/** What one operation is chosen by: what kind it is, which page, guest frame and VM it is about, which of those possible. */
export interface Choice {
  readonly kind: Kind;
  readonly page: number;
  readonly frame: number;
  readonly vm: number;
  readonly pick: number;
}

/** How often each kind comes. */
export type Mixture = Readonly<Record<Kind, number>>;
export const MIXED: Mixture = { page: 6, traffic: 4, life: 1, any: 1 };
export const TRAFFIC: Mixture = { page: 1, traffic: 20, life: 1, any: 1 };

export function choices(maxLength: number, mixture: Mixture = MIXED): fc.Arbitrary<Choice[]> {
  const kinds = (Object.keys(mixture) as Kind[]).map((kind) => ({
    arbitrary: fc.constant(kind),
    weight: mixture[kind],
  }));
  const small = fc.nat(5);
  const choice = fc.record({
    kind: fc.oneof(...kinds),
    page: small,
    frame: small,
    vm: fc.nat(3),
    pick: fc.nat(0xffff),
  });
  return fc.array(choice, { minLength: 1, maxLength, size: "max" });
}

/** The verbs of assembly/systems/pkvm/fast-lane.ts. */
export const isTraffic = ({ op }: Operation): boolean =>
  /^(host_(donate|share|unshare|reclaim_page)_guest|guest_(un)?share_host|host_(un)?share_hyp|host_abort)$/.test(op);

const HANDLE_BASE = 0x1000;
const IS_PROTECTED: readonly boolean[] = [true, true, false];
/** Table pages that the VMs start with: plenty; too few for a second level-3 table; too few once there is one. */
const MEMCACHE_PAGES: readonly number[] = [8, 4, 3];
/** Pages that a host has for its lists. */
const SUPPLY_PAGES = 8;
/** What the host tops a memcache up to: the deepest walk needs no more. */
const TOP_UP = 2;

interface Mapping {
  readonly vm: number;
  readonly gfn: bigint;
  readonly pages: number;
  readonly state: number;
}

const at = <T>(list: readonly T[], index: number): T => list[index % list.length] as T;

/** Eight blocks of memory with a few pages that change hands, two protected VMs and one that is not. */
export class SmallHost {
  /** Pages that change hands; two blocks that lie among them. They hold data that a wipe destroys. */
  readonly pages: readonly bigint[];
  readonly #blocks: readonly bigint[];
  /** Guest frames, from two level-3 tables. */
  readonly #frames: readonly bigint[];
  /** What the VMs are made of. */
  readonly #areas: readonly bigint[];
  readonly #blockPages: number;
  readonly #shift: bigint;
  readonly machine: Machine;

  private constructor(machine: Machine, first: bigint, block: bigint) {
    this.machine = machine;
    this.#shift = BigInt(machine.pageShift);
    this.#blockPages = Number(block);
    this.pages = [0n, 1n, 2n, block, 2n * block - 1n, 2n * block].map((page) => first + page);
    this.#blocks = [first, first + block];
    this.#frames = [0n, 1n, 2n, 3n, block, block + 1n].map((frame) => first + frame);
    this.#areas = IS_PROTECTED.map((_, index) => first + 4n * block + BigInt(index) * 0x40n);
  }

  /** `make`: on which core; default: the one that replays. */
  static async create(
    pageShift: 12 | 14 = 12,
    make: (config: MachineConfig) => Promise<Machine> = (config) => Machine.create(config),
  ): Promise<SmallHost> {
    const base = 0x4000_0000n;
    const block = 1n << BigInt(pageShift - 3);
    const bytes = (pages: bigint) => pages << BigInt(pageShift);
    const machine = await make({
      page_shift: pageShift,
      // One root page.
      ia_bits: pageShift === 12 ? 36 : 42,
      regions: [{ base, size: bytes(8n * block) }],
      hyp_carveout: { base: base + bytes(6n * block), size: bytes(512n) },
      host_s2_pool_pages: 64,
      max_vms: 4,
    });
    const host = new SmallHost(machine, base >> BigInt(pageShift), block);
    IS_PROTECTED.forEach((isProtected, index) => {
      makeVm(machine, { protected: isProtected, area: at(host.#areas, index), memcache: at(MEMCACHE_PAGES, index) });
    });
    for (const [index, pfn] of host.pages.entries()) {
      machine.writePage(host.#pa(pfn), new Uint8Array(machine.pageSize).fill(index + 1));
    }
    return host;
  }

  /** The operation that a choice means in the machine's present state. */
  choose(choice: Choice): Operation {
    return at(this.#possible(choice), choice.pick);
  }

  #possible(choice: Choice): Operation[] {
    if (choice.kind === "life") return [this.#lifeStep(choice)];
    if (choice.kind === "any") return this.#anyOperations(choice);
    const pfn = at(this.pages, choice.page);
    const operations = [...this.#transitions(pfn, choice), hostReads(this.#pa(pfn))];
    return choice.kind === "traffic" ? operations.filter(isTraffic) : operations;
  }

  #pa(pfn: bigint): bigint {
    return pfn << this.#shift;
  }

  #bytes(pfn: bigint): { from: bigint; to: bigint } {
    return { from: this.#pa(pfn), to: this.#pa(pfn + 1n) };
  }

  /** The transitions that leave the page's state (reference 1.5). */
  #transitions(pfn: bigint, choice: Choice): Operation[] {
    const page = this.machine.pageState(pfn);
    if (page === null) return [];
    if (page.hyp === 0) return [{ op: "hyp_donate_host", pfn, nr: 1 }];
    if (page.hyp === 2) return this.#borrowedByHyp(pfn, page.refcount);
    const mappings = this.#mappingsOf(pfn);
    if (mappings.length !== 0) return this.#mapped(pfn, at(mappings, choice.frame), choice);
    return page.host === 0 ? this.#private(pfn, choice) : [{ op: "host_unshare_ffa", pfn, nr: 1 }];
  }

  #borrowedByHyp(pfn: bigint, pins: number): Operation[] {
    const operations: Operation[] = [
      { op: "host_unshare_hyp", pfn },
      { op: "hyp_pin_shared_mem", ...this.#bytes(pfn) },
    ];
    if (pins > 0) operations.push({ op: "hyp_unpin_shared_mem", ...this.#bytes(pfn) });
    return operations;
  }

  #private(pfn: bigint, choice: Choice): Operation[] {
    const gfn = at(this.#frames, choice.frame);
    const block = at(this.#blocks, choice.page);
    const blockFrame = gfn - (gfn % BigInt(this.#blockPages));
    const operations: Operation[] = [
      { op: "host_share_hyp", pfn },
      { op: "host_share_ffa", pfn, nr: 1 },
      { op: "host_donate_hyp", pfn, nr: 1 },
    ];
    for (const vm of this.#guests(true)) operations.push(donateGuest(vm, pfn, gfn), donateGuest(vm, pfn, gfn));
    for (const vm of this.#guests(false)) {
      operations.push(shareGuest(vm, pfn, gfn), shareGuest(vm, pfn, gfn), shareGuest(vm, pfn, gfn, 1, 0x8n));
      operations.push(shareGuest(vm, block, blockFrame, this.#blockPages));
    }
    return operations;
  }

  #mapped(pfn: bigint, { vm, gfn, pages, state }: Mapping, choice: Choice): Operation[] {
    const runs = this.machine.vcpus(vm).length !== 0;
    if (state === 2) {
      const unshares: Operation[] = [
        unshareGuest(vm, gfn, pages),
        { op: "host_wrprotect_guest", vm, gfn, nr: pages },
        { op: "host_test_clear_young_guest", vm, gfn, nr: pages, mkold: 1 },
      ];
      if (!runs) return unshares;
      const tune = { vm, vcpu: 0, gfn };
      return [
        ...unshares,
        shareGuest(vm, pfn, at(this.#frames, choice.pick)),
        { op: "host_relax_perms_guest", ...tune, prot: RWX },
        { op: "host_mkyoung_guest", ...tune },
      ];
    }
    const back: Operation[] = [reclaim(vm, gfn), { op: "host_force_reclaim_page_guest", phys: this.#pa(pfn) }];
    if (!runs) return back;
    const fn = state === 0 ? 0xc600_0003n : 0xc600_0004n; // MEM_SHARE, MEM_UNSHARE
    const change = state === 0 ? guestShares(vm, gfn) : guestUnshares(vm, gfn);
    return [...back, change, change, { op: "guest_hvc", vm, vcpu: 0, fn, a1: this.#pa(gfn), a2: 0n, a3: 0n }];
  }

  #mappingsOf(pfn: bigint): Mapping[] {
    return this.#stage2s().flatMap((vm) =>
      this.machine.leaves(vm).flatMap(({ ipa, level, descriptor }) => {
        const first = (descriptor & 0xffff_ffff_f000n) >> this.#shift;
        const pages = level === 3 ? 1 : this.#blockPages;
        if ((descriptor & 1n) === 0n || pfn < first || pfn >= first + BigInt(pages)) return [];
        return [{ vm, gfn: ipa >> this.#shift, pages, state: Number((descriptor >> 55n) & 3n) }];
      }),
    );
  }

  #stage2s(): number[] {
    return this.machine.vms().flatMap(({ vm, state }) => (state === "reserved" ? [] : [vm]));
  }

  /** VMs of one kind that have a vCPU. */
  #guests(isProtected: boolean): number[] {
    const vms = this.machine.vms().filter((vm) => vm.protected === isProtected);
    return vms.flatMap(({ vm }) => (this.machine.vcpus(vm).length !== 0 ? [vm] : []));
  }

  /** The next step of a VM's life, as a host takes it (reference 5.8). */
  #lifeStep(choice: Choice): Operation {
    const index = choice.vm % IS_PROTECTED.length;
    const vm = HANDLE_BASE + index;
    const pa = (offset: bigint) => this.#pa(at(this.#areas, index) + offset);
    const status = this.machine.vms().find((one) => one.vm === vm);
    if (status === undefined) return { op: "reserve_vm" };
    if (status.state === "reserved") {
      const parts = { kvm_pa: pa(AREA.kvm), vm_pa: pa(AREA.vm), pgd_pa: pa(AREA.pgd) };
      return { op: "init_vm", vm, ...parts, vcpus: 1, protected: at(IS_PROTECTED, index), id_regs: 1 };
    }
    if (status.state === "dying") return this.#teardownStep(vm);
    const [vcpu] = this.machine.vcpus(vm);
    if (vcpu === undefined) {
      return { op: "init_vcpu", vm, vcpu: 0, host_pa: pa(AREA.hostVcpu), hyp_pa: pa(AREA.hypVcpu) };
    }
    if (vcpu.memcache < TOP_UP) return this.#refillStep(vm, at(this.#areas, index), vcpu.hostMemcache);
    if (vcpu.loaded) return { op: "vcpu_put" };
    return choice.pick % 3 === 0 ? { op: "start_teardown_vm", vm } : { op: "vcpu_load", vm, vcpu: 0 };
  }

  #refillStep(vm: number, area: bigint, listed: number): Operation {
    if (listed >= TOP_UP) return { op: "refill_memcache", vm, vcpu: 0 };
    // A page may be listed twice: the second donation is refused.
    const supply = Array.from({ length: SUPPLY_PAGES }, (_, page) => area + AREA.memcache + BigInt(page));
    const pfn = supply.find((page) => this.machine.pageState(page)?.host === 0) ?? area;
    return { op: "host_memcache_push", vm, vcpu: 0, pfn };
  }

  #teardownStep(vm: number): Operation {
    const leaf = this.machine.leaves(vm).find(({ descriptor }) => (descriptor & 1n) === 1n);
    if (leaf === undefined) return { op: "finalize_teardown_vm", vm };
    const gfn = leaf.ipa >> this.#shift;
    const isBorrowed = ((leaf.descriptor >> 55n) & 3n) === 2n;
    const pages = leaf.level === 3 ? 1 : this.#blockPages;
    return isBorrowed ? unshareGuest(vm, gfn, pages) : { op: "reclaim_dying_guest_page", vm, gfn };
  }

  /** Operations with frames of every sort, mostly refused. */
  #anyOperations(choice: Choice): Operation[] {
    const limit = 1n << (BigInt(this.machine.config.geometry.iaBits) - this.#shift);
    const [first = 0n] = this.pages;
    const behind = first + 8n * BigInt(this.#blockPages);
    const pfn = at([...this.pages, first - 1n, behind - 1n, behind, limit, (1n << 62n) | first], choice.pick >> 5);
    const gfn = at([...this.#frames, limit, 0n], choice.frame + (choice.pick >> 9));
    const nr = at([1, 1, 1, 0, 2, this.#blockPages, -1], choice.pick >> 12);
    const vm = HANDLE_BASE + choice.vm;
    const isProtected = choice.vm < 2;
    const operations: Operation[] = [
      { op: "host_share_hyp", pfn },
      { op: "host_unshare_hyp", pfn },
      { op: "host_donate_hyp", pfn, nr },
      { op: "host_share_ffa", pfn, nr },
      unshareGuest(vm, gfn, nr),
      guestShares(vm, gfn),
      guestUnshares(vm, gfn),
      reclaim(vm, gfn),
      { op: "reclaim_dying_guest_page", vm, gfn },
      isProtected ? donateGuest(vm, pfn, gfn) : shareGuest(vm, pfn, gfn, nr, at([RWX, 0x8n, 0x10n], choice.pick >> 3)),
      { op: "start_teardown_vm", vm },
      { op: "host_memcache_push_loaded", pfn: at(this.pages, choice.page) },
      { op: "hcall_donate_guest", pfn, gfn },
      { op: "hcall_share_guest", pfn, gfn, nr: 1, prot: RWX },
      { op: "hcall_unshare_guest", vm, gfn, nr },
      { op: "hcall_tlb_flush_vmid", vm },
    ];
    if (this.pages.includes(pfn)) operations.push({ op: "host_force_reclaim_page_guest", phys: this.#pa(pfn) });
    if (pfn < limit) operations.push(hostReads(this.#pa(pfn)));
    return operations;
  }

  /** Ends every VM as a host does that takes all of the guests' pages back. */
  endVms(): void {
    must(this.machine, { op: "vcpu_put" });
    for (const { vm, state } of this.machine.vms()) {
      if (state === "reserved") must(this.machine, { op: "unreserve_vm", vm });
      if (state === "live") must(this.machine, { op: "start_teardown_vm", vm });
      while (this.machine.vms().some((left) => left.vm === vm)) must(this.machine, this.#teardownStep(vm));
    }
  }

  /** Pages of what VMs are made of that EL2 has. */
  takenForVms(): bigint[] {
    const pages = this.#areas.flatMap((area) => Array.from({ length: 64 }, (_, page) => area + BigInt(page)));
    return pages.filter((pfn) => this.machine.pageState(pfn)?.hyp === 0);
  }

  /** Guest frames that are poisoned. */
  poisoned(): string[] {
    return this.#stage2s().flatMap((vm) => {
      const leaves = this.machine.leaves(vm).filter(({ descriptor }) => descriptor === POISONED);
      return leaves.map(({ ipa }) => `VM 0x${vm.toString(16)} IPA 0x${ipa.toString(16)}`);
    });
  }
}

/** An operation as a line of a scenario: `host_donate_guest vm=0x1000 vcpu=0 pfn=0x40000 gfn=0x80000`. */
function describeOperation({ op, ...args }: Operation): string {
  const words = Object.entries(args).map(([name, value]: [string, bigint | number | boolean]) => {
    const isHex = typeof value === "bigint" || name === "vm";
    return `${name}=${isHex ? `0x${value.toString(16)}` : String(value)}`;
  });
  return [op, ...words].join(" ");
}

/** Operations with their results, one line each. */
export function describeRun(operations: readonly Operation[], outcomes: readonly Outcome[]): string {
  return operations
    .map((operation, index) => {
      const outcome = outcomes[index];
      return `  ${describeOperation(operation)}${outcome === undefined ? "" : ` -> ${result(outcome)}`}`;
    })
    .join("\n");
}
