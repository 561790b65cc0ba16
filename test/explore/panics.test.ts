// EL2 panics of unmodified pKVM 7.3: every one that was recorded from the real EL2 (golden vectors pkvm, section 2.1) is found by
// a search, with who can cause it.

import { readdirSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { actorOf, type Actor } from "../../src/explore/caller.js";
import type { Step } from "../../src/explore/domain.js";
import { explore } from "../../src/explore/explore.js";
import { debugPanicDomain, panicDomain } from "../../src/explore/panic-domain.js";
import type { Finding } from "../../src/explore/search.js";
import { panicOf } from "../../src/machine/outcome.js";

const VECTORS = new URL("../vectors/pkvm/", import.meta.url);

interface RecordedPanic {
  readonly op: string;
  readonly panic: { readonly kind: string; readonly func?: string };
}

const panicText = (op: string, kind: string, func: string | null): string =>
  [op, kind, ...(func === null ? [] : [func])].join(" ");

/** `init_vm el2-fault`, `host_abort bug handle_host_mem_abort`: all of a file, each once. */
function recordedPanics(file: string): string[] {
  const lines = gunzipSync(readFileSync(new URL(file, VECTORS)))
    .toString()
    .split("\n");
  const panics = lines.filter((line) => line.includes('"panic":')).map((line) => JSON.parse(line) as RecordedPanic);
  return [...new Set(panics.map(({ op, panic: { kind, func = null } }) => panicText(op, kind, func)))];
}

function foundPanic({ code, steps }: Finding): string {
  const { kind, func } = panicOf(code);
  return panicText(steps.at(-1)?.op ?? "", kind, func);
}

const SEARCH = { all: true, maxStates: 10_000 } as const;
const searches = Promise.all([explore(panicDomain(), SEARCH), explore(debugPanicDomain(), SEARCH)]);
const findings = searches.then((ended) => ended.flatMap((exploration) => exploration.findings));

test("both machines are searched to the end, and nothing but panics is asked for", async () => {
  expect((await searches).map(({ end }) => end)).toEqual(["exhausted", "exhausted"]);
  expect(new Set((await findings).map(({ kind }) => kind))).toEqual(new Set(["panic"]));
});

// Those with panics in them, and what README section 2.1 says of how many ways there are in file 07.
const FILES = readdirSync(VECTORS).filter((name) => /^(0[79]|1\d)-.*\.gz$/.test(name));

test("the recorded panics are those of the files that the vectors' description names", () => {
  const files = FILES.filter((file) => recordedPanics(file).length !== 0).map((file) => file.slice(0, 2));
  expect(files).toEqual(["07", "09", "13", "14"]);
  expect(FILES.flatMap(recordedPanics).length).toBeGreaterThan(15);
});

test.each([...new Set(FILES.flatMap(recordedPanics))])("recorded, and found: %s", async (recorded) => {
  expect((await findings).map(foundPanic)).toContain(recorded);
});

// Who makes the last call. What only EL2's own functions do is found too, and blamed on nobody.
test.each<[string, Actor]>([
  ["init_vm el2-fault", "host"],
  ["host_force_reclaim_page_guest warn host_stage2_decode_gfn_meta", "host"],
  ["host_force_reclaim_page_guest warn __pkvm_host_force_reclaim_page_guest", "host"],
  ["hcall_share_guest warn __pkvm_host_share_guest", "host"],
  ["hcall_test_clear_young_guest warn kvm_pgtable_stage2_test_clear_young", "host"],
  ["hcall_donate_guest warn __pkvm_host_donate_hyp", "host"],
  ["access bug handle_host_mem_abort", "host"],
  ["hcall_mkyoung_guest warn assert_host_shared_guest", "host"],
  ["host_abort warn host_inject_mem_abort", "hypervisor"],
  ["hyp_unpin_shared_mem bug hyp_page_ref_dec", "hypervisor"],
  ["hyp_donate_host el2-fault", "hypervisor"],
  ["host_donate_hyp warn __pkvm_host_donate_hyp", "hypervisor"],
])("%s: caused by %s", async (panic, actor) => {
  const finding = (await findings).find((one) => foundPanic(one) === panic);
  expect(actorOf(finding?.steps.at(-1) ?? expect.fail("not found"))).toBe(actor);
});

test("no guest can cause one", async () => {
  expect((await findings).map(({ steps }) => actorOf(steps.at(-1) ?? expect.fail()))).not.toContain("guest");
});

// A page that was left behind, and the handle's next VM with another page at that frame (reference pkvm-el2 section 5.7).
test("the shortest way to the longest: a handle is used again", async () => {
  const way = (await findings).find((one) => foundPanic(one).endsWith("__pkvm_host_force_reclaim_page_guest"));
  const made = ["reserve_vm", "init_vm", "init_vcpu", "vcpu_load", "host_memcache_push_loaded", "hcall_donate_guest"];
  const ended = ["vcpu_put", "start_teardown_vm", "finalize_teardown_vm"];
  expect(way?.steps.map(({ op }) => op)).toEqual([...made, ...ended, ...made, "host_force_reclaim_page_guest"]);
});

const abort = (esr: bigint, spsr: bigint): Step => ({
  op: "host_abort",
  esr,
  spsr,
  far: 0n,
  hpfar: 0n,
  at_fail: false,
});

test.each<[string, Step, Actor]>([
  ["an abort from EL1", abort(0x9200_0007n, 0x3c5n), "host"],
  ["an abort from EL0", abort(0x8200_0007n, 0n), "user"],
  ["an abort from EL2 itself", abort(0x9600_0007n, 0x3c5n), "hypervisor"],
  ["a guest's hypercall", { op: "guest_share_host", vm: 0x1000, vcpu: 0, gfn: 0n }, "guest"],
  ["a guest's access", { op: "access", access: { stage2: 0x1000, ipa: 0n, kind: "read" } }, "guest"],
])("%s", (_, step, actor) => {
  expect(actorOf(step)).toBe(actor);
});
