// The transition result matrix of reference 3.1: what every call answers for a page in every state, and what it makes of
// the page where it succeeds (the tables of 3.2 to 3.10). A refused call leaves the machine as it was.

import { beforeAll, describe, expect, test } from "vitest";
import { Machine } from "../../../src/machine/machine.js";
import type { MachineConfig } from "../../../src/machine/config.js";
import type { Operation } from "../../../src/machine/operations.js";
import { stateOf } from "./machine-state.js";
import {
  donateGuest,
  forceReclaim,
  guestShares,
  guestState,
  guestUnshares,
  hostReads,
  makeVm,
  must,
  pageStates,
  pin,
  reclaim,
  result,
  shareGuest,
  unpin,
  unshareGuest,
  type State,
} from "./scenario.js";

const REGIONS: MachineConfig = {
  ia_bits: 40,
  regions: [
    { base: 0x4000_0000n, size: 0x400_0000n },
    { base: 0x5000_0000n, size: 0x20_0000n, nomap: true },
  ],
  hyp_carveout: { base: 0x4200_0000n, size: 0x60_0000n },
};

/** The page that changes hands; a page of EL2's text, of firmware-reserved memory, of device space. */
const PFN = 0x40100n;
const TEXT = 0x42001n;
const NOMAP = 0x50001n;
const MMIO = 0x9000n;
/** Where guests see it, and where they see something else or nothing. */
const GFN = 0x80000n;
const UNUSED = 0x80007n;
const BEYOND = 1n << 28n;

/** Another page of the host's. */
const SPARE = 0x40110n;
/** What the non-protected VM is made of: its first page is its root, a table with no reference but its own. */
const NP_AREA = 0x41100n;
const REUSE_AREA = 0x41300n;

/** A host with VMs that have table pages to spare: the protected one that has the page, another one, a non-protected one. */
interface Host {
  readonly machine: Machine;
  readonly pvm: number;
  readonly other: number;
  readonly np: number;
}

async function aHost(): Promise<Host> {
  const machine = await Machine.create(REGIONS);
  const pvm = makeVm(machine, { protected: true, area: 0x41000n, memcache: 6 });
  const np = makeVm(machine, { protected: false, area: NP_AREA, memcache: 6 });
  const other = makeVm(machine, { protected: true, area: 0x41200n, memcache: 6 });
  return { machine, pvm, other, np };
}

// prettier-ignore
const COLUMNS = ["share_hyp", "unshare_hyp", "donate_hyp", "hyp_donate_host", "pin", "share_ffa", "unshare_ffa", "share_guest", "donate_guest", "force_reclaim", "host access"] as const;
type Column = (typeof COLUMNS)[number];

/** The call of a column, with an unused target IPA. */
function call(column: Column, { other, np }: Host, pfn: bigint): Operation {
  switch (column) {
    case "share_hyp":
    case "unshare_hyp":
      return { op: `host_${column}`, pfn };
    case "donate_hyp":
    case "share_ffa":
    case "unshare_ffa":
      return { op: `host_${column}`, pfn, nr: 1 };
    case "hyp_donate_host":
      return { op: column, pfn, nr: 1 };
    case "pin":
      return pin(pfn);
    case "share_guest":
      return shareGuest(np, pfn, UNUSED);
    case "donate_guest":
      return donateGuest(other, pfn, UNUSED);
    case "force_reclaim":
      return forceReclaim(pfn);
    case "host access":
      return hostReads(pfn << 12n);
  }
}

/** What the matrix says: a result, or of an access whether it completes. */
function cell(machine: Machine, operation: Operation): string {
  const outcome = machine.apply(operation);
  const abort = outcome.details.abort;
  if (abort === undefined) return result(outcome);
  return abort.result === "injected" ? "inject" : "ok";
}

// How PFN comes into a state, where it is not in it from the start; and the pages that are there from the start.
const IN_STATE: Readonly<Record<string, (host: Host) => void>> = {
  "T1 shared with hyp, R=0": ({ machine }) => run(machine, { op: "host_share_hyp", pfn: PFN }),
  "T1 pinned": ({ machine }) => run(machine, { op: "host_share_hyp", pfn: PFN }, pin(PFN)),
  "T2 FF-A": ({ machine }) => run(machine, { op: "host_share_ffa", pfn: PFN, nr: 1 }),
  "T3 np-VM": ({ machine, np }) => run(machine, shareGuest(np, PFN, GFN)),
  "T4 hyp": ({ machine }) => run(machine, { op: "host_donate_hyp", pfn: PFN, nr: 1 }),
  "T5 pVM OWNED": ({ machine, pvm }) => run(machine, donateGuest(pvm, PFN, GFN)),
  "T6 pVM SHARED_OWNED": ({ machine, pvm }) => run(machine, donateGuest(pvm, PFN, GFN), guestShares(pvm, GFN)),
  "T7 leaked, handle free": leak,
  "T7 leaked, handle reused": (host) => {
    leak(host);
    makeVm(host.machine, { protected: true, area: REUSE_AREA, memcache: 6 });
  },
  "T7 leaked, gfn in use": (host) => {
    leak(host);
    const vm = makeVm(host.machine, { protected: true, area: REUSE_AREA, memcache: 6 });
    run(host.machine, donateGuest(vm, SPARE, GFN));
  },
};
const PAGES: Readonly<Record<string, bigint>> = { "T4 hyp text": TEXT, "T4 in use, R=1": NP_AREA, NOMAP, MMIO };

/** A host that ends the VM without taking the guest's page back. */
function leak({ machine, pvm: vm }: Host): void {
  run(machine, donateGuest(vm, PFN, GFN), { op: "start_teardown_vm", vm }, { op: "finalize_teardown_vm", vm });
}

function run(machine: Machine, ...operations: Operation[]): void {
  for (const operation of operations) must(machine, operation);
}

describe("host side", () => {
  let host: Host;
  beforeAll(async () => {
    host = await aHost();
  });

  // Abbreviated: EP EPERM, EB EBUSY, EA EAGAIN, EN ENOENT, EF EFAULT, "!" fatal. "-": no such call. unshare_ffa of T1 and T3
  // succeeds because it looks at the host's state alone: EL2's FF-A proxy never asks it.
  // prettier-ignore
  test.each([
    //                             share  unsh.  don.   hyp_d  pin   share  unsh.  share  donate force  host
    //                             _hyp   _hyp   _hyp   _host        _ffa   _ffa   _guest _guest _recl. access
    ["T0 host OWNED",             "0",   "EP",  "0",   "EP",  "EP", "0",   "EP",  "0",   "0",   "EA", "ok"],
    ["T1 shared with hyp, R=0",   "EP",  "0",   "EP",  "EP",  "0",  "EP",  "0",   "EP",  "EP",  "EA", "ok"],
    ["T1 pinned",                 "EP",  "EB",  "EP",  "EP",  "0",  "EP",  "0",   "EP",  "EP",  "EA", "ok"],
    ["T2 FF-A",                   "EP",  "EP",  "EP",  "EP",  "EP", "EP",  "0",   "EP",  "EP",  "EA", "ok"],
    ["T3 np-VM",                  "EP",  "EP",  "EP",  "EP",  "EP", "EP",  "0",   "0",   "EP",  "EA", "ok"],
    ["T4 hyp",                    "EP",  "EP",  "EP",  "0",   "EP", "EP",  "EP",  "EP",  "EP",  "EP", "inject"],
    ["T4 in use, R=1",            "EP",  "EP",  "EP",  "EB",  "EP", "EP",  "EP",  "EP",  "EP",  "EP", "inject"],
    ["T4 hyp text",               "EP",  "EP",  "EP",  "0",   "EP", "EP",  "EP",  "EP",  "EP",  "!",  "ok"],
    ["T5 pVM OWNED",              "EP",  "EP",  "EP",  "EP",  "EP", "EP",  "EP",  "EP",  "EP",  "0",  "inject"],
    ["T6 pVM SHARED_OWNED",       "EP",  "EP",  "EP",  "EP",  "EP", "EP",  "EP",  "EP",  "EP",  "EA", "ok"],
    ["T7 leaked, handle free",    "EP",  "EP",  "EP",  "EP",  "EP", "EP",  "EP",  "EP",  "EP",  "EA", "inject"],
    ["T7 leaked, handle reused",  "EP",  "EP",  "EP",  "EP",  "EP", "EP",  "EP",  "EP",  "EP",  "EN", "inject"],
    ["T7 leaked, gfn in use",     "EP",  "EP",  "EP",  "EP",  "EP", "EP",  "EP",  "EP",  "EP",  "!",  "inject"],
    ["NOMAP",                     "EP",  "EP",  "EP",  "EP",  "EP", "EP",  "EP",  "EP",  "EP",  "EA", "ok"],
    ["MMIO",                      "EP",  "EP",  "EP",  "-",   "EP", "EP",  "EP",  "EP",  "EP",  "EF", "ok"],
  ])("%s", (state, ...row) => {
    const { machine } = host;
    const initial = machine.snapshot();
    try {
      IN_STATE[state]?.(host);
      expect(answers(host, PAGES[state] ?? PFN, row)).toEqual(Object.fromEntries(row.map((text, i) => [COLUMNS[i], long(text)])));
    } finally {
      machine.restore(initial);
    }
  });
});

const LONG: Readonly<Record<string, string>> = {
  EP: "EPERM",
  EB: "EBUSY",
  EA: "EAGAIN",
  EN: "ENOENT",
  EF: "EFAULT",
  EH: "EHWPOISON",
  ER: "ERANGE",
  "!": "fatal",
};
const long = (text: string): string => LONG[text] ?? text;

/** Every column's answer for one page, each from the same state; a refusal that changed something says so. */
function answers(host: Host, pfn: bigint, row: readonly string[]): Record<string, string> {
  const { machine } = host;
  const before = machine.snapshot();
  const stateBefore = stateOf(machine);
  const found: Record<string, string> = {};
  COLUMNS.forEach((column, index) => {
    if (row[index] === "-") {
      found[column] = "-";
      return;
    }
    const answer = cell(machine, call(column, host, pfn));
    const refused = answer.startsWith("E") || answer === "inject";
    found[column] = refused && stateOf(machine) !== stateBefore ? `${answer}, and changed something` : answer;
    machine.restore(before);
  });
  return found;
}

test("hyp_donate_host of device space has no page entry to look at: EL2 faults", async () => {
  const { machine } = await aHost();
  expect(machine.apply({ op: "hyp_donate_host", pfn: MMIO, nr: 1 }).panic).toMatchObject({ kind: "el2-fault" });
});

describe("guest side", () => {
  // What a guest's leaf may hold, and how it comes to it.
  const LEAVES: Readonly<Record<string, (vm: number) => Operation[]>> = {
    OWNED: (vm) => [donateGuest(vm, PFN, GFN)],
    SHARED_OWNED: (vm) => [donateGuest(vm, PFN, GFN), guestShares(vm, GFN)],
    POISON: (vm) => [donateGuest(vm, PFN, GFN), forceReclaim(PFN)],
    SHARED_BORROWED: (vm) => [shareGuest(vm, PFN, GFN)],
  };

  // prettier-ignore
  test.each([
    // leaf               guest_share  guest_unshare  reclaim (dying)  unshare_guest  donate_guest  share_guest at this IPA
    ["invalid",          "EN",        "EN",          "EN",            "EN",          "0",          "0"],
    ["OWNED",            "0",         "EP",          "0",             "EP",          "EP",         "EP"],
    ["SHARED_OWNED",     "EP",        "0",           "0",             "EP",          "EP",         "EP"],
    ["POISON",           "EH",        "EH",          "0",             "EN",          "EP",         "EP"],
    ["SHARED_BORROWED",  "EP",        "EP",          "EP",            "0",           "EP",         "EP"],
    ["beyond IPA space", "ER",        "ER",          "ER",            "ER",          "ER",         "ER"],
  ])("%s", async (leaf, ...row) => {
    const { machine, pvm, np } = await aHost();
    const vm = leaf === "SHARED_BORROWED" ? np : pvm;
    const gfn = leaf === "beyond IPA space" ? BEYOND : GFN;
    run(machine, ...(LEAVES[leaf]?.(vm) ?? []));
    const before = machine.snapshot();
    const operations = [
      guestShares(vm, gfn),
      guestUnshares(vm, gfn),
      { op: "reclaim_dying_guest_page", vm, gfn },
      unshareGuest(vm, gfn),
      donateGuest(vm, SPARE, gfn),
      shareGuest(vm, SPARE, gfn),
    ] satisfies Operation[];

    const found = operations.map((operation) => {
      if (operation.op === "reclaim_dying_guest_page") must(machine, { op: "start_teardown_vm", vm });
      const answer = cell(machine, operation);
      machine.restore(before);
      return answer;
    });
    expect(found).toEqual(row.map(long));
  });
});

describe("what a successful call makes of the page", () => {
  interface Tuple {
    readonly host: State;
    readonly hyp: State;
    /** Mappings by non-protected guests, and pins. */
    readonly counts: readonly [shares: number, pins: number];
    /** The guests' states at GFN. */
    readonly guests: readonly [pvm: State, np: State];
    /** The host's leaf: nothing yet, mapped, or the note of an owner. */
    readonly hostLeaf: "none" | "mapped" | "hyp" | "guest";
    /** Whether EL2 maps the page. */
    readonly mappedByHyp: boolean;
  }

  const T0: Tuple = {
    host: "OWNED",
    hyp: "NOPAGE",
    counts: [0, 0],
    guests: ["NOPAGE", "NOPAGE"],
    hostLeaf: "none",
    mappedByHyp: false,
  };
  const T0_MAPPED: Tuple = { ...T0, hostLeaf: "mapped" };
  const T1: Tuple = { ...T0, host: "SHARED_OWNED", hyp: "SHARED_BORROWED" };
  const T1_PINNED: Tuple = { ...T1, counts: [0, 1], mappedByHyp: true };
  const T2: Tuple = { ...T0, host: "SHARED_OWNED" };
  const T3: Tuple = { ...T2, counts: [1, 0], guests: ["NOPAGE", "SHARED_BORROWED"] };
  const T4: Tuple = { ...T0, host: "NOPAGE", hyp: "OWNED", hostLeaf: "hyp", mappedByHyp: true };
  const T5: Tuple = { ...T0, host: "NOPAGE", guests: ["OWNED", "NOPAGE"], hostLeaf: "guest" };
  const T6: Tuple = { ...T5, host: "SHARED_BORROWED", guests: ["SHARED_OWNED", "NOPAGE"], hostLeaf: "mapped" };
  const POISONED: Tuple = { ...T0_MAPPED, guests: ["POISON", "NOPAGE"] };

  // The page is touched in no other way, so the host maps it only where a call does (1.5: "0 or valid RWX").
  // prettier-ignore
  const TRANSITIONS: readonly (readonly [from: string, verb: string, operation: (host: Host) => Operation, to: Tuple])[] = [
    ["T0 host OWNED",           "share_hyp",       (host) => call("share_hyp", host, PFN),                      T1],
    ["T0 host OWNED",           "donate_hyp",      (host) => call("donate_hyp", host, PFN),                     T4],
    ["T0 host OWNED",           "share_ffa",       (host) => call("share_ffa", host, PFN),                      T2],
    ["T0 host OWNED",           "share_guest",     ({ np }) => shareGuest(np, PFN, GFN),                        T3],
    ["T0 host OWNED",           "donate_guest",    ({ pvm }) => donateGuest(pvm, PFN, GFN),                     T5],
    ["T0 host OWNED",           "host access",     (host) => call("host access", host, PFN),                    T0_MAPPED],
    ["T1 shared with hyp, R=0", "unshare_hyp",     (host) => call("unshare_hyp", host, PFN),                    T0],
    ["T1 shared with hyp, R=0", "pin",             (host) => call("pin", host, PFN),                            T1_PINNED],
    ["T1 pinned",               "pin",             (host) => call("pin", host, PFN),                            { ...T1_PINNED, counts: [0, 2] }],
    ["T1 pinned",               "unpin",           () => unpin(PFN),      T1],
    ["T2 FF-A",                 "unshare_ffa",     (host) => call("unshare_ffa", host, PFN),                    T0],
    ["T3 np-VM",                "share_guest",     (host) => call("share_guest", host, PFN),                    { ...T3, counts: [2, 0] }],
    ["T3 np-VM",                "unshare_guest",   ({ np }) => unshareGuest(np, GFN), T0],
    ["T4 hyp",                  "hyp_donate_host", (host) => call("hyp_donate_host", host, PFN),                T0_MAPPED],
    ["T5 pVM OWNED",            "guest_share",     ({ pvm }) => guestShares(pvm, GFN),            T6],
    ["T5 pVM OWNED",            "force_reclaim",   (host) => call("force_reclaim", host, PFN),                  POISONED],
    ["T5 pVM OWNED",            "reclaim",         ({ pvm }) => reclaim(pvm, GFN), T0_MAPPED],
    ["T6 pVM SHARED_OWNED",     "guest_unshare",   ({ pvm }) => guestUnshares(pvm, GFN),          T5],
    ["T6 pVM SHARED_OWNED",     "reclaim",         ({ pvm }) => reclaim(pvm, GFN), T0_MAPPED],
  ];

  function hostLeaf(machine: Machine): Tuple["hostLeaf"] {
    const descriptor = machine.leaf("host", PFN << 12n)?.descriptor ?? 0n;
    if (descriptor === 0n) return "none";
    if ((descriptor & 1n) === 1n) return "mapped";
    return ((descriptor >> 1n) & 7n) === 1n ? "hyp" : "guest";
  }

  test.each(TRANSITIONS)("%s: %s", async (from, _verb, operation, to) => {
    const host = await aHost();
    const { machine, pvm, np } = host;
    // EL2's mappings come and go one by one with the calls that make them.
    let mappedByHyp = false;
    machine.onEffects((_operation, effects) => {
      for (const effect of effects) {
        if (effect.kind === "hyp_map" && effect.pa === PFN << 12n) mappedByHyp = effect.after !== 0n;
      }
    });
    IN_STATE[from]?.(host);

    const outcome = must(machine, operation(host));

    expect(outcome.ret).toBe(0);
    const page = machine.pageState(PFN);
    expect({
      ...pageStates(machine, PFN),
      counts: [page?.shares, page?.refcount],
      guests: [guestState(machine, pvm, GFN), guestState(machine, np, GFN)],
      hostLeaf: hostLeaf(machine),
      mappedByHyp,
    }).toEqual(to);
  });
});
