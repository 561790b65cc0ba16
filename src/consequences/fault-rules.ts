// The arm64 host kernel's fault path as tables (arch/arm64/mm/fault.c, extable.c; reference host-and-vmm 1.2 to 1.6, 6.2).
// Rows stand in the order of the kernel's tests. linux-faults.ts reads them.

import type { Mark, Rule } from "./evidence.js";
import {
  fscOf,
  hasS1ptw,
  isDataAbortFromEl1,
  isInstructionAbort,
  isPermissionFault,
  isTranslationFault,
  isUserAddress,
  isWrite,
  type Fault,
  type FaultingInstruction,
} from "./fault.js";
import { hostRule, type Row } from "./rule-table.js";

const FAULT_C = "arch/arm64/mm/fault.c";
const EXTABLE_C = "arch/arm64/mm/extable.c";

/** The fault, and what the handlers ask about it. */
export interface FaultCase {
  readonly fault: Fault;
  /** pKVM has finished initialising. */
  readonly pkvm: boolean;
  readonly panicOnOops: boolean;
}

/** is_pkvm_stage2_abort: bit 7 alone; EC and FSC are not examined. */
const isStage2Abort = ({ fault, pkvm }: FaultCase): boolean => pkvm && hasS1ptw(fault);
const isEl0 = ({ fault }: FaultCase): boolean => fault.el === 0;
const always = (): boolean => true;

// ---- do_mem_abort: the handler by FSC ----

export type Handler =
  "do_bad" | "do_translation_fault" | "do_page_fault" | "do_sea" | "do_tag_check_fault" | "do_alignment_fault";

/** An entry of fault_info: who handles it, and the signal that EL0 gets from the handlers that send the entry's own. */
export interface FaultInfo {
  readonly handler: Handler;
  readonly signal: string;
  readonly code: string;
  /** The entry's name, as `die` and the log print it. */
  readonly text: string;
}

type FscRange = readonly [first: number, last: number];

function info(
  id: string,
  ranges: readonly FscRange[],
  handler: Handler,
  [signal, code]: readonly [string, string],
  text: string,
  mark: Mark = "S",
): Row<FaultCase, FaultInfo> {
  const says = `${text}: ${handler}, ${signal}/${code}`;
  return {
    rule: hostRule(`linux.fault-info.${id}`, says, "1.2", mark, `${FAULT_C}:fault_info`),
    when: ({ fault }) => ranges.some(([first, last]) => fscOf(fault) >= first && fscOf(fault) <= last),
    then: { handler, signal, code, text },
  };
}

const KILL = ["SIGKILL", "SI_KERNEL"] as const;
const OBJERR = ["SIGBUS", "BUS_OBJERR"] as const;

/** fault_info. `unknown N` stands for every FSC without an entry of its own; 0x23 to 0x28 are granule protection faults. */
// prettier-ignore
export const FAULT_INFO: readonly Row<FaultCase, FaultInfo>[] = [
  info("address-size",  [[0x00, 0x03], [0x29, 0x29]], "do_bad",               KILL,                        "address size fault"),
  info("translation",   [[0x04, 0x07], [0x2b, 0x2b]], "do_translation_fault", ["SIGSEGV", "SEGV_MAPERR"],  "translation fault", "M"),
  info("access-flag",   [[0x08, 0x0b]],               "do_page_fault",        ["SIGSEGV", "SEGV_ACCERR"],  "access flag fault"),
  info("permission",    [[0x0c, 0x0f]],               "do_page_fault",        ["SIGSEGV", "SEGV_ACCERR"],  "permission fault"),
  info("sea",           [[0x10, 0x10]],               "do_sea",               OBJERR,                      "synchronous external abort"),
  info("tag-check",     [[0x11, 0x11]],               "do_tag_check_fault",   ["SIGSEGV", "SEGV_MTESERR"], "synchronous tag check fault"),
  info("sea-on-walk",   [[0x13, 0x17]],               "do_sea",               KILL,                        "synchronous external abort (translation table walk)"),
  info("parity",        [[0x18, 0x18]],               "do_sea",               OBJERR,                      "synchronous parity or ECC error"),
  info("parity-on-walk",[[0x1b, 0x1f]],               "do_sea",               KILL,                        "synchronous parity error (translation table walk)"),
  info("alignment",     [[0x21, 0x21]],               "do_alignment_fault",   ["SIGBUS", "BUS_ADRALN"],    "alignment fault"),
  info("granule",       [[0x23, 0x28]],               "do_bad",               KILL,                        "unknown"),
  info("tlb-conflict",  [[0x30, 0x30]],               "do_bad",               KILL,                        "TLB conflict abort"),
  info("lockdown",      [[0x34, 0x34]],               "do_bad",               KILL,                        "implementation fault (lockdown abort)"),
  info("exclusive",     [[0x35, 0x35]],               "do_bad",               OBJERR,                      "implementation fault (unsupported exclusive)"),
  info("unknown",       [[0x00, 0x3f]],               "do_bad",               KILL,                        "unknown"),
];

// ---- do_page_fault ----

export type PageFaultVerdict =
  | { readonly kind: "handled" }
  | { readonly kind: "no-context" }
  | { readonly kind: "die"; readonly message: string }
  | { readonly kind: "signal"; readonly signal: string; readonly code: string; readonly text: string }
  | { readonly kind: "handle-mm-fault" };

const PAGE_FAULT = `${FAULT_C}:do_page_fault`;

/** FSC permission; or, with software PAN, a translation fault while the saved PSTATE has PAN set. */
function isEl1PermissionFault({ fault }: FaultCase): boolean {
  if (fault.el !== 1) return false;
  return isPermissionFault(fault) || (fault.circumstances.has("software-pan") && isTranslationFault(fault));
}

const hasNoMm = ({ fault: { circumstances } }: FaultCase): boolean =>
  circumstances.has("pagefault-disabled") || circumstances.has("no-mm") || circumstances.has("efi-mm");

const DO_PAGE_FAULT: readonly Row<FaultCase, PageFaultVerdict>[] = [
  {
    rule: hostRule("linux.page-fault.kprobe", "a kprobe handler claims the fault", "1.3", "S", PAGE_FAULT),
    when: ({ fault }) => fault.circumstances.has("kprobe"),
    then: { kind: "handled" },
  },
  {
    rule: hostRule(
      "linux.page-fault.no-mm",
      "page faults are disabled, or there is no user memory: left to the kernel's own faults",
      "1.3",
      "S",
      PAGE_FAULT,
    ),
    when: hasNoMm,
    then: { kind: "no-context" },
  },
  {
    rule: hostRule("linux.page-fault.execute-user", "the kernel executes user memory: it dies", "1.3", "S", PAGE_FAULT),
    when: (given) => isEl1PermissionFault(given) && isInstructionAbort(given.fault),
    then: { kind: "die", message: "execution of user memory" },
  },
  {
    rule: hostRule(
      "linux.page-fault.outside-uaccess",
      "a permission fault on user memory at an instruction without an exception-table entry for it: the kernel dies",
      "1.3",
      "S",
      PAGE_FAULT,
    ),
    when: (given) => isEl1PermissionFault(given) && extableEntry(given.fault) === null,
    then: { kind: "die", message: "access to user memory outside uaccess routines" },
  },
  {
    rule: hostRule(
      "linux.page-fault.stage2-el0",
      "a stage-2 abort from user space: SIGSEGV/SEGV_ACCERR, forced; no VMA is looked at",
      "1.3",
      "M",
      PAGE_FAULT,
    ),
    when: (given) => isStage2Abort(given) && isEl0(given),
    then: { kind: "signal", signal: "SIGSEGV", code: "SEGV_ACCERR", text: "stage-2 fault" },
  },
  {
    rule: hostRule(
      "linux.page-fault.stage2-el1",
      "a stage-2 abort of the kernel on a user address: left to the exception table",
      "1.3",
      "M",
      PAGE_FAULT,
    ),
    when: isStage2Abort,
    then: { kind: "no-context" },
  },
  {
    rule: hostRule("linux.page-fault.handle-mm-fault", "an ordinary fault: VMA look-up", "1.3", "M", PAGE_FAULT),
    when: always,
    then: { kind: "handle-mm-fault" },
  },
];

// ---- The exception table ----

/** What the fixup does: -EFAULT (or bytes not copied), zero in the destination, or a second, aligned read. */
export interface ExtableEntry {
  readonly type: 1 | 2 | 3 | 4 | 5;
  readonly name: string;
  readonly gives: "efault" | "zero" | "aligned-read";
}

interface EntryRow extends ExtableEntry {
  readonly instruction: FaultingInstruction;
  readonly applies: (fault: Fault) => boolean;
  readonly rule: Rule;
}

const FIXUP = `${EXTABLE_C}:fixup_exception`;

/** Exception-table entries by class of instruction; `user` and `direct-map` have none. */
export const EXTABLE: readonly EntryRow[] = [
  {
    instruction: "bpf",
    type: 1,
    name: "BPF",
    gives: "zero",
    applies: always,
    rule: hostRule(
      "linux.extable.bpf",
      "a BPF probe load: the destination becomes 0, the load is skipped",
      "1.5",
      "S",
      FIXUP,
    ),
  },
  {
    instruction: "uaccess",
    type: 2,
    name: "UACCESS_ERR_ZERO",
    gives: "efault",
    applies: always,
    rule: hostRule(
      "linux.extable.uaccess",
      "an access to user memory: -EFAULT, or the bytes not copied",
      "1.5",
      "M",
      FIXUP,
    ),
  },
  {
    instruction: "nofault",
    type: 3,
    name: "KACCESS_ERR_ZERO",
    gives: "efault",
    applies: always,
    rule: hostRule(
      "linux.extable.kaccess",
      "a no-fault read of kernel memory: -EFAULT inside the kernel",
      "1.5",
      "M",
      FIXUP,
    ),
  },
  {
    instruction: "mops",
    type: 4,
    name: "UACCESS_CPY",
    gives: "efault",
    // copy_from_user reads user memory, copy_to_user writes it: WnR tells which side faulted.
    applies: (fault) => isWrite(fault) === (fault.kind === "store"),
    rule: hostRule(
      "linux.extable.cpy",
      "a copy instruction whose user side faulted: bytes not copied",
      "1.5",
      "S",
      FIXUP,
    ),
  },
  {
    instruction: "zeropad",
    type: 5,
    name: "LOAD_UNALIGNED_ZEROPAD",
    gives: "aligned-read",
    applies: always,
    rule: hostRule(
      "linux.extable.zeropad",
      "a word load that runs into the page: the aligned word around its start is read again and shifted, the tail is zeros",
      "1.5",
      "S",
      FIXUP,
    ),
  },
];

/** The entry that applies to a fault; null for none. */
export function extableEntry(fault: Fault): EntryRow | null {
  return EXTABLE.find((entry) => entry.instruction === fault.instruction && entry.applies(fault)) ?? null;
}

// ---- is_spurious_el1_translation_fault ----

/** What AT S1E1R answered: it consults stage 1 only. */
export interface SpuriousCase extends FaultCase {
  /** Physical address if stage 1 maps the page; null if PAR_EL1.F is set. */
  readonly atPa: bigint | null;
  /** PAR_EL1.FST is a translation fault. */
  readonly atTranslationFault: boolean;
}

/** True: executed again. `force-reclaim`: the hypercall decides. `nested`: the AT traps too, and so on. */
export type SpuriousVerdict = boolean | "force-reclaim" | "nested";

const SPURIOUS = `${FAULT_C}:is_spurious_el1_translation_fault`;

/** A data abort from EL1 with a translation fault, else never spurious: an instruction abort reclaims nothing. */
const NOT_A_CANDIDATE: Row<SpuriousCase, SpuriousVerdict> = {
  rule: hostRule(
    "linux.spurious.not-a-data-translation-fault",
    "only a data abort of the kernel with a translation fault can be spurious",
    "1.4",
    "S",
    SPURIOUS,
  ),
  when: ({ fault }) => !isDataAbortFromEl1(fault) || !isTranslationFault(fault),
  then: false,
};

const TABLE_LOST: Row<SpuriousCase, SpuriousVerdict> = {
  rule: hostRule(
    "linux.spurious.stage1-table-lost",
    "a stage-1 table of the kernel is not the host's: the AT is refused as well, and the aborts nest",
    "1.7",
    "U",
    SPURIOUS,
  ),
  when: ({ fault }) => fault.circumstances.has("stage1-table-lost"),
  then: "nested",
};

const AT_OTHER_FAULT: readonly Row<SpuriousCase, SpuriousVerdict>[] = [
  {
    rule: hostRule(
      "linux.spurious.at-translation-fault",
      "stage 1 does not map the address: a real fault",
      "1.4",
      "S",
      SPURIOUS,
    ),
    when: ({ atPa, atTranslationFault }) => atPa === null && atTranslationFault,
    then: false,
  },
  {
    rule: hostRule(
      "linux.spurious.at-other-fault",
      "the address gives another fault now: executed again",
      "1.4",
      "S",
      SPURIOUS,
    ),
    when: ({ atPa }) => atPa === null,
    then: true,
  },
];

const AT_MAPPED: Row<SpuriousCase, SpuriousVerdict> = {
  rule: hostRule(
    "linux.spurious.at-mapped",
    "stage 1 maps the address after all: executed again",
    "1.4",
    "S",
    SPURIOUS,
  ),
  when: always,
  then: true,
};

const SPURIOUS_LINUX: readonly Row<SpuriousCase, SpuriousVerdict>[] = [
  NOT_A_CANDIDATE,
  TABLE_LOST,
  ...AT_OTHER_FAULT,
  {
    rule: hostRule(
      "linux.spurious.force-reclaim",
      "stage 1 maps the page, stage 2 does not: the kernel seizes the page by hypercall",
      "1.4",
      "M",
      SPURIOUS,
    ),
    when: isStage2Abort,
    then: "force-reclaim",
  },
  AT_MAPPED,
];

/** What the force-reclaim hypercall answered; null where there is none. */
export interface ReclaimCase {
  readonly errno: number | null;
}

const RECLAIM = "arch/arm64/kvm/pkvm.c:pkvm_force_reclaim_guest_page";
const EAGAIN = -11;

export const FORCE_RECLAIM: readonly Row<ReclaimCase, boolean>[] = [
  {
    rule: hostRule(
      "linux.force-reclaim.done",
      "the page is the host's again, zeroed: executed again",
      "1.6",
      "M",
      RECLAIM,
    ),
    when: ({ errno }) => errno === 0,
    then: true,
  },
  {
    rule: hostRule(
      "linux.force-reclaim.again",
      "-EAGAIN, the page came back meanwhile: executed again",
      "1.4",
      "S",
      RECLAIM,
    ),
    when: ({ errno }) => errno === EAGAIN,
    then: true,
  },
  {
    rule: hostRule("linux.force-reclaim.refused", "the page cannot be seized: the fault is real", "1.4", "S", RECLAIM),
    when: always,
    then: false,
  },
];

// ---- __do_kernel_fault ----

/** Asked in this order; each is evaluated at most once. */
export interface KernelFaultCase extends FaultCase {
  readonly pageSize: number;
  readonly fixup: () => boolean;
  readonly spurious: () => boolean;
}

export type KernelFaultVerdict =
  | { readonly kind: "fixup" }
  | { readonly kind: "retry" }
  | { readonly kind: "return" }
  | { readonly kind: "die"; readonly message: string };

const KERNEL_FAULT = `${FAULT_C}:__do_kernel_fault`;

const dies = (
  id: string,
  message: string,
  when: (given: KernelFaultCase) => boolean,
): Row<KernelFaultCase, KernelFaultVerdict> => ({
  rule: hostRule(`linux.kernel-fault.${id}`, `the kernel dies: ${message}`, "1.4", "S", KERNEL_FAULT),
  when,
  then: { kind: "die", message },
});

export const DO_KERNEL_FAULT: readonly Row<KernelFaultCase, KernelFaultVerdict>[] = [
  {
    rule: hostRule(
      "linux.kernel-fault.fixup",
      "first the exception table: an instruction with an entry resumes at its fixup",
      "1.4",
      "M",
      KERNEL_FAULT,
    ),
    when: ({ fault, fixup }) => !isInstructionAbort(fault) && fixup(),
    then: { kind: "fixup" },
  },
  {
    rule: hostRule("linux.kernel-fault.spurious", "the instruction is executed again", "1.4", "M", KERNEL_FAULT),
    when: ({ spurious }) => spurious(),
    then: { kind: "retry" },
  },
  {
    rule: hostRule("linux.kernel-fault.mte", "a tag check fault is reported once", "1.4", "S", KERNEL_FAULT),
    when: ({ fault }) => fscOf(fault) === 0x11,
    then: { kind: "return" },
  },
  dies("write-read-only", "write to read-only memory", (given) => isEl1PermissionFault(given) && isWrite(given.fault)),
  dies(
    "execute-non-executable",
    "execute from non-executable memory",
    (given) => isEl1PermissionFault(given) && isInstructionAbort(given.fault),
  ),
  dies("read-unreadable", "read from unreadable memory", isEl1PermissionFault),
  dies("null", "NULL pointer dereference", ({ fault, pageSize }) => fault.far < BigInt(pageSize)),
  dies("protected", "access to hypervisor-protected memory", isStage2Abort),
  {
    rule: hostRule("linux.kernel-fault.claimed", "KFENCE or the BPF arena claims the fault", "1.4", "S", KERNEL_FAULT),
    when: ({ fault }) =>
      isTranslationFault(fault) && (fault.circumstances.has("kfence") || fault.circumstances.has("bpf-arena")),
    then: { kind: "return" },
  },
  dies("paging-request", "paging request", always),
];

// ---- do_sea, do_bad, do_bad_area ----

export type BadVerdict =
  { readonly kind: "handled" | "kernel-fault" } | { readonly kind: "table-signal" | "die-with-text" };

const DO_SEA: readonly Row<FaultCase, BadVerdict>[] = [
  {
    rule: hostRule(
      "linux.do_sea.firmware-first",
      "firmware-first error handling claims the event",
      "1.4",
      "S",
      `${FAULT_C}:do_sea`,
    ),
    when: (given) => isEl0(given) && given.fault.circumstances.has("firmware-first"),
    then: { kind: "handled" },
  },
  {
    rule: hostRule(
      "linux.do_sea.el0",
      "an external abort from user space: the kernel is tainted M, the process gets the table's signal",
      "6.2",
      "S",
      `${FAULT_C}:do_sea`,
    ),
    when: isEl0,
    then: { kind: "table-signal" },
  },
  {
    rule: hostRule(
      "linux.do_sea.el1",
      "an external abort of the kernel: it dies; the exception table is not looked at",
      "6.2",
      "S",
      `${FAULT_C}:do_sea`,
    ),
    when: always,
    then: { kind: "die-with-text" },
  },
];

const DO_BAD: readonly Row<FaultCase, BadVerdict>[] = [
  {
    rule: hostRule(
      "linux.do_bad.el0",
      "no handler: the process gets the table's signal",
      "1.4",
      "S",
      `${FAULT_C}:do_bad`,
    ),
    when: isEl0,
    then: { kind: "table-signal" },
  },
  {
    rule: hostRule(
      "linux.do_bad.el1",
      "no handler: the kernel dies; the exception table is not looked at",
      "1.4",
      "S",
      `${FAULT_C}:do_bad`,
    ),
    when: always,
    then: { kind: "die-with-text" },
  },
];

const DO_BAD_AREA: readonly Row<FaultCase, BadVerdict>[] = [
  {
    rule: hostRule(
      "linux.do_bad_area.el0",
      "a bad address in user space: the table's signal",
      "1.2",
      "S",
      `${FAULT_C}:do_bad_area`,
    ),
    when: isEl0,
    then: { kind: "table-signal" },
  },
  {
    rule: hostRule(
      "linux.do_bad_area.el1",
      "a kernel address: the kernel's own fault",
      "1.2",
      "M",
      `${FAULT_C}:do_bad_area`,
    ),
    when: always,
    then: { kind: "kernel-fault" },
  },
];

/** do_translation_fault: by the half of the address space. */
const DO_TRANSLATION_FAULT: readonly Row<FaultCase, "page-fault" | "bad-area">[] = [
  {
    rule: hostRule(
      "linux.translation-fault.user",
      "a user address: do_page_fault",
      "1.2",
      "M",
      `${FAULT_C}:do_translation_fault`,
    ),
    when: ({ fault }) => isUserAddress(fault),
    then: "page-fault",
  },
  {
    rule: hostRule(
      "linux.translation-fault.kernel",
      "a kernel address: do_bad_area",
      "1.2",
      "M",
      `${FAULT_C}:do_translation_fault`,
    ),
    when: always,
    then: "bad-area",
  },
];

// ---- die ----

/** `panic`: the whole host; `task`: the thread that made the access. */
const DIE: readonly Row<FaultCase, "absorbed" | "panic" | "task">[] = [
  {
    rule: hostRule(
      "linux.die.efi",
      "a fault inside an EFI runtime service is absorbed",
      "1.4",
      "S",
      `${FAULT_C}:die_kernel_fault`,
    ),
    when: ({ fault }) => fault.circumstances.has("efi-runtime"),
    then: "absorbed",
  },
  {
    rule: hostRule(
      "linux.die.panic",
      "in an interrupt, in PID 0 or 1, or with panic_on_oops: the host panics",
      "1.4",
      "S",
      "arch/arm64/kernel/traps.c:die",
    ),
    when: ({ fault, panicOnOops }) =>
      panicOnOops || fault.circumstances.has("interrupt") || fault.circumstances.has("init"),
    then: "panic",
  },
  {
    rule: hostRule(
      "linux.die.task",
      "oops: the thread that made the access is ended",
      "1.4",
      "S",
      "arch/arm64/kernel/traps.c:die",
    ),
    when: always,
    then: "task",
  },
];

// ---- Versions ----

/** The fault path of one kernel. */
export interface FaultTables {
  readonly info: readonly Row<FaultCase, FaultInfo>[];
  readonly translationFault: readonly Row<FaultCase, "page-fault" | "bad-area">[];
  readonly pageFault: readonly Row<FaultCase, PageFaultVerdict>[];
  readonly kernelFault: readonly Row<KernelFaultCase, KernelFaultVerdict>[];
  readonly spurious: readonly Row<SpuriousCase, SpuriousVerdict>[];
  readonly extable: ReadonlyMap<string, Rule>;
  readonly sea: readonly Row<FaultCase, BadVerdict>[];
  readonly bad: readonly Row<FaultCase, BadVerdict>[];
  readonly badArea: readonly Row<FaultCase, BadVerdict>[];
  readonly die: readonly Row<FaultCase, "absorbed" | "panic" | "task">[];
}

const LINUX: FaultTables = {
  info: FAULT_INFO,
  translationFault: DO_TRANSLATION_FAULT,
  pageFault: DO_PAGE_FAULT,
  kernelFault: DO_KERNEL_FAULT,
  spurious: SPURIOUS_LINUX,
  extable: new Map(EXTABLE.map(({ instruction, rule }) => [instruction, rule])),
  sea: DO_SEA,
  bad: DO_BAD,
  badArea: DO_BAD_AREA,
  die: DIE,
};

/** The same rule in Android's kernel: known from the posting of 2022, not from its tree. */
function posted(rule: Rule): Rule {
  return {
    id: rule.id.replace("linux.", "android."),
    says: rule.says,
    citation: { ...rule.citation, page: "host-and-vmm", section: "5", mark: rule.citation.mark === "U" ? "U" : "P" },
  };
}

/** What was posted is about stage-2 aborts; an ordinary fault is handled as everywhere. */
const postedRows = <Case extends FaultCase, Then>(rows: readonly Row<Case, Then>[]): Row<Case, Then>[] =>
  rows.flatMap((row) => [
    { ...row, rule: posted(row.rule), when: (given: Case) => isStage2Abort(given) && row.when(given) },
    { ...row, when: (given: Case) => !isStage2Abort(given) && row.when(given) },
  ]);

/** Android tells the test not to retry for pKVM aborts: no page is seized, the kernel dies instead. */
const ANDROID_NOT_RETRIED: Row<SpuriousCase, SpuriousVerdict> = {
  rule: hostRule(
    "android.spurious.stage2-abort",
    "a stage-2 abort is never retried and no page is seized: the kernel dies, the guest keeps its page",
    "5",
    "P",
    SPURIOUS,
  ),
  when: isStage2Abort,
  then: false,
};

const ANDROID: FaultTables = {
  info: postedRows(LINUX.info),
  translationFault: postedRows(LINUX.translationFault),
  pageFault: postedRows(LINUX.pageFault),
  kernelFault: postedRows(LINUX.kernelFault),
  spurious: [...postedRows([NOT_A_CANDIDATE]), ANDROID_NOT_RETRIED, ...postedRows([...AT_OTHER_FAULT, AT_MAPPED])],
  extable: new Map([...LINUX.extable].map(([instruction, rule]) => [instruction, posted(rule)])),
  sea: postedRows(LINUX.sea),
  bad: postedRows(LINUX.bad),
  badArea: postedRows(LINUX.badArea),
  die: postedRows(LINUX.die),
};

export const FAULT_TABLES = { "linux-7.3": LINUX, "android-6.12": ANDROID } as const;

/** Kernels whose fault path is in the tables. */
export type KernelVersion = keyof typeof FAULT_TABLES;
