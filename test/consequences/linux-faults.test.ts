// The fault path of the host kernel, row by row: reference host-and-vmm 1.2 to 1.6, 6.2.

import { expect, test } from "vitest";
import { EvidenceLog } from "../../src/consequences/evidence-log.js";
import {
  DO_KERNEL_FAULT,
  EXTABLE,
  FAULT_INFO,
  FAULT_TABLES,
  type KernelVersion,
} from "../../src/consequences/fault-rules.js";
import { ORDINARY, type Circumstance, type Fault, type FaultingInstruction } from "../../src/consequences/fault.js";
import { FaultPath, type Stage1Answer, type Verdict } from "../../src/consequences/linux-faults.js";

const USER_VA = 0x0000_ffff_8000_0000n;
const KERNEL_VA = 0xffff_0000_0100_0000n;
const PA = 0x4100_0000n;
const EAGAIN = -11;
const EPERM = -1;

interface Given {
  readonly esr: bigint;
  readonly far?: bigint;
  readonly how?: FaultingInstruction;
  readonly kind?: Fault["kind"];
  readonly in?: Circumstance;
  readonly at?: Stage1Answer;
  readonly reclaim?: number | null;
  readonly pkvm?: boolean;
  readonly kernel?: KernelVersion;
  readonly panicOnOops?: boolean;
}

/** Runs a fault through do_mem_abort; the rules that were applied come with the verdict. */
function abort(given: Given): { verdict: Verdict; rules: string[]; reclaims: number } {
  const { esr, kernel = "linux-7.3", pkvm = true, panicOnOops = false, reclaim = 0, at = { pa: PA } } = given;
  const el = ((esr >> 26n) & 1n) === 1n ? 1 : 0;
  const how = given.how ?? (el === 0 ? "user" : "direct-map");
  const far = given.far ?? (how === "direct-map" || how === "nofault" ? KERNEL_VA : USER_VA);
  const log = new EvidenceLog();
  let reclaims = 0;
  const path = new FaultPath({ kernel, pkvm, panicOnOops, pageSize: 4096 }, log, {
    translate: () => at,
    forceReclaim: () => {
      reclaims += 1;
      return reclaim;
    },
  });
  const circumstances = given.in === undefined ? ORDINARY : new Set([given.in]);
  const verdict = path.memAbort({ esr, far, el, instruction: how, kind: given.kind ?? "load", circumstances });
  const rules = log.take().flatMap((entry) => (entry.kind === "rule" ? [entry.rule.id] : []));
  return { verdict, rules, reclaims };
}

const inWords = (verdict: Verdict): string => {
  switch (verdict.kind) {
    case "signal":
      return `${verdict.signal.name}/${verdict.signal.code}`;
    case "die":
      return `die: ${verdict.message}`;
    case "fixup":
      return `fixup ${verdict.entry.type}`;
    default:
      return verdict.kind;
  }
};

/** EC of a data abort from EL0, EL1; of an instruction abort from EL0, EL1; with IL. */
const DATA0 = 0x9200_0000n;
const DATA1 = 0x9600_0000n;
const FETCH0 = 0x8200_0000n;
const FETCH1 = 0x8600_0000n;
const S1PTW = 0x80n;
const WNR = 0x40n;

// prettier-ignore
test.each<[number, number, string, string]>([
  // FSC range   handler                 default signal
  [0x00, 0x03, "do_bad",               "SIGKILL/SI_KERNEL"],
  [0x29, 0x29, "do_bad",               "SIGKILL/SI_KERNEL"],
  [0x04, 0x07, "do_translation_fault", "SIGSEGV/SEGV_MAPERR"],
  [0x2b, 0x2b, "do_translation_fault", "SIGSEGV/SEGV_MAPERR"],
  [0x08, 0x0b, "do_page_fault",        "SIGSEGV/SEGV_ACCERR"],
  [0x0c, 0x0f, "do_page_fault",        "SIGSEGV/SEGV_ACCERR"],
  [0x10, 0x10, "do_sea",               "SIGBUS/BUS_OBJERR"],
  [0x11, 0x11, "do_tag_check_fault",   "SIGSEGV/SEGV_MTESERR"],
  [0x12, 0x12, "do_bad",               "SIGKILL/SI_KERNEL"],
  [0x13, 0x17, "do_sea",               "SIGKILL/SI_KERNEL"],
  [0x18, 0x18, "do_sea",               "SIGBUS/BUS_OBJERR"],
  [0x1b, 0x1f, "do_sea",               "SIGKILL/SI_KERNEL"],
  [0x21, 0x21, "do_alignment_fault",   "SIGBUS/BUS_ADRALN"],
  [0x23, 0x28, "do_bad",               "SIGKILL/SI_KERNEL"],
  [0x30, 0x30, "do_bad",               "SIGKILL/SI_KERNEL"],
  [0x34, 0x34, "do_bad",               "SIGKILL/SI_KERNEL"],
  [0x35, 0x35, "do_bad",               "SIGBUS/BUS_OBJERR"],
  [0x3f, 0x3f, "do_bad",               "SIGKILL/SI_KERNEL"],
])("1.2: FSC %i to %i goes to %s, %s", (first, last, handler, signal) => {
  for (let fsc = first; fsc <= last; fsc++) {
    const fault = { esr: DATA0 | BigInt(fsc), far: USER_VA, el: 0, instruction: "user", kind: "load", circumstances: ORDINARY } as const;
    const entry = FAULT_INFO.find(({ when }) => when({ fault, pkvm: false, panicOnOops: false }))?.then;
    expect(entry?.handler).toBe(handler);
    expect(`${entry?.signal}/${entry?.code}`).toBe(signal);
  }
});

// prettier-ignore
test.each<[string, Given, string]>([
  ["an EL0 access to a kernel address",  { esr: DATA0 | 0x07n, far: KERNEL_VA }, "SIGSEGV/SEGV_MAPERR"],
  ["a granule protection fault of EL0",  { esr: DATA0 | 0x28n },                 "SIGKILL/SI_KERNEL"],
  ["one of EL1, even at a uaccess",      { esr: DATA1 | 0x28n, how: "uaccess" }, "die: unknown 40"],
  ["alignment, EL0",                     { esr: DATA0 | 0x21n },                 "SIGBUS/BUS_ADRALN"],
  ["a tag check fault of EL0",           { esr: DATA0 | 0x11n },                 "SIGSEGV/SEGV_MTESERR"],
])("1.2: %s", (_, given, expected) => {
  expect(inWords(abort(given).verdict)).toBe(expected);
});

test("1.2: SIGKILL carries no siginfo", () => {
  const { verdict } = abort({ esr: DATA0 | 0x28n });
  expect(verdict).toMatchObject({ kind: "signal", signal: { name: "SIGKILL", address: null } });
});

// prettier-ignore
test.each<[string, Given, string, string]>([
  // step                                  fault                                                                  verdict                   rule
  ["1, a kprobe claims it",                { esr: DATA1 | S1PTW | 7n, how: "uaccess", in: "kprobe" },              "handled",               "linux.page-fault.kprobe"],
  ["2, page faults disabled",              { esr: DATA1 | 7n, how: "uaccess", in: "pagefault-disabled" },          "fixup 2",               "linux.page-fault.no-mm"],
  ["2, no mm",                             { esr: DATA1 | 7n, how: "uaccess", in: "no-mm" },                       "fixup 2",               "linux.page-fault.no-mm"],
  ["4, the kernel executes user memory",   { esr: FETCH1 | 0x0fn, how: "direct-map", far: USER_VA },               "die: execution of user memory", "linux.page-fault.execute-user"],
  ["4, permission outside uaccess",        { esr: DATA1 | 0x0fn, how: "direct-map", far: USER_VA },                "die: access to user memory outside uaccess routines", "linux.page-fault.outside-uaccess"],
  ["4, software PAN",                      { esr: DATA1 | 7n, how: "direct-map", far: USER_VA, in: "software-pan" }, "die: access to user memory outside uaccess routines", "linux.page-fault.outside-uaccess"],
  ["4 comes before 5",                     { esr: DATA1 | S1PTW | 0x0fn, how: "direct-map", far: USER_VA },        "die: access to user memory outside uaccess routines", "linux.page-fault.outside-uaccess"],
  ["5, EL0 load",                          { esr: 0x92000087n },                                                  "SIGSEGV/SEGV_ACCERR",   "linux.page-fault.stage2-el0"],
  ["5, EL0 store",                         { esr: 0x920000c7n },                                                  "SIGSEGV/SEGV_ACCERR",   "linux.page-fault.stage2-el0"],
  ["5, EL0 fetch",                         { esr: 0x82000087n },                                                  "SIGSEGV/SEGV_ACCERR",   "linux.page-fault.stage2-el0"],
  ["5, EL0 load with a syndrome",          { esr: 0x93c18087n },                                                  "SIGSEGV/SEGV_ACCERR",   "linux.page-fault.stage2-el0"],
  ["5, EL1",                               { esr: 0x96000087n, how: "uaccess" },                                  "fixup 2",               "linux.page-fault.stage2-el1"],
  ["6, without S1PTW",                     { esr: 0x92000007n },                                                  "mm-fault",              "linux.page-fault.handle-mm-fault"],
  ["6, S1PTW without pKVM",                { esr: 0x92000087n, pkvm: false },                                     "mm-fault",              "linux.page-fault.handle-mm-fault"],
])("1.3: do_page_fault, step %s", (_, given, expected, rule) => {
  const { verdict, rules } = abort(given);
  expect(inWords(verdict)).toBe(expected);
  expect(rules).toContain(rule);
});

test("1.3: si_addr is the faulting byte's address", () => {
  expect(abort({ esr: 0x92000087n, far: USER_VA + 5n }).verdict).toMatchObject({ signal: { address: USER_VA + 5n } });
});

const TRANSLATION_FAULT = { pa: null, fault: "translation" } as const;
const OTHER_FAULT = { pa: null, fault: "other" } as const;

// prettier-ignore
test.each<[number, string, Given, string, number]>([
  // row                                     fault                                                                verdict                                    hypercalls
  [1, "the exception table first",           { esr: 0x96000087n, how: "nofault" },                                "fixup 3",                                 0],
  [2, "seized",                              { esr: 0x96000087n },                                                "retry",                                   1],
  [2, "seized, store",                       { esr: 0x960000c7n },                                                "retry",                                   1],
  [2, "came back meanwhile (-EAGAIN)",       { esr: 0x96000087n, reclaim: EAGAIN },                               "retry",                                   1],
  [2, "AT reports a different fault",        { esr: 0x96000087n, at: OTHER_FAULT },                               "retry",                                   0],
  [2, "spurious without pKVM",               { esr: DATA1 | 7n, pkvm: false },                                    "retry",                                   0],
  [3, "MTE tag check",                       { esr: DATA1 | 0x11n },                                              "handled",                                 0],
  [4, "store to read-only memory",           { esr: DATA1 | WNR | 0x0fn, in: "no-mm" },                           "die: write to read-only memory",          0],
  [4, "fetch from non-executable memory",    { esr: FETCH1 | 0x0fn, in: "no-mm" },                                "die: execute from non-executable memory", 0],
  [4, "load from unreadable memory",         { esr: DATA1 | 0x0fn, in: "no-mm" },                                 "die: read from unreadable memory",        0],
  [5, "after a reclaim that failed",         { esr: 0x96000087n, far: 0x10n, how: "direct-map", reclaim: EPERM }, "die: NULL pointer dereference",           1],
  [6, "a page of the hypervisor, load",      { esr: 0x96000087n, reclaim: EPERM },                                "die: access to hypervisor-protected memory", 1],
  [6, "a page of the hypervisor, store",     { esr: 0x960000c7n, reclaim: EPERM },                                "die: access to hypervisor-protected memory", 1],
  [6, "a fetch reclaims nothing",            { esr: 0x86000087n, kind: "fetch" },                                 "die: access to hypervisor-protected memory", 0],
  [7, "KFENCE",                              { esr: DATA1 | 7n, at: TRANSLATION_FAULT, in: "kfence" },            "handled",                                 0],
  [7, "BPF arena",                           { esr: DATA1 | 7n, at: TRANSLATION_FAULT, in: "bpf-arena" },         "handled",                                 0],
  [8, "otherwise",                           { esr: DATA1 | 7n, at: TRANSLATION_FAULT },                          "die: paging request",                     0],
])("1.4: __do_kernel_fault, row %i: %s", (_row, _what, given, expected, hypercalls) => {
  const { verdict, reclaims } = abort(given);
  expect(inWords(verdict)).toBe(expected);
  expect(reclaims).toBe(hypercalls);
});

test("1.4: the rows stand in the kernel's order", () => {
  const ids = DO_KERNEL_FAULT.map(({ rule }) => rule.id.replace("linux.kernel-fault.", ""));
  const order =
    "fixup spurious mte write-read-only execute-non-executable read-unreadable null protected claimed paging-request";
  expect(ids.join(" ")).toBe(order);
});

test("1.7: a lost stage-1 table is an unverified row", () => {
  const { rules } = abort({ esr: 0x96000087n, in: "stage1-table-lost" });
  expect(rules).toContain("linux.spurious.stage1-table-lost");
  const row = FAULT_TABLES["linux-7.3"].spurious.find(({ rule }) => rule.id === "linux.spurious.stage1-table-lost");
  expect(row?.rule.citation.mark).toBe("U");
});

// prettier-ignore
test.each<[string, Given, string, "task" | "host" | null]>([
  ["the thread ends",                  { esr: 0x86000087n },                      "die: access to hypervisor-protected memory", "task"],
  ["panic_on_oops",                    { esr: 0x86000087n, panicOnOops: true },   "die: access to hypervisor-protected memory", "host"],
  ["in an interrupt",                  { esr: 0x86000087n, in: "interrupt" },     "die: access to hypervisor-protected memory", "host"],
  ["PID 0 or 1",                       { esr: 0x86000087n, in: "init" },          "die: access to hypervisor-protected memory", "host"],
  ["absorbed by the EFI runtime",      { esr: 0x86000087n, in: "efi-runtime" },   "handled",                                    null],
])("1.4: die: %s", (_, given, expected, ends) => {
  const { verdict } = abort(given);
  expect(inWords(verdict)).toBe(expected);
  expect(verdict.kind === "die" ? verdict.ends : null).toBe(ends);
});

// prettier-ignore
test.each<[number, FaultingInstruction, bigint, Fault["kind"], string]>([
  // type  instruction  ESR           way      verdict
  [1,     "bpf",        0x96000087n, "load",  "fixup 1"],
  [2,     "uaccess",    0x96000087n, "load",  "fixup 2"],
  [2,     "uaccess",    0x960000c7n, "store", "fixup 2"],
  [3,     "nofault",    0x96000087n, "load",  "fixup 3"],
  [4,     "mops",       0x96000087n, "load",  "fixup 4"],
  [4,     "mops",       0x960000c7n, "store", "fixup 4"],
  // The kernel's side of the copy: no entry for it, the page is seized.
  [4,     "mops",       0x960000c7n, "load",  "retry"],
  [4,     "mops",       0x96000087n, "store", "retry"],
  [5,     "zeropad",    0x96000087n, "load",  "fixup 5"],
  [0,     "direct-map", 0x96000087n, "load",  "retry"],
])("1.5: entry of type %i, %s, ESR %s, %s", (_, how, esr, kind, expected) => {
  expect(inWords(abort({ esr, how, kind, far: how === "mops" || how === "uaccess" ? USER_VA : KERNEL_VA }).verdict)).toBe(expected);
});

test("1.5: what each entry gives", () => {
  expect(EXTABLE.map(({ type, name, gives }) => [type, name, gives])).toEqual([
    [1, "BPF", "zero"],
    [2, "UACCESS_ERR_ZERO", "efault"],
    [3, "KACCESS_ERR_ZERO", "efault"],
    [4, "UACCESS_CPY", "efault"],
    [5, "LOAD_UNALIGNED_ZEROPAD", "aligned-read"],
  ]);
});

// prettier-ignore
test.each<[number | null, string]>([
  [0,     "retry"],
  [-11,   "retry"],
  [-14,   "die: access to hypervisor-protected memory"],
  [-1,    "die: access to hypervisor-protected memory"],
  [-22,   "die: access to hypervisor-protected memory"],
  [-133,  "die: access to hypervisor-protected memory"],
  [-2,    "die: access to hypervisor-protected memory"],
  [-7,    "die: access to hypervisor-protected memory"],
  [null,  "die: access to hypervisor-protected memory"],
])("1.6: the hypercall answers %s: %s", (reclaim, expected) => {
  expect(inWords(abort({ esr: 0x96000087n, reclaim }).verdict)).toBe(expected);
});

// prettier-ignore
test.each<[string, Given, string]>([
  ["EL0 load",                    { esr: 0x92000010n, pkvm: false },                        "SIGBUS/BUS_OBJERR"],
  ["EL0 fetch",                   { esr: 0x82000010n, pkvm: false },                        "SIGBUS/BUS_OBJERR"],
  ["EL0, claimed by firmware",    { esr: 0x92000010n, pkvm: false, in: "firmware-first" },  "handled"],
  ["EL1 uaccess",                 { esr: 0x96000010n, pkvm: false, how: "uaccess" },        "die: synchronous external abort"],
  ["EL1 zeropad",                 { esr: 0x96000010n, pkvm: false, how: "zeropad" },        "die: synchronous external abort"],
  ["EL1 no-fault read",           { esr: 0x96000010n, pkvm: false, how: "nofault" },        "die: synchronous external abort"],
  ["EL1 direct-map",              { esr: 0x96000010n, pkvm: false },                        "die: synchronous external abort"],
])("6.2: external abort, %s: %s", (_, given, expected) => {
  expect(inWords(abort(given).verdict)).toBe(expected);
});

test("1.4: after FnV, si_addr is 0", () => {
  expect(abort({ esr: 0x92000410n }).verdict).toMatchObject({ signal: { address: 0n } });
});

// prettier-ignore
test.each<[string, Given, string]>([
  ["user access",                 { esr: 0x92000087n },                      "SIGSEGV/SEGV_ACCERR"],
  ["user fetch",                  { esr: FETCH0 | 0x87n },                   "SIGSEGV/SEGV_ACCERR"],
  ["uaccess",                     { esr: 0x96000087n, how: "uaccess" },      "fixup 2"],
  ["kernel access, no entry",     { esr: 0x96000087n },                      "die: access to hypervisor-protected memory"],
])("5: Android, %s: %s, nothing is seized", (_, given, expected) => {
  const { verdict, reclaims, rules } = abort({ ...given, kernel: "android-6.12" });
  expect(inWords(verdict)).toBe(expected);
  expect(reclaims).toBe(0);
  expect(rules.every((id) => id.startsWith("android."))).toBe(true);
});

test("5: what is known of Android's way with stage-2 aborts is posted, not read", () => {
  const { pageFault, kernelFault, spurious } = FAULT_TABLES["android-6.12"];
  const rules = [...pageFault, ...kernelFault, ...spurious].map(({ rule }) => rule);
  const marks = rules.filter(({ id }) => id.startsWith("android.")).map(({ citation }) => citation.mark);
  expect(new Set(marks)).toEqual(new Set(["P"]));
});

test("5: an ordinary fault is to Android what it is to every Linux", () => {
  const { verdict, rules } = abort({ esr: 0x92000007n, kernel: "android-6.12" });
  expect(verdict.kind).toBe("mm-fault");
  expect(rules).toEqual(abort({ esr: 0x92000007n }).rules);
});

test("every rule id is its own", () => {
  for (const { info, pageFault, kernelFault, spurious, sea, bad, badArea, die } of Object.values(FAULT_TABLES)) {
    const ids = [...info, ...pageFault, ...kernelFault, ...spurious, ...sea, ...bad, ...badArea, ...die].map(
      ({ rule }) => rule.id,
    );
    expect(new Set(ids).size).toBe(ids.length);
  }
});
