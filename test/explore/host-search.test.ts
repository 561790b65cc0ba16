// The search over a pKVM host as a whole: what programs and guests can make it do, and the mistakes it is found to make.

import { expect, test } from "vitest";
import { BUGS, hasSearch } from "../../src/explore/bugs/index.js";
import { startSearch } from "../../src/explore/explore.js";
import { retell } from "../../src/explore/counterexample/retelling.js";
import { HOST_PRESETS, hostDomain } from "../../src/explore/host-domain.js";
import type { AnyDomain } from "../../src/explore/system-domain.js";
import { userCallText, type UserCall } from "../../src/explore/user-calls.js";

async function searched(domain: AnyDomain, mutation = 0) {
  const search = await startSearch(domain, { mutation, maxStates: 20_000 });
  return { search, end: search.run(20_000) };
}

const bugNamed = (name: string) =>
  BUGS.filter(hasSearch).find((bug) => bug.name === name)?.search ?? expect.fail("no search finds it");

// The shortest ways of reference bugs.md sections 5 and 6, as programs and guests go them.
// prettier-ignore
test.each([
  ["shared-struct-page",         "answers",  ["create_vm", "create_vcpu"]],
  ["notifier-before-handle",     "answers",  ["create_vm", "munmap"]],
  ["perm-fault-without-topup",   "answers",  ["create_vm", "create_vcpu", "log_dirty", "run", "log_dirty", "run"]],
  ["reclaim-charges-wrong-mm",   "charges",  ["create_vm", "create_vcpu", "run", "send_fd", "close", "close"]],
  ["pfnmap-block-size",          "source",   ["create_vm", "create_vcpu", "run"]],
  ["thp-accounting",             "charges",  ["create_vm", "create_vcpu", "run", "close"]],
  ["sglist-donate",              "free",     ["create_vm", "create_vcpu", "run", "donate_list"]],
  ["stale-vma",                  "source",   ["create_vm", "create_vcpu", "run_begin", "munmap", "mmap", "run_end"]],
  ["teardown-notifier-race",     "answers",  ["create_vm", "create_vcpu", "run", "munmap_begin", "close", "munmap_end"]],
  ["relinquish-resets-firmware", "firmware", ["create_vm", "create_vcpu", "run", "run", "run"]],
])("%s breaks %s, by %j, and without it nothing is found", async (name, rule, calls) => {
  const { domain, mutation, kind } = bugNamed(name);
  const { search } = await searched(domain(), mutation);
  const [finding] = search.findings;
  expect([finding?.kind, finding?.rule]).toEqual([kind, rule]);
  expect(finding?.steps.map(({ op }) => op.slice("user_".length))).toEqual(calls);

  const clean = await searched(domain());
  expect([clean.end, clean.search.findings]).toEqual(["exhausted", []]);
});

const LIFE_OF = {
  createVm: { op: "user_create_vm", process: 0, vm: 0, protected: true },
  createVcpu: { op: "user_create_vcpu", process: 0, vm: 0 },
} as const;

const LIFE: readonly UserCall[] = [
  LIFE_OF.createVm,
  LIFE_OF.createVcpu,
  { op: "user_run", process: 0, vm: 0, guest: "writes", page: 0 },
  { op: "user_exit", process: 0 },
];

async function told(preset: keyof typeof HOST_PRESETS, calls: readonly UserCall[]) {
  const { steps } = await retell(hostDomain(HOST_PRESETS[preset]), calls);
  return steps.map(({ answer, calls: made }) => [answer, ...made.map(({ operation }) => operation.op)]);
}

// Reference pkvm-el2 section 5.8. Both descriptors are in one page, which is shared once.
test("a life of a protected VM: what the host calls EL2 for, and when", async () => {
  expect(await told("tiny", LIFE)).toEqual([
    ["0", "host_share_hyp", "reserve_vm"],
    ["0"],
    ["0", "init_vm", "init_vcpu", "vcpu_load", "host_memcache_push_loaded", "hcall_donate_guest", "vcpu_put"],
    ["0", "start_teardown_vm", "reclaim_dying_guest_page", "finalize_teardown_vm", "host_unshare_hyp"],
  ]);
});

const run = (guest: "reads" | "writes"): UserCall => ({ op: "user_run", process: 0, vm: 0, guest, page: 0 });
const log = (wanted: boolean): UserCall => ({ op: "user_log_dirty", process: 0, vm: 0, wanted });

// Reference host-and-vmm sections 2.5, 2.6 and bugs.md section 5: while dirty pages are logged, a block is mapped page by page.
test("a VM that is not protected follows its VMM's memory, and the log of dirty pages", async () => {
  const begin: readonly UserCall[] = [
    { op: "user_create_vm", process: 0, vm: 0, protected: false },
    { op: "user_create_vcpu", process: 0, vm: 0 },
  ];
  const calls = [
    run("reads"),
    log(true),
    run("writes"),
    log(false),
    { op: "user_munmap", process: 0, page: 0 } as const,
  ];
  expect((await told("block", [...begin, ...calls, run("reads")])).slice(begin.length)).toEqual([
    ["0", "init_vm", "init_vcpu", "vcpu_load", "host_memcache_push_loaded", "hcall_share_guest", "vcpu_put"],
    ["0", "hcall_wrprotect_guest", "hcall_tlb_flush_vmid"],
    ["0", "vcpu_load", "host_memcache_push_loaded", "hcall_unshare_guest", "hcall_share_guest", "vcpu_put"],
    ["0"],
    ["0", "hcall_unshare_guest", "hcall_tlb_flush_vmid"],
    ["-EFAULT", "vcpu_load", "vcpu_put"],
  ]);
});

// Reference bugs.md section 5, stale-vma: the callback was noticed, and the guest's next fault finds the new memory.
test("a fault during which memory is remapped maps nothing old", async () => {
  const [begin, remap]: readonly UserCall[][] = [
    [
      { op: "user_create_vm", process: 0, vm: 0, protected: false },
      { op: "user_create_vcpu", process: 0, vm: 0 },
    ],
    [
      { op: "user_munmap", process: 0, page: 0 },
      { op: "user_mmap", process: 0, page: 0, inPages: true },
    ],
  ];
  const fault: UserCall = { op: "user_run_begin", process: 0, vm: 0, page: 0 };
  const { steps } = await retell(hostDomain(HOST_PRESETS["preempted-fault"]), [
    ...(begin ?? []),
    fault,
    ...(remap ?? []),
    { op: "user_run_end", process: 0, vm: 0 },
  ]);
  const shares = steps.flatMap(({ calls }) => calls.filter(({ operation: { op } }) => op === "hcall_share_guest"));
  expect(shares.map(({ operation }) => "nr" in operation && operation.nr)).toEqual([1n]);
});

// Reference host-and-vmm sections 2.1 to 2.5.
test.each<[string, readonly UserCall[], string]>([
  ["a VM without a vCPU", [LIFE_OF.createVm, run("writes")], "-EBADF"],
  ["an fd that is closed", [LIFE_OF.createVm, { op: "user_close", process: 0, vm: 0 }, run("writes")], "-EBADF"],
  [
    "another process's VM",
    [LIFE_OF.createVm, { op: "user_send_fd", process: 0, vm: 0, to: 1 }, { op: "user_create_vcpu", process: 1, vm: 0 }],
    "-EIO",
  ],
  ["the log of a protected VM", [LIFE_OF.createVm, log(true)], "-EPERM"],
  [
    "memory that is unmapped",
    [LIFE_OF.createVm, LIFE_OF.createVcpu, { op: "user_munmap", process: 0, page: 0 }, run("writes")],
    "-EFAULT",
  ],
  ["a process that is gone", [{ op: "user_exit", process: 0 }, LIFE_OF.createVm], "-ESRCH"],
])("%s: refused", async (_, calls, answer) => {
  expect((await told("tiny", calls)).at(-1)?.[0]).toBe(answer);
});

test("calls in words", () => {
  expect(LIFE.map(userCallText)).toEqual([
    "process 0: create_vm(VM 0), protected",
    "process 0: create_vcpu(VM 0)",
    "process 0: run(VM 0), the guest writes page 0",
    "process 0: exit()",
  ]);
});
