// The host actions that were run against a real Linux 7.3.4 host (recordings of a real host, section 2): same result for the
// host, same pages seized, same effect on the guest. The expected values are those of the recordings' table.

import { describe, expect, test } from "vitest";
import { bundledScenarios } from "../../src/scenario/bundled-scenarios.js";
import { type RunReport, runScenario, type StepReport } from "../../src/scenario/run-scenario.js";
import { pkvm } from "../../src/scenario/systems/pkvm/index.js";

const SCENARIOS = await bundledScenarios();

/** What one call or touch of the host answered; fields that the table does not name are not compared. */
interface Answer {
  readonly result: string;
  readonly value?: bigint;
  readonly bytes?: number;
}

/** What became of the guest: see `CONTINUATIONS`. */
type Guest = "unharmed" | "VCPU dead" | "gone" | "sees the device's data" | "new page refused";

const OK = { result: "ok" } as const;
const SEGV = { result: "SIGSEGV/SEGV_ACCERR" } as const;
const EFAULT = { result: "EFAULT" } as const;
/** "64 bytes, zeros" */
const ZEROS = { result: "ok", bytes: 64, value: 0n } as const;

// prettier-ignore
const ACTIONS: readonly [number: number, action: string, host: readonly Answer[], reclaims: number | null, guest: Guest][] = [
  // no. action                                              result for the host        force reclaims (null: not traced), guest
  [0, "load by the VM monitor, handler installed",          [SEGV],                                               0, "unharmed"],
  [1, "store by the monitor",                               [SEGV],                                               0, "unharmed"],
  [2, "load without a handler",                             [SEGV, { result: "ok", value: 0n }],                  0, "gone"],
  [3, "write(pipe) from it",                                [EFAULT],                                             0, "unharmed"],
  [4, "read(pipe) into it",                                 [EFAULT],                                             0, "unharmed"],
  [5, "process_vm_readv",                                   [ZEROS],                                              1, "VCPU dead"],
  [6, "process_vm_writev",                                  [{ result: "ok", bytes: 64 }],                        1, "VCPU dead"],
  [7, "pread of /proc/self/mem",                            [ZEROS],                                              1, "VCPU dead"],
  [8, "vmsplice, then read of the pipe",                    [{ result: "ok", bytes: 64 }, ZEROS],                 1, "VCPU dead"],
  [9, "O_DIRECT write of the page to a block device",       [{ result: "ok", bytes: 4096, value: 0xa004n }],      0, "unharmed"],
  [10, "O_DIRECT read into the page",                       [{ result: "ok", bytes: 4096 }],                      0, "sees the device's data"],
  [11, "fork() of the monitor",                             [{ result: "ok", value: 0n }],                       20, "VCPU dead"],
  [12, "madvise MADV_DONTNEED",                             [OK, { result: "ok", value: 0n }],                    0, "unharmed"],
  [13, "munmap of the page",                                [OK],                                                 0, "unharmed"],
  [14, "madvise MADV_HWPOISON",                             [{ result: "SIGBUS/BUS_MCEERR_AR" }, { result: "SIGBUS/BUS_MCEERR_AR" }], 0, "unharmed"],
  [15, "mprotect PROT_NONE on 64 pages",                    [OK],                                                 0, "new page refused"],
  [16, "futex(FUTEX_WAIT) on it",                           [EFAULT],                                             0, "unharmed"],
  [17, "memslot: delete / dirty logging / read-only / move / add another",
    [{ result: "EPERM" }, { result: "EPERM" }, { result: "EINVAL" }, { result: "EPERM" }, OK],                    0, "unharmed"],
  [18, "MADV_PAGEOUT, then compact_memory",                 [OK, OK, SEGV],                                       0, "unharmed"],
  [19, "MADV_SOFT_OFFLINE",                                 [{ result: "EBUSY" }],                                0, "unharmed"],
  [20, "another process reads /proc/PID/mem (itself made by fork)", [OK, ZEROS],                                    20, "VCPU dead"],
  [21, "process_vm_readv twice, then load and store",       [ZEROS, ZEROS, { result: "ok", value: 0n }, OK],      1, "VCPU dead"],
  [22, "read(/dev/zero) into it",                           [EFAULT],                                             0, "unharmed"],
  [23, "write(memfd) from it; writev(memfd) of a good page and it", [EFAULT, { result: "ok", bytes: 4096 }],      0, "unharmed"],
  [24, "rt_sigprocmask(set in it); clock_gettime(into it)", [EFAULT, EFAULT],                                     0, "unharmed"],
  [25, "vfork, then mremap to another address",             [OK, OK, SEGV],                                       0, "unharmed"],
  [26, "fault without a handler, core dump on",             [OK, SEGV],                                        null, "gone"],
  [27, "no-fault kernel read of the page and of a page of the hypervisor",
    [{ result: "ok", value: 0n }, { result: "ok", value: 0n }],                                                   0, "unharmed"],
];

/** Steps of a run by who takes them: the guest sets up, the host acts, the guest goes on. */
function phases(run: RunReport): { setup: StepReport[]; host: StepReport[]; guest: StepReport[] } {
  const steps = run.steps.filter(({ skipped }) => !skipped);
  const isGuests = ({ step: { action } }: StepReport) => "by" in action && action.by === "guest";
  const first = steps.findIndex((step) => !isGuests(step));
  const last = steps.findLastIndex((step) => !isGuests(step));
  return { setup: steps.slice(0, first), host: steps.slice(first, last + 1), guest: steps.slice(last + 1) };
}

const results = (steps: readonly StepReport[]) => steps.map(({ result }) => result.result);
const written = (page: number) => 0xa000n + BigInt(page);

/** Pages that a load of the guest found as it had written them. */
function pagesRight(steps: readonly StepReport[]): number[] {
  return steps.flatMap(({ step: { action }, result }) => {
    if (action.verb !== "access" || action.page.name !== "ram" || result.result !== "ok") return [];
    return result.value === written(action.page.index) ? [action.page.index] : [];
  });
}

const upTo = (end: number) => Array.from({ length: end }, (_, page) => page);
const ALL_16 = upTo(16);

/** What the guest finds when it goes on by reading its pages. */
const CONTINUATIONS: Readonly<Record<Guest, (steps: readonly StepReport[], run: RunReport) => void>> = {
  unharmed: (steps, run) => {
    expect(pagesRight(steps)).toEqual(ALL_16);
    expect(new Set(results(steps))).toEqual(new Set(["ok"]));
    expect(run.died).toEqual([]);
  },
  // Up to the first page that was seized, and then the same answer again and again.
  "VCPU dead": (steps, run) => {
    const failed = results(steps).indexOf("KVM_RUN EFAULT");
    expect(pagesRight(steps)).toEqual(upTo(failed));
    expect(results(steps).slice(failed)).toEqual(["KVM_RUN EFAULT", "KVM_RUN EFAULT"]);
    expect(run.died).toEqual([]);
  },
  gone: (steps, run) => {
    expect(steps).toEqual([]);
    expect(run.died).toEqual(["vmm", "guest"]);
  },
  "sees the device's data": (steps, run) => {
    expect(pagesRight(steps)).toEqual(ALL_16.filter((page) => page !== 4));
    expect(new Set(results(steps))).toEqual(new Set(["ok"]));
    expect(run.died).toEqual([]);
  },
  "new page refused": (steps) => {
    expect(pagesRight(steps)).toEqual(ALL_16);
    expect(results(steps).slice(16)).toEqual(["KVM_RUN EFAULT"]);
  },
};

describe.each(ACTIONS)("action %i, %s", (number, _action, host, reclaims, guest) => {
  const prefix = `action-${String(number).padStart(2, "0")}-`;
  const scenario = SCENARIOS.find(({ name }) => name.startsWith(prefix));

  test("same result for the host, same pages seized, same effect on the guest", async () => {
    if (scenario === undefined) throw new Error(`no scenario ${prefix}*`);
    const run = await runScenario(scenario, pkvm);
    const { setup, host: acted, guest: goesOn } = phases(run);

    expect(setup).toHaveLength(20);
    expect(acted.map(({ result }) => result)).toMatchObject(host);
    if (reclaims !== null) expect(acted.reduce((sum, { result }) => sum + result.forceReclaims, 0)).toBe(reclaims);
    CONTINUATIONS[guest](goesOn, run);
  });
});

// prettier-ignore
describe.each<[actions: readonly number[], page: string, store: string, share: string, unshare: string]>([
  // actions        page                             store             MEM_SHARE            MEM_UNSHARE
  [[0, 3, 12, 13], "untouched or refused access",    "ok",             "ok",                "INVALID_PARAMETER"],
  [[5, 6, 8],      "force-reclaimed",                "KVM_RUN EFAULT", "INVALID_PARAMETER", "INVALID_PARAMETER"],
])("after actions %j: page %s", (actions, _page, store, share, unshare) => {
  test.each(actions)("action %i: store, MEM_SHARE, MEM_UNSHARE", async (number) => {
    const prefix = `after-action-${String(number).padStart(2, "0")}-`;
    const scenario = SCENARIOS.find(({ name }) => name.startsWith(prefix));
    if (scenario === undefined) throw new Error(`no scenario ${prefix}*`);

    const { steps, died } = await runScenario(scenario, pkvm);
    const after = steps.slice(20);
    const answerTo = (verb: string, index: number) =>
      after.find(({ step: { action } }) => action.verb === verb && "pages" in action && action.pages[0]?.index === index)
        ?.result.result;
    const stored = after.findLast(({ step: { action } }) => action.verb === "access" && action.kind === "store");

    expect(stored?.result.result).toBe(store);
    expect(answerTo("share", 5)).toBe(share);
    expect(answerTo("reclaim", 6)).toBe(unshare);
    expect(died).toEqual([]);
  });
});
