// Every check and every assertion has words, and they hold what the check looked at.

import { expect, test } from "vitest";
import * as android from "../../assembly/abi/android.js";
import * as cca from "../../assembly/abi/cca.js";
import * as codes from "../../assembly/abi/codes.js";
import * as el2Calls from "../../assembly/abi/el2-calls.js";
import * as ffa from "../../assembly/abi/ffa.js";
import * as gunyah from "../../assembly/abi/gunyah.js";
import * as resourceManager from "../../assembly/abi/gunyah-rm.js";
import * as kvm from "../../assembly/abi/kvm.js";
import { kernelFunction } from "../../src/machine/functions.js";
import { OPERATIONS } from "../../src/machine/operations.js";
import { panicOf } from "../../src/machine/outcome.js";
import { panicSentence, refusalSentence, reportRefusal, type Refusal } from "../../src/machine/reasons.js";

const named = (prefix: string): [string, number][] =>
  [codes, android, kvm, gunyah, resourceManager, ffa, cca, el2Calls]
    .flatMap(Object.entries<number>)
    .filter(([name, code]) => name.startsWith(prefix) && code !== 0);

function aRefusal(reasonCode: number, numbers: Partial<Refusal> = {}): Refusal {
  const answer = { ret: -codes.EPERM, errno: "EPERM", reason: "x", reasonCode };
  return { ...answer, subject: 0x41000000n, expected: 0, found: 1, ...numbers };
}

test.each(named("REASON_"))("%s", (_name, code) => {
  const report = reportRefusal(aRefusal(code), 12);
  expect(report?.check).toMatch(/\S/);
  expect(report?.check).not.toMatch(/SUBJECT|EXPECTED|FOUND|undefined|null/);
});

test.each(named("PANIC_"))("%s", (_name, code) => {
  const panic = panicOf(code);
  expect(panicSentence(panic)).toMatch(/^EL2 panicked .*\((warn|bug|el2-fault)\): \S/);
  if (panic.func !== null) expect(panicSentence(panic)).toContain(` in ${panic.func} `);
});

test("every verb but what no hypervisor does has its real function", () => {
  const without = Object.keys(OPERATIONS).filter((verb) => kernelFunction(verb) === null);
  const hosts = ["host_memcache_push", "host_memcache_push_loaded", "host_memcache_push_at"];
  const byTheTest = ["rcu_sync", "heap_limit"];
  const endpoints = ["ffa_rx_release", "ffa_rx_fill", "ffa_tx", "ffa_endpoint", "ffa_set_mode", "ffa_set_secure"];
  expect(without).toEqual(expect.arrayContaining([...hosts, ...byTheTest, ...endpoints]));
  const others = without.filter((verb) => !verb.startsWith("ffa_") && !verb.startsWith("rm_"));
  expect(others.filter((verb) => !byTheTest.includes(verb))).toEqual(hosts);
});

test("each function is cited from the reference that describes it", () => {
  expect(kernelFunction("host_donate_guest")).toMatchObject({ reference: "pKVM EL2 reference", section: "3.7" });
  expect(kernelFunction("gmem_mmap")).toMatchObject({ reference: "host and VMM reference", section: "4.2" });
  expect(kernelFunction("memextent_donate")).toMatchObject({ reference: "Gunyah reference", section: "3.5" });
  expect(kernelFunction("ffa_mem_lend")).toEqual({
    ...{ name: "api_ffa_mem_send", file: "api.c", reference: "FF-A reference", section: "5" },
  });
});

// A call's checks are spread over several functions.
test.each([
  ["ffa_mem_lend", ffa.REASON_FFA_RESERVED, "ffa_memory_region_sanity_check", "5.2"],
  ["ffa_mem_lend", ffa.REASON_FFA_SENDER, "ffa_memory_send_validate", "5.3"],
  ["ffa_mem_lend", ffa.REASON_FFA_STATE, "ffa_memory_send", "5.4"],
  ["ffa_mem_lend", ffa.REASON_FFA_NO_TX, "api_ffa_mem_send", "5"],
  ["ffa_mem_retrieve_req", ffa.REASON_FFA_SENDER, "ffa_memory_retrieve_validate", "7.2"],
  ["ffa_mem_retrieve_req", ffa.REASON_FFA_IMPDEF, "ffa_memory_retrieve_validate_memory_access_list", "7.3"],
  ["ffa_mem_reclaim", ffa.REASON_FFA_STILL_RETRIEVED, "ffa_memory_reclaim", "9"],
])("%s refused for reason %i: %s, section %s", (verb, reason, name, section) => {
  expect(kernelFunction(verb, reason)).toMatchObject({ name, section });
});

test.each([
  [
    "host_donate_guest",
    aRefusal(codes.REASON_HOST_STATE),
    "refused with -EPERM by __pkvm_host_donate_guest: pfn 0x41000 is SHARED_OWNED at the host, must be OWNED",
  ],
  [
    "guest_share_host",
    aRefusal(codes.REASON_GUEST_POISONED, { ret: -133, errno: "EHWPOISON" }),
    "refused with -EHWPOISON by __pkvm_guest_share_host: gfn 0x41000 is poisoned: its page was reclaimed by force",
  ],
  [
    "host_share_guest",
    aRefusal(codes.REASON_MEMCACHE, { ret: -12, errno: "ENOMEM", expected: 3, found: 1 }),
    "refused with -ENOMEM by __pkvm_host_share_guest: the vCPU's memcache holds 1 page, must hold 3 pages even if no table is needed",
  ],
  [
    "host_share_guest",
    aRefusal(codes.REASON_SHARE_COUNT),
    "refused with -EPERM by __pkvm_host_share_guest: pfn 0x41000 is shared already, but not with guests (its share count is 0)",
  ],
  [
    "host_share_guest",
    aRefusal(codes.REASON_SHARE_COUNT, { ret: -16, errno: "EBUSY" }),
    "refused with -EBUSY by __pkvm_host_share_guest: pfn 0x41000 is shared with guests as often as can be counted",
  ],
  [
    "vcpu_load",
    aRefusal(codes.REASON_NO_SUCH_VM, { ret: 0, errno: null, subject: 0x1000n }),
    "answered with 0 by __pkvm_vcpu_load: there is no VM 0x1000",
  ],
  [
    "host_abort",
    aRefusal(codes.REASON_HOST_MAPPED, { ret: -17, errno: "EEXIST" }),
    "answered with -EEXIST by handle_host_mem_abort: IPA 0x41000000 is mapped for the host already, the access is simply retried",
  ],
  [
    "ffa_mem_lend",
    aRefusal(ffa.REASON_FFA_STATE, { ret: -6, errno: "DENIED", subject: 0x1000_2000n, expected: 0, found: 0x10 }),
    "refused with DENIED by ffa_memory_send: the pages from PA 0x10002000 on are O-NA in the caller's table, must be O-EA",
  ],
  [
    "ffa_mem_reclaim",
    aRefusal(ffa.REASON_FFA_STILL_RETRIEVED, { ret: -6, errno: "DENIED", subject: 3n, found: 0x8001 }),
    "refused with DENIED by ffa_memory_reclaim: SP 0x8001 still holds the pages of handle 0x3",
  ],
])("%s, row %#", (verb, refusal, sentence) => {
  expect(refusalSentence(verb, refusal, 12)).toBe(sentence);
});
