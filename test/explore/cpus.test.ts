// Two CPUs whose operations interleave where EL2 releases its locks (reference pkvm-el2 sections 5 and 9).

import { expect, test } from "vitest";
import { PANIC_EL2_FAULT } from "../../assembly/abi/codes.js";
import {
  ADJUST_PC_UNPINNED,
  FAULT_FRAME_IS_4K,
  MUTATION_NONE,
  SHARE_CHECKED_UNLOCKED,
} from "../../assembly/abi/mutations.js";
import { BUGS, hasSearch } from "../../src/explore/bugs/index.js";
import { minimise } from "../../src/explore/counterexample/minimise.js";
import { Turns } from "../../src/explore/counterexample/two-cpus.js";
import type { Domain, Step } from "../../src/explore/domain.js";
import { hostFaultDomain } from "../../src/explore/host-fault-domain.js";
import { instantiateInterleaving, type InterleavingCore } from "../../src/explore/interleaving.js";
import { pkvmDomain, type PkvmSizes } from "../../src/explore/pkvm-domain.js";
import type { RuleName } from "../../src/explore/rules.js";
import { Search } from "../../src/explore/search.js";
import { resolveConfig } from "../../src/machine/config.js";
import { Machine } from "../../src/machine/machine.js";
import { stateOf } from "../systems/pkvm/machine-state.js";
import { pkvmDomainOf } from "./pkvm-search.js";

const ONE: PkvmSizes = { pages: 1, tablePages: 1, vms: [true], gfns: 1 };
const MAKING: PkvmSizes = { pages: 0, tablePages: 0, vms: [true], gfns: 0, makesVms: true };
const DRAM = 0x4000_0000n;
const HOST_ONLY: PkvmSizes = { pages: 1, tablePages: 0, vms: [true], gfns: 0 };

interface FirstState {
  readonly machine: Machine;
  readonly core: InterleavingCore;
  readonly domain: Domain;
  readonly turns: Turns;
}

async function firstState(sizes: PkvmSizes): Promise<FirstState> {
  const domain = pkvmDomain(sizes);
  const core = await instantiateInterleaving();
  const machine = Machine.createOn(core, resolveConfig(domain.config));
  for (const { pa, word } of domain.contents) {
    machine.writePage(pa, new Uint8Array(BigUint64Array.of(word).buffer), Number(pa) % machine.pageSize);
  }
  machine.applyBatch(domain.setUp);
  return { machine, core, domain, turns: new Turns(machine, core, domain) };
}

type Op = Step["op"];
/** A part of an operation that is begun, or of the one that its CPU is in, and what it comes to. */
type Row = readonly [cpu: 0 | 1, op: Op, part: NonNullable<Step["part"]> | "whole", answer: string];

async function answers(sizes: PkvmSizes, rows: readonly Row[]): Promise<Row[]> {
  const { domain, turns } = await firstState(sizes);
  return rows.map(([cpu, op, part]) => {
    const step = domain.steps.find((each) => each.op === op) ?? expect.fail(`no ${op}`);
    const isLeft = part === "begin" || part === "middle";
    const turn = { ...step, cpu, ...(part === "whole" ? {} : { part }), releases: isLeft ? 1 : 0 };
    return [cpu, op, part, turns.take(turn).answer];
  });
}

const HOST_AND_HYP = "not done yet, released host_mmu, pkvm_pgd";
const TABLE = "not done yet, released vm_table";
const GUEST = "not done yet, released the VM's";

// prettier-ignore
const SCHEDULES: readonly [string, PkvmSizes, readonly Row[]][] = [
  ["a vCPU is loaded on one CPU: the other has none, and its calls are refused", ONE, [
    [0, "vcpu_load", "whole", "0"],
    [1, "vcpu_load", "whole", "0"],
    [1, "hcall_donate_guest", "whole", "-EINVAL"],
    [0, "hcall_donate_guest", "whole", "-ENOMEM"],
    [0, "vcpu_put", "whole", "0"],
    [1, "vcpu_load", "whole", "0"],
    [1, "hcall_donate_guest", "whole", "-ENOMEM"],
  ]],
  ["a vCPU cannot be loaded before init_vcpu has put it into its slot, under the table's lock", MAKING, [
    [0, "reserve_vm", "whole", "4096"],
    [0, "init_vm", "begin", HOST_AND_HYP],
    [0, "init_vm", "middle", HOST_AND_HYP],
    [0, "init_vm", "middle", HOST_AND_HYP],
    [0, "init_vm", "end", "0"],
    [0, "init_vcpu", "begin", HOST_AND_HYP],
    [1, "vcpu_load", "whole", "0"],
    [1, "start_teardown_vm", "whole", "0"], // no vCPU is loaded, which would be a reference
    [0, "init_vcpu", "end", "0"], // whether the VM is dying is not looked at
  ]],
  ["the area of a VM that is made is EL2's already: a second init_vm lets go of what it pinned", MAKING, [
    [0, "reserve_vm", "whole", "4096"],
    [0, "init_vm", "begin", HOST_AND_HYP],
    [0, "init_vm", "middle", HOST_AND_HYP],
    [1, "init_vm", "begin", HOST_AND_HYP],
    [1, "init_vm", "middle", HOST_AND_HYP],
    [1, "init_vm", "end", "-ENOMEM"],
    [0, "init_vm", "middle", HOST_AND_HYP],
    [0, "init_vm", "end", "0"],
  ]],
  ["a slot that is given up while its VM is made: the VM's pages go back one area after the other", MAKING, [
    [0, "reserve_vm", "whole", "4096"],
    [0, "init_vm", "begin", HOST_AND_HYP],
    [0, "init_vm", "middle", HOST_AND_HYP],
    [0, "init_vm", "middle", HOST_AND_HYP],
    [1, "unreserve_vm", "whole", "0"],
    [0, "init_vm", "middle", TABLE],
    [0, "init_vm", "middle", HOST_AND_HYP],
    [0, "init_vm", "middle", HOST_AND_HYP],
    [0, "init_vm", "end", "-EINVAL"],
  ]],
  ["a VM is not taken down while a call has a reference to it", ONE, [
    [0, "start_teardown_vm", "whole", "0"],
    [0, "reclaim_dying_guest_page", "begin", TABLE],
    [1, "finalize_teardown_vm", "whole", "-EINVAL"],
    [0, "reclaim_dying_guest_page", "middle", GUEST],
    [1, "finalize_teardown_vm", "whole", "-EINVAL"],
    [0, "reclaim_dying_guest_page", "end", "-ENOENT"],
    [1, "finalize_teardown_vm", "begin", TABLE],
  ]],
  ["the slot of a VM that is taken down is empty before anything goes back", MAKING, [
    [0, "reserve_vm", "whole", "4096"],
    [0, "init_vm", "begin", HOST_AND_HYP],
    [0, "init_vm", "middle", HOST_AND_HYP],
    [0, "init_vm", "middle", HOST_AND_HYP],
    [0, "init_vm", "end", "0"],
    [0, "start_teardown_vm", "whole", "0"],
    [0, "finalize_teardown_vm", "begin", TABLE],
    [1, "finalize_teardown_vm", "whole", "-EINVAL"],
    [1, "reserve_vm", "whole", "4096"],
    [0, "finalize_teardown_vm", "middle", HOST_AND_HYP],
    [1, "init_vm", "begin", HOST_AND_HYP],
    [1, "init_vm", "middle", HOST_AND_HYP],
    [1, "init_vm", "end", "-ENOMEM"],
  ]],
];

test.each(SCHEDULES)("%s", async (_, sizes, rows) => {
  expect(await answers(sizes, rows)).toEqual(rows);
});

test("a page may go to a guest between the host's fault and its handler: the host is told", async () => {
  const { domain, turns } = await firstState(ONE);
  const step = (op: Op) => domain.steps.find((each) => each.op === op) ?? expect.fail(`no ${op}`);
  const whole = (op: Op) => turns.take({ ...step(op), cpu: 1 }).answer;
  const access = step("access");
  expect(turns.take({ ...access, cpu: 0, part: "begin", releases: 1 }).answer).toBe("not done yet, no lock held");
  expect(whole("vcpu_load")).toBe("0");
  expect(whole("host_memcache_push_loaded")).toBe("0");
  expect(whole("host_memcache_push_loaded")).toBe("0");
  const donate = { ...step("hcall_donate_guest"), cpu: 1 } as const;
  // One page after the other goes to the vCPU's memcache; the same page twice does not.
  expect(turns.take({ ...donate, part: "begin", releases: 1 }).answer).toBe(HOST_AND_HYP);
  expect(turns.take({ ...donate, part: "end" }).answer).toBe("-ENOMEM");
  expect(turns.take({ ...access, cpu: 0, part: "middle", releases: 1 }).answer).toBe("not done yet, released host_mmu");
  expect(turns.take({ ...access, cpu: 0, part: "end" }).answer).toBe("done");
});

/** What the machine's text does not tell. */
interface Besides {
  /** The CPU that has the loaded vCPU. */
  readonly loader: -1 | 0 | 1;
  /** Per CPU: the vCPUs of the VM that it is taking down. It has no slot any more, and they go back one part after the other. */
  readonly ended: readonly [number, number];
}

/** The same search by snapshots: every part of every operation, from every state that was reached. */
async function statesBySnapshots(sizes: PkvmSizes): Promise<number> {
  const { machine, core, domain } = await firstState(sizes);
  const { exports, memory } = core;
  const cpuText = (cpu: 0 | 1, { loader, ended }: Besides): string => {
    const bytes = new Uint8Array(memory.buffer, exports.localsOf(cpu), exports.localsBytes(cpu));
    return `${exports.suspendedOperation(cpu)} ${loader === cpu} ${ended[cpu]} ${bytes.join()}`;
  };
  const text = (besides: Besides) => {
    const pages = domain.pages.map((page) => pageText(machine, page.pfn, page.slot === undefined, domain.tracer));
    const lines = stateOf(machine).split("\n");
    const state = lines.filter((line) => !/^P |^L host .*[13579bdf]$/.test(line));
    return [...state, ...pages, ...[cpuText(0, besides), cpuText(1, besides)].sort()].join("\n");
  };
  const first: Besides = { loader: -1, ended: [0, 0] };
  const seen = new Set([text(first)]);
  const queue = [{ snapshot: machine.snapshot(), besides: first }];
  for (const { snapshot, besides } of queue) {
    for (const cpu of [0, 1] as const) {
      for (const [number, { op }] of domain.steps.entries()) {
        machine.restore(snapshot);
        const inside = exports.suspendedOperation(cpu);
        if (inside >= 0 && inside !== number) continue;
        const before = machine.vcpus();
        exports.take(cpu, number);
        const after = takenTo(besides, cpu, op, before, machine.vcpus(), exports.suspendedOperation(cpu) >= 0);
        const key = text(after);
        if (seen.has(key)) continue;
        seen.add(key);
        queue.push({ snapshot: machine.snapshot(), besides: after });
      }
    }
  }
  return seen.size;
}

type Vcpus = ReturnType<Machine["vcpus"]>;

function takenTo(
  { loader, ended }: Besides,
  cpu: 0 | 1,
  op: Op,
  before: Vcpus,
  after: Vcpus,
  isHalfWay: boolean,
): Besides {
  const [wasLoaded, isLoaded] = [before, after].map((vcpus) => vcpus.some(({ loaded }) => loaded));
  const left: [number, number] = [...ended];
  if (!isHalfWay) left[cpu] = 0;
  else if (op === "finalize_teardown_vm") left[cpu] ||= before.length - after.length;
  return { loader: op === "vcpu_load" && !wasLoaded && isLoaded ? cpu : isLoaded ? loader : -1, ended: left };
}

// Whether the host has an entry for a page of its own decides whether its access faults, and can be interrupted.
function pageText(machine: Machine, pfn: bigint, isOwn: boolean, tracer: number): string {
  const { host, hyp, refcount, shares } = machine.pageState(pfn) ?? expect.fail("no memory");
  const contents = new DataView(machine.readPage(pfn << 12n).buffer).getBigUint64(tracer, true);
  const isMapped = isOwn && machine.access("host", pfn << 12n, "read").fault === null;
  return [host, hyp, refcount, shares, contents, isMapped].join(" ");
}

test.each<[string, PkvmSizes]>([
  ["a page that the host shares and writes, a vCPU that comes and goes", HOST_ONLY],
  ["a VM that is made and taken down", MAKING],
])("%s: as many states as a search by snapshots", async (_, sizes) => {
  const search = await Search.start(pkvmDomain(sizes), { cpus: 2, rules: ["panic"], maxStates: 10_000 });
  expect(search.run(10_000)).toBe("exhausted");
  expect(search.counts.states).toBe(await statesBySnapshots(sizes));
});

test("whatever is tried first: as many states", async () => {
  const domain = pkvmDomain(MAKING);
  const counts = new Set<number>();
  for (const first of domain.steps.keys()) {
    const steps = [...domain.steps.slice(first), ...domain.steps.slice(0, first)];
    const search = await Search.start({ ...domain, steps }, { cpus: 2, rules: ["panic"], maxStates: 10_000 });
    expect(search.run(10_000)).toBe("exhausted");
    counts.add(search.counts.states);
  }
  expect(counts.size).toBe(1);
});

const CHEAP = ["panic", "invariant", "refusal", "secrecy", "integrity", "freed"] as const;
const RULES = [...CHEAP, "refinement", "progress", "pointer"] as const;

test.each<[string, PkvmSizes]>([
  ["one protected VM", ONE],
  ["one ordinary VM", { ...ONE, vms: [false] }],
  ["a VM that is made and taken down", MAKING],
])("%s: two CPUs break no rule of unmodified pKVM", async (_, sizes) => {
  const search = await Search.start(pkvmDomain(sizes), { cpus: 2, rules: RULES, maxStates: 20_000 });
  expect(search.run(20_000)).toBe("exhausted");
  expect(search.findings).toEqual([]);
});

// Calls between which no other CPU comes in are those of one CPU, and so all that is compared with one is with two.
test("refinement: calls are compared, and what they may have done is part of the state", async () => {
  const searched = async (cpus: 1 | 2, rules: readonly RuleName[]) => {
    const search = await Search.start(pkvmDomain(ONE), { cpus, rules, maxStates: 20_000 });
    search.run(20_000);
    return search.counts;
  };
  const [alone, both] = [await searched(1, ["refinement"]), await searched(2, ["refinement"])];
  expect(both.compared?.answers).toBeGreaterThan(alone.compared?.answers ?? 0n);
  expect(both.states).toBeGreaterThan((await searched(2, ["panic"])).states);
});

const TWO_CPU_RULES = [
  // One of two calls for one page is to be refused.
  [
    "refinement",
    SHARE_CHECKED_UNLOCKED,
    pkvmDomain(HOST_ONLY),
    ["0 host_share_hyp begin", "1 host_share_hyp begin", "0 host_share_hyp end", "1 host_share_hyp end"],
  ],
  [
    "progress",
    FAULT_FRAME_IS_4K,
    hostFaultDomain({ pageShift: 16, iaBits: 48, addresses: [DRAM] }),
    ["0 access begin"],
  ],
  ["pointer", ADJUST_PC_UNPINNED, pkvmDomain({ ...ONE, vms: [false], el2Calls: ["vcpu"] }), ["0 hcall_adjust_pc"]],
] as const;

test.each(TWO_CPU_RULES)("%s is asked of two CPUs", async (rule, mutation, domain, schedule) => {
  const search = await Search.start(domain, { mutation, rules: [rule], cpus: 2, maxStates: 20_000 });
  expect(search.run(20_000)).toBe("found");
  const turns = search.findings[0]?.steps.map(({ cpu, op, part }) => [cpu, op, part ?? ""].join(" ").trim());
  expect(turns).toEqual(schedule);
  expect(await minimise(domain, search.findings[0]!, { mutation, rules: [rule] })).toMatchObject({ kind: rule });

  const clean = await Search.start(domain, { rules: [rule], cpus: 2, maxStates: 2000 });
  clean.run(1000);
  expect(clean.findings).toEqual([]);
});

test("a page that is looked at before its locks are taken is found with two CPUs alone", async () => {
  const options = { mutation: SHARE_CHECKED_UNLOCKED, rules: ["refinement"], maxStates: 2000 } as const;
  const alone = await Search.start(pkvmDomain(HOST_ONLY), options);
  expect(alone.run(2000)).toBe("exhausted");
  expect(alone.findings).toEqual([]);
});

/** What each CPU does, as the reference describes the schedule; what makes the first state is left out. */
const TWO_CPU_SCHEDULES = [
  ["init-vcpu-early-publish", ["0 init_vcpu begin", "1 vcpu_load"]],
  ["host-fault-race-panic", ["0 access begin", "1 access begin", "0 access middle", "1 access end"]],
] as const;

test.each(TWO_CPU_SCHEDULES)("%s: the shortest schedule, and none on one CPU", async (name, schedule) => {
  const bug = BUGS.filter(hasSearch).find((each) => each.name === name) ?? expect.fail("no search finds it");
  const { mutation } = bug.search;
  const domain = pkvmDomainOf(bug.search);
  const search = await Search.start(domain, { mutation, cpus: 2, maxStates: 20_000 });
  expect(search.run(20_000)).toBe("found");
  const turns = search.findings[0]?.steps.map(({ cpu, op, part }) => [cpu, op, part ?? ""].join(" ").trim());
  expect(turns?.slice(-schedule.length)).toEqual(schedule);

  const alone = await Search.start(domain, { mutation, maxStates: 20_000 });
  expect(alone.run(20_000)).toBe("exhausted");
  expect(alone.findings).toEqual([]);
});

// What is found is believed once its schedule is gone again from the start.

const EARLY = BUGS.filter(hasSearch).find(({ name }) => name === "init-vcpu-early-publish")!.search;
const MAKING_DOMAIN = pkvmDomain(MAKING);
const stepOf = (op: Op): Step => MAKING_DOMAIN.steps.find((step) => step.op === op) ?? expect.fail(`no ${op}`);
const left = (cpu: 0 | 1, op: Op, releases: number): Step => ({ ...stepOf(op), cpu, part: "begin", releases });
const whole = (cpu: 0 | 1, op: Op, releases = 0): Step => ({ ...stepOf(op), cpu, releases });

const PUBLISHED = [
  whole(0, "reserve_vm"),
  whole(0, "init_vm", 3),
  // Areas, then the slot of the vCPU that is not filled yet.
  left(0, "init_vcpu", 2),
  whole(1, "vcpu_load"),
];

test("a schedule with detours: parts that are not needed go, and the other CPU still comes in between", async () => {
  const steps = [whole(1, "vcpu_put"), ...PUBLISHED.slice(0, 2), whole(1, "reserve_vm"), ...PUBLISHED.slice(2)];
  const finding = { kind: "panic", code: PANIC_EL2_FAULT, subject: 0n, steps } as const;
  const short = await minimise(MAKING_DOMAIN, finding, { mutation: EARLY.mutation });
  expect(short?.steps.map(({ cpu, op, part }) => [cpu, op, part ?? "whole"])).toEqual([
    [0, "reserve_vm", "whole"],
    [0, "init_vm", "whole"],
    [0, "init_vcpu", "begin"],
    [1, "vcpu_load", "whole"],
  ]);
});

test.each<[string, readonly Step[], number]>([
  ["has no bug", PUBLISHED, MUTATION_NONE],
  [
    "lets no CPU in between",
    [...PUBLISHED.slice(0, 2), whole(0, "init_vcpu", 2), whole(1, "vcpu_load")],
    EARLY.mutation,
  ],
])("a schedule that %s is no finding", async (_, steps, mutation) => {
  const finding = { kind: "panic", code: PANIC_EL2_FAULT, subject: 0n, steps } as const;
  expect(await minimise(MAKING_DOMAIN, finding, { mutation })).toBeNull();
});
