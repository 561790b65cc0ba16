// Every check and every assertion has words, and they hold what the check looked at.

import { expect, test } from "vitest";
import * as android from "../../assembly/abi/android.js";
import * as codes from "../../assembly/abi/codes.js";
import * as gunyah from "../../assembly/abi/gunyah.js";
import * as resourceManager from "../../assembly/abi/gunyah-rm.js";
import * as kvm from "../../assembly/abi/kvm.js";
import { kernelFunction } from "../../src/machine/functions.js";
import { OPERATIONS } from "../../src/machine/operations.js";
import { panicOf } from "../../src/machine/outcome.js";
import { panicSentence, refusalSentence, reportRefusal, type Refusal } from "../../src/machine/reasons.js";

const named = (prefix: string): [string, number][] =>
  [codes, android, kvm, gunyah, resourceManager]
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

test("every verb but what the host does by itself has its real function", () => {
  const without = Object.keys(OPERATIONS).filter((verb) => kernelFunction(verb) === null);
  const byTheTest = ["rcu_sync", "heap_limit"];
  const ofGunyah = without.filter((verb) => verb.startsWith("rm_") || byTheTest.includes(verb));
  expect(without.filter((verb) => !ofGunyah.includes(verb))).toEqual([
    "host_memcache_push",
    "host_memcache_push_loaded",
  ]);
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
])("%s, row %#", (verb, refusal, sentence) => {
  expect(refusalSentence(verb, refusal, 12)).toBe(sentence);
});
