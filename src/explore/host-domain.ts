// A pKVM host as a whole: EL2 below, and above it the host's own half, which programs and guests make call EL2 (reference
// host-and-vmm section 2). It behaves well; what it gets wrong about itself is what is searched for.

import * as abi from "../../assembly/abi/user-calls.js";
import { resolveConfig, type ResolvedConfig } from "../machine/config.js";
import { INVARIANTS } from "../machine/invariants.js";
import type { Machine } from "../machine/machine.js";
import { count } from "../machine/names.js";
import { RULES, type FindingKind } from "./rules.js";
import type { Asked, Broken, SystemDomain, SystemStep, Watch } from "./system-domain.js";
import type { GuestAct, UserCall } from "./user-calls.js";
import type { ExploreCore } from "./variant.js";

/** How large a machine is, and what programs and guests do. */
export interface HostSizes {
  /** VMs there can be at once, all of one VMM: true for a protected one. */
  readonly vms: readonly boolean[];
  /** Pages of the VMM's memory that guests name. */
  readonly pages: number;
  /** What that memory is. Default: pages of the host's allocator. */
  readonly memory?: keyof typeof MEMORY;
  /** What guests do. Default: they write. */
  readonly guests?: readonly GuestAct[];
  /** The VMM unmaps its memory, and maps other in its place. */
  readonly remaps?: boolean;
  /** The VMM has dirty pages logged, and not. */
  readonly logs?: boolean;
  /** Another process is given fds. Default: true. */
  readonly sendsFds?: boolean;
  /** Threads of the VMM's are preempted, in the handler of a fault or in a callback: then KVM_RUN, or munmap, has two halves. */
  readonly preempted?: "fault" | "callback";
  /** Android's pKVM and host. Default: Linux 7.3. */
  readonly variant?: "android";
  /** Android: VMs have firmware. */
  readonly firmware?: boolean;
  /** Android: lists of pages go to EL2. */
  readonly lists?: boolean;
}

/** MEMORY_* by name, with the pages that there are. */
const MEMORY = {
  pages: abi.MEMORY_PAGES,
  block: abi.MEMORY_BLOCK,
  device: abi.MEMORY_DEVICE,
  folio: abi.MEMORY_FOLIO,
} as const;

const ANDROID = { variant: "android", sendsFds: false } as const;

/** The sizes by name. */
export const HOST_PRESETS = {
  tiny: { vms: [true], pages: 1 },
  small: { vms: [true], pages: 2, guests: ["writes", "shares", "unshares"], remaps: true },
  two: { vms: [true, false], pages: 1, sendsFds: false },
  ordinary: { vms: [false], pages: 2, remaps: true },
  block: {
    vms: [false],
    pages: 1,
    memory: "block",
    guests: ["reads", "writes"],
    logs: true,
    remaps: true,
    sendsFds: false,
  },
  "preempted-fault": {
    ...{ vms: [false], pages: 1, memory: "block", remaps: true, sendsFds: false },
    preempted: "fault",
  },
  "preempted-callback": { vms: [false], pages: 1, preempted: "callback" },
  device: { vms: [false], pages: 2, memory: "device", remaps: true, sendsFds: false },
  android: { ...ANDROID, vms: [true], pages: 2, guests: ["writes", "relinquishes"], firmware: true, lists: true },
  folio: { ...ANDROID, vms: [true], pages: 4, memory: "folio" },
} as const satisfies Readonly<Record<string, HostSizes>>;

const PAGE = 0x1000n;
const FIRST_PFN = 0x4_0000n;
const CARVEOUT_PAGES = 32n;
/** The host's allocator has more than its processes and VMs can use at once. */
const FRAMES = 40;
/** Where memory lies that is in no allocator, a block of it. */
const RESERVED_PFN = FIRST_PFN + 0x200n;
const BLOCK_PAGES = 0x200n;
/** Process 0 is the VMM. */
const VMM = 0;
const OTHER = 1;

/** What the host must keep true of itself. */
const HOST_RULES = {
  charges: "a process is charged for the pages that are pinned for its VMs, and for no others",
  free: "what is free in the host's allocator is the host's alone",
  answers: "EL2 refuses no call that a host makes which keeps its books",
  source: "a guest that is not protected has what its VMM has there, page for page",
  firmware: "the page that a guest boots from is filled with its firmware when the guest gets it",
} as const;

const BREACHES: ReadonlyMap<number, { readonly kind: FindingKind; readonly rule: string }> = new Map([
  [abi.BREACH_CHARGES, { kind: "watched", rule: "charges" }],
  [abi.BREACH_FREE, { kind: "watched", rule: "free" }],
  [abi.BREACH_REFUSED, { kind: "watched", rule: "answers" }],
  [abi.BREACH_SOURCE, { kind: "watched", rule: "source" }],
  [abi.BREACH_FIRMWARE, { kind: "watched", rule: "firmware" }],
  [abi.BREACH_PROGRESS, { kind: "progress", rule: "progress" }],
]);

/** The machine, its host, and what is tried on it. */
export function hostDomain(sizes: HostSizes): SystemDomain {
  return {
    system: "pkvm-host",
    config: configOf(sizes),
    bounds: boundsOf(sizes),
    warmUp: (machine) => {
      begin(machine, sizes);
    },
    setUp: [],
    steps: stepsOf(sizes),
    pages: [...numbers(FRAMES).map((frame) => FIRST_PFN + BigInt(frame)), ...reservedPages(sizes)],
    rules: { ...INVARIANTS, ...HOST_RULES, progress: RULES.progress },
    leavesHalfDone: true,
    watch: (machine, _marks, asked) => new HostWatch(machine, asked),
  };
}

const hasReserved = ({ memory }: HostSizes): boolean => memory === "block" || memory === "device";

/** The first pages of a block stand for all. */
const reservedPages = (sizes: HostSizes): bigint[] =>
  hasReserved(sizes) ? [RESERVED_PFN, RESERVED_PFN + 1n, RESERVED_PFN + 2n] : [];

function configOf(sizes: HostSizes): ResolvedConfig {
  const { vms, variant } = sizes;
  const carveout = (FIRST_PFN + BigInt(FRAMES)) * PAGE;
  const memory = { base: FIRST_PFN * PAGE, size: carveout + CARVEOUT_PAGES * PAGE - FIRST_PFN * PAGE };
  const reserved = { base: RESERVED_PFN * PAGE, size: BLOCK_PAGES * PAGE };
  return resolveConfig({
    ...(variant === undefined ? {} : { variant }),
    ia_bits: 32,
    regions: hasReserved(sizes) ? [memory, reserved] : [memory],
    hyp_carveout: { base: carveout, size: CARVEOUT_PAGES * PAGE },
    hyp_text: { base: carveout, size: PAGE },
    host_s2_pool_pages: 16,
    vm_bytes: 64,
    vm_bytes_per_vcpu: 64,
    vcpu_bytes: 64,
    host_kvm_bytes: 64,
    host_vcpu_bytes: 64,
    max_vms: vms.length,
  });
}

function boundsOf({ vms, pages, memory = "pages", preempted }: HostSizes): string {
  const what = memory === "pages" ? count(pages, "page") : `a ${memory}`;
  return `${count(vms.length, "VM")} of one vCPU, ${what} of the VMM's, two processes; ${uninterrupted(preempted)}`;
}

const uninterrupted = (preempted: HostSizes["preempted"]): string =>
  preempted === undefined
    ? "system calls are not interrupted"
    : `a thread is preempted in a ${preempted}, once at a time`;

function begin(machine: Machine, { pages, memory = "pages" }: HostSizes): void {
  const { exports } = machine.core as ExploreCore;
  // Where contents lie is then the same in every state.
  numbers(FRAMES + Number(CARVEOUT_PAGES)).forEach((frame) =>
    exports.frameForWrite((FIRST_PFN + BigInt(frame)) * PAGE),
  );
  touchMemory(machine);
  const isMade = exports.makeHost(FIRST_PFN, FRAMES, MEMORY[memory], pages, RESERVED_PFN) !== 0;
  if (!isMade) throw new RangeError("the host does not fit");
}

// The host has used all of its memory: EL2 has mapped it as a block, and split that for a page that went and came back. Else each
// page would be in a state of its own until then.
function touchMemory(machine: Machine): void {
  const pfn = FIRST_PFN;
  const { fault } = machine.access("host", pfn * PAGE, "read");
  if (fault?.hpfar === undefined || fault.hpfar === null) return;
  const { esr, hpfar } = fault;
  machine.apply({ op: "host_abort", esr, spsr: 0n, far: pfn * PAGE, hpfar, at_fail: 0 });
  machine.apply({ op: "host_donate_hyp", pfn, nr: 1 });
  machine.apply({ op: "hyp_donate_host", pfn, nr: 1 });
}

const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);
const step = (call: UserCall): SystemStep => ({ calls: [call] });

function stepsOf(sizes: HostSizes): SystemStep[] {
  const { vms, pages, remaps = false, sendsFds = true, lists = false, preempted } = sizes;
  return [
    ...vms.flatMap((isProtected, vm) => vmSteps(vm, isProtected, sizes)),
    ...(remaps ? numbers(pages).flatMap((page) => remapSteps(page, sizes)) : []),
    ...(preempted === "callback" ? callbackSteps(0) : []),
    ...(lists ? [step({ op: "user_donate_list", process: VMM, page: 0 })] : []),
    step({ op: "user_exit", process: VMM }),
    ...(sendsFds ? [step({ op: "user_exit", process: OTHER })] : []),
  ];
}

function vmSteps(vm: number, isProtected: boolean, sizes: HostSizes): SystemStep[] {
  const { pages, guests = ["writes"], logs = false, sendsFds = true, firmware = false, preempted } = sizes;
  const acts = guests.filter((act) => isProtected || act === "reads" || act === "writes");
  return [
    step({ op: "user_create_vm", process: VMM, vm, protected: isProtected, firmware }),
    step({ op: "user_create_vcpu", process: VMM, vm }),
    ...numbers(pages).flatMap((page) => acts.map((guest) => step({ op: "user_run", process: VMM, vm, guest, page }))),
    ...(preempted === "fault" ? faultSteps(vm, 0) : []),
    ...(logs ? [true, false].map((wanted) => step({ op: "user_log_dirty", process: VMM, vm, wanted })) : []),
    step({ op: "user_close", process: VMM, vm }),
    ...(sendsFds ? [sendStep(vm), step({ op: "user_close", process: OTHER, vm })] : []),
  ];
}

const sendStep = (vm: number): SystemStep => step({ op: "user_send_fd", process: VMM, vm, to: OTHER });

const remapSteps = (page: number, { memory }: HostSizes): SystemStep[] => [
  step({ op: "user_munmap", process: VMM, page }),
  step({ op: "user_mmap", process: VMM, page }),
  ...(memory === "block" ? [step({ op: "user_mmap", process: VMM, page, inPages: true })] : []),
];

const faultSteps = (vm: number, page: number): SystemStep[] => [
  step({ op: "user_run_begin", process: VMM, vm, page }),
  step({ op: "user_run_end", process: VMM, vm }),
];

const callbackSteps = (page: number): SystemStep[] => [
  step({ op: "user_munmap_begin", process: VMM, page }),
  step({ op: "user_munmap_end", process: VMM }),
];

class HostWatch implements Watch {
  readonly #machine: Machine;
  readonly #core: ExploreCore;
  /** The host's own rules that are asked for: 1 << BREACH_*. */
  readonly #breaches: number;
  /** Those of pKVM. */
  readonly #invariants: readonly string[];

  constructor(machine: Machine, asked: Asked) {
    this.#machine = machine;
    this.#core = machine.core as ExploreCore;
    this.#breaches = [...BREACHES].reduce((mask, [code, { rule }]) => mask | (asked(rule) ? 1 << code : 0), 0);
    this.#invariants = Object.keys(INVARIANTS).filter(asked);
  }

  enter(): void {
    // Rules of steps are the host's, which looks at each as it serves it.
  }

  isPossible(): boolean {
    return true;
  }

  settle(): void {
    // Nothing follows by itself.
  }

  stepBreaks(): Broken | null {
    return this.#breach(this.#core.exports.brokenByHostStep(this.#breaches));
  }

  /** A call that fails half-way leaves what it did: a VM at EL2, table pages on a list. */
  mayKeep(): boolean {
    return true;
  }

  stateBreaks(): Broken | null {
    const own = this.#breach(this.#core.exports.brokenInHost(this.#breaches));
    if (own !== null) return own;
    const violation = this.#invariants.length === 0 ? null : this.#machine.checkInvariants(this.#invariants);
    return violation === null ? null : { kind: "invariant", rule: violation.invariant, subject: violation.subject };
  }

  #breach(code: number): Broken | null {
    const found = BREACHES.get(code);
    return found === undefined ? null : { ...found, subject: this.#core.exports.hostBreachAt() };
  }
}
