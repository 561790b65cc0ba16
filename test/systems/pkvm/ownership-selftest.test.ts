// The ownership selftest that EL2 runs on itself at boot (nvhe/mem_protect.c:pkvm_ownership_selftest; reference 12):
// 100 calls on one page P and two guest frames g and g + 1. After every call the states of P at the host and at EL2 and
// of both guest frames are compared.
//
// The guest is a non-protected VM, and pages are donated to it all the same: the functions are called directly, and
// host_donate_guest does not look at the protected flag. P is a page that host_donate_hyp made EL2's (T4) instead of one
// from EL2's own pool, and the memcache holds the tables twice over where the selftest has a pool of its own.

import { expect, test } from "vitest";
import { Machine } from "../../../src/machine/machine.js";
import type { Operation } from "../../../src/machine/operations.js";
import { guestState, makeVm, must, pageStates, result, RWX, type State } from "./scenario.js";

// Rows, words and abbreviations of reference 12. Unpin is no numbered step; like pin it says how many pins are left.
// prettier-ignore
const SCRIPT: readonly (readonly [steps: string, host: State, hyp: State, g: State, g1: State, calls: string])[] = [
  // steps    H                  Y                  g                  g + 1
  ["1-9",    "NOPAGE",          "OWNED",           "NOPAGE",          "NOPAGE",
    "donate_hyp EP, share_hyp EP, unshare_hyp EP, share_ffa EP, unshare_ffa EP, pin EP, share_guest(g) EP, unshare_guest(g) EN, donate_guest(g) EP"],
  ["10-15",  "OWNED",           "NOPAGE",          "NOPAGE",          "NOPAGE",
    "hyp_donate_host 0, hyp_donate_host EP, unshare_hyp EP, unshare_ffa EP, unshare_guest(g) EN, pin EP"],
  ["16-23",  "SHARED_OWNED",    "SHARED_BORROWED", "NOPAGE",          "NOPAGE",
    "share_hyp 0, share_hyp EP, donate_hyp EP, share_ffa EP, hyp_donate_host EP, share_guest(g) EP, unshare_guest(g) EN, donate_guest(g) EP"],
  ["24-33",  "SHARED_OWNED",    "SHARED_BORROWED", "NOPAGE",          "NOPAGE",
    "pin 0 =1, pin 0 =2, unpin =1, unshare_hyp EB, share_hyp EP, donate_hyp EP, share_ffa EP, hyp_donate_host EP, share_guest(g) EP, unshare_guest(g) EN, donate_guest(g) EP, unpin =0"],
  ["34",     "OWNED",           "NOPAGE",          "NOPAGE",          "NOPAGE",
    "unshare_hyp 0"],
  ["35-44",  "SHARED_OWNED",    "NOPAGE",          "NOPAGE",          "NOPAGE",
    "share_ffa 0, share_ffa EP, donate_hyp EP, share_hyp EP, unshare_hyp EP, hyp_donate_host EP, share_guest(g) EP, unshare_guest(g) EN, donate_guest(g) EP, pin EP"],
  ["45-46",  "OWNED",           "NOPAGE",          "NOPAGE",          "NOPAGE",
    "unshare_ffa 0, unshare_ffa EP"],
  ["47-55",  "SHARED_OWNED",    "NOPAGE",          "SHARED_BORROWED", "NOPAGE",
    "share_guest(g) 0, share_guest(g) EP, share_ffa EP, donate_hyp EP, share_hyp EP, unshare_hyp EP, hyp_donate_host EP, donate_guest(g) EP, pin EP"],
  ["56",     "SHARED_OWNED",    "NOPAGE",          "SHARED_BORROWED", "SHARED_BORROWED",
    "share_guest(g+1) 0 =2"],
  ["57",     "SHARED_OWNED",    "NOPAGE",          "NOPAGE",          "SHARED_BORROWED",
    "unshare_guest(g) 0"],
  ["58",     "OWNED",           "NOPAGE",          "NOPAGE",          "NOPAGE",
    "unshare_guest(g+1) 0"],
  ["59-68",  "NOPAGE",          "NOPAGE",          "OWNED",           "NOPAGE",
    "donate_guest(g) 0, donate_guest(g) EP, donate_guest(g+1) EP, share_guest(g) EP, share_guest(g+1) EP, share_ffa EP, donate_hyp EP, share_hyp EP, unshare_hyp EP, hyp_donate_host EP"],
  ["69-79",  "SHARED_BORROWED", "NOPAGE",          "SHARED_OWNED",    "NOPAGE",
    "guest_share(g) 0, guest_share(g) EP, donate_guest(g) EP, donate_guest(g+1) EP, share_guest(g) EP, share_guest(g+1) EP, share_ffa EP, donate_hyp EP, share_hyp EP, unshare_hyp EP, hyp_donate_host EP"],
  ["80-90",  "NOPAGE",          "NOPAGE",          "OWNED",           "NOPAGE",
    "guest_unshare(g) 0, guest_unshare(g) EP, donate_guest(g) EP, donate_guest(g+1) EP, share_guest(g) EP, share_guest(g+1) EP, share_ffa EP, donate_hyp EP, share_hyp EP, unshare_hyp EP, hyp_donate_host EP"],
  ["91-95",  "OWNED",           "NOPAGE",          "POISON",          "NOPAGE",
    "force_reclaim(P) 0, donate_guest(g) EP, share_guest(g) EP, guest_share(g) EH, guest_unshare(g) EH"],
  ["96",     "NOPAGE",          "NOPAGE",          "POISON",          "OWNED",
    "donate_guest(g+1) 0"],
  ["97-99",  "OWNED",           "NOPAGE",          "POISON",          "NOPAGE",
    "reclaim(g+1) 0, donate_guest(g) EP, share_guest(g) EP"],
  ["100",    "NOPAGE",          "OWNED",           "POISON",          "NOPAGE",
    "donate_hyp 0"],
];

const RESULTS: Readonly<Record<string, string>> = { 0: "0", EP: "EPERM", EN: "ENOENT", EB: "EBUSY", EH: "EHWPOISON" };

interface Call {
  readonly name: string;
  /** Frames behind g. */
  readonly frame: bigint;
  readonly result: string;
  /** What the count of pins or of shares must be afterwards. */
  readonly count: number | undefined;
}

function parseCall(text: string): Call {
  const match = /^(\w+)(?:\((g|g\+1|P)\))?(?: (0|E[PNBH]))?(?: =(\d))?$/.exec(text);
  if (match?.[1] === undefined) throw new Error(`not a call: ${text}`);
  const result = RESULTS[match[3] ?? "0"] ?? "";
  return {
    name: match[1],
    frame: match[2] === "g+1" ? 1n : 0n,
    result,
    count: match[4] === undefined ? undefined : Number(match[4]),
  };
}

interface Selftest {
  readonly machine: Machine;
  readonly vm: number;
  readonly pfn: bigint;
  readonly g: bigint;
}

async function setUp(pageShift: 12 | 14 | 16, iaBits: 32 | 36 | 40 | 42 | 44 | 48): Promise<Selftest> {
  const machine = await Machine.create({
    page_shift: pageShift,
    ia_bits: iaBits,
    regions: [{ base: 0x4000_0000n, size: 0x4000_0000n }],
  });
  const pfn = 0x4100_0000n >> BigInt(pageShift);
  const tables = machine.config.geometry.memcacheMinPages;
  const vm = makeVm(machine, { protected: false, area: 0x4200_0000n >> BigInt(pageShift), memcache: 2 * tables });
  must(machine, { op: "host_donate_hyp", pfn, nr: 1 });
  return { machine, vm, pfn, g: (1n << BigInt(iaBits - 1)) >> BigInt(pageShift) };
}

function operation({ machine, vm, pfn, g }: Selftest, { name, frame }: Call): Operation {
  const guest = { vm, vcpu: 0, gfn: g + frame };
  const phys = pfn << BigInt(machine.pageShift);
  const page = { from: phys, to: phys + BigInt(machine.pageSize) };
  switch (name) {
    case "share_hyp":
    case "unshare_hyp":
      return { op: `host_${name}`, pfn };
    case "donate_hyp":
    case "share_ffa":
    case "unshare_ffa":
      return { op: `host_${name}`, pfn, nr: 1 };
    case "hyp_donate_host":
      return { op: name, pfn, nr: 1 };
    case "pin":
    case "unpin":
      return { op: `hyp_${name}_shared_mem`, ...page };
    case "share_guest":
      return { op: "host_share_guest", ...guest, pfn, nr: 1, prot: RWX };
    case "unshare_guest":
      return { op: "host_unshare_guest", ...guest, nr: 1 };
    case "donate_guest":
      return { op: "host_donate_guest", ...guest, pfn };
    case "guest_share":
    case "guest_unshare":
      return { op: `${name}_host`, ...guest };
    case "force_reclaim":
      return { op: "host_force_reclaim_page_guest", phys };
    case "reclaim":
      return { op: "host_reclaim_page_guest", ...guest };
    default:
      throw new Error(`no function ${name}`);
  }
}

/** The count a step speaks of: pins of a page EL2 borrows, else guests' mappings. */
function countOf({ machine, pfn }: Selftest, call: Call): number {
  const page = machine.pageState(pfn);
  return (call.name === "share_guest" ? page?.shares : page?.refcount) ?? -1;
}

const stepsOf = (calls: string): Call[] => calls.split(", ").map(parseCall);

test("the script has the 100 steps of the reference", () => {
  const numbered = SCRIPT.map(([, , , , , calls]) => stepsOf(calls).filter(({ name }) => name !== "unpin").length);
  let step = 0;
  const ranges = numbered.map((count) => {
    const first = step + 1;
    step += count;
    return count === 1 ? `${first}` : `${first}-${step}`;
  });
  expect(ranges).toEqual(SCRIPT.map(([steps]) => steps));
  expect(step).toBe(100);
});

// The reference's selftest ran for all of these widths with 4 KiB pages; other granules take the same steps.
test.each([
  [12, 32],
  [12, 36],
  [12, 40],
  [12, 42],
  [12, 44],
  [12, 48],
  [14, 40],
  [16, 48],
] as const)("100 steps with pages of 2^%i bytes, IPA space of 2^%i bytes", async (pageShift, iaBits) => {
  const selftest = await setUp(pageShift, iaBits);
  const { machine, vm, pfn, g } = selftest;
  for (const [steps, host, hyp, stateOfG, stateOfG1, calls] of SCRIPT) {
    for (const call of stepsOf(calls)) {
      const outcome = machine.apply(operation(selftest, call));

      const found = [
        result(outcome),
        pageStates(machine, pfn),
        guestState(machine, vm, g),
        guestState(machine, vm, g + 1n),
      ];
      expect(found, `steps ${steps}: ${call.name}`).toEqual([call.result, { host, hyp }, stateOfG, stateOfG1]);
      if (call.count !== undefined) expect(countOf(selftest, call), `steps ${steps}: count`).toBe(call.count);
    }
  }
});
