// Why an operation was refused, and where EL2 would have stopped: the codes of assembly/abi/codes.ts as sentences.
// The order of an operation's checks is EL2's (pKVM EL2 reference, sections 3 to 7), so the one named here is the first that failed.

import * as cca from "../../assembly/abi/cca.js";
import { ANDROID_REASONS } from "./android-reasons.js";
import { CCA_REASONS } from "./cca-reasons.js";
import { EL2_CALL_REASONS } from "./el2-call-reasons.js";
import * as codes from "../../assembly/abi/codes.js";
import { endpointName } from "./ffa-effects.js";
import { FFA_PROXY_REASONS } from "./ffa-proxy-reasons.js";
import { FFA_REASONS } from "./ffa-reasons.js";
import { PANIC_CRITICAL_VCPU_FAULT, PANIC_DERIVE_REMAP, PANIC_PGTABLE_RANGE } from "../../assembly/abi/gunyah.js";
import { kernelFunction } from "./functions.js";
import { GUNYAH_REASONS } from "./gunyah-reasons.js";
import { RESOURCE_MANAGER_REASONS } from "./gunyah-rm-reasons.js";
import { KVM_REASONS } from "./kvm-reasons.js";
import { componentName, count, hex, pageStateName } from "./names.js";
import { errnoName, type Outcome, type Panic } from "./outcome.js";

/** The part of an outcome that tells which check refused. */
export type Refusal = Pick<Outcome, "ret" | "errno" | "reason" | "reasonCode" | "subject" | "expected" | "found">;

/** The check that refused, for programs and for people. Texts are null where the check compares nothing of the kind. */
export interface RefusalReport {
  /** Name of the reason, `host_state` for REASON_HOST_STATE. */
  readonly reason: string;
  /** Whose state was looked at: `host`, `hyp`, `guest`, `memory map`, `memcache`, `vm`, `vcpu`, `arguments`, `page table`, `memslot`, `guest_memfd`, `vmm`; of FF-A also `caller`, `registers`, `buffers`, `descriptor`, `receivers`, `constituents`, `transaction`, `firmware`, `manager`. */
  readonly component: string;
  /** What was looked at: `pfn 0x41000`, `gfn 0x80000`, `VM 0x1000`, ... */
  readonly subject: string | null;
  readonly expected: string | null;
  readonly found: string | null;
  /** The check in words: `pfn 0x41000 is SHARED_OWNED at the host, must be OWNED`. */
  readonly check: string;
}

type Unit =
  | "pfn"
  | "gfn"
  | "pa"
  | "ipa"
  | "vm"
  | "parcel"
  | "capability"
  | "object"
  | "value"
  | "esr"
  | "hpfar"
  | "x1"
  | "bytes"
  | "offset"
  | "endpoint"
  | "handle"
  | "byte"
  | "function"
  | "none";

/** How a check's expected and found are written. */
type Words = (value: number) => string;

const plain: Words = (value) => String(value);
const mask: Words = (value) => hex(value);
const level: Words = (value) => `level ${value}`;
const pages: Words = (value) => count(value, "page");
const vcpus: Words = (value) => count(value, "vCPU");
const references: Words = (value) => count(value, "reference");
const state = pageStateName;
const owner = componentName;

/** Component, unit of the subject, how expected and found are written (null: the check compares nothing), the check in words. */
export type Reason = readonly [component: string, unit: Unit, words: Words | null, check: string];

const REASONS: ReadonlyMap<number, Reason> = new Map<number, Reason>([
  [codes.REASON_HOST_STATE, ["host", "pfn", state, "SUBJECT is FOUND at the host, must be EXPECTED"]],
  [codes.REASON_HYP_STATE, ["hyp", "pfn", state, "SUBJECT is FOUND at EL2, must be EXPECTED"]],
  [codes.REASON_GUEST_STATE, ["guest", "gfn", state, "SUBJECT is FOUND in the guest, must be EXPECTED"]],
  [
    codes.REASON_RANGE_CROSSES,
    ["memory map", "pa", null, "the range at SUBJECT leaves its region, or its gap between regions"],
  ],
  [codes.REASON_NOT_MEMORY, ["memory map", "pa", null, "SUBJECT is device space, not memory"]],
  [codes.REASON_NOMAP, ["memory map", "pa", null, "SUBJECT is firmware-reserved memory (MEMBLOCK_NOMAP)"]],
  [
    codes.REASON_PFN_RANGE,
    ["arguments", "pa", null, "the frames asked for, from SUBJECT on, do not fit the physical address space"],
  ],
  [codes.REASON_IPA_RANGE, ["page table", "ipa", null, "SUBJECT is beyond the IPA space"]],
  [codes.REASON_PINNED, ["hyp", "pfn", references, "SUBJECT is pinned by EL2 (FOUND)"]],
  [codes.REASON_SIZE, ["arguments", "none", pages, "FOUND asked for, must be 1 page or one whole block of EXPECTED"]],
  [codes.REASON_ALIGNMENT, ["arguments", "pa", null, "SUBJECT is not aligned to a block"]],
  [codes.REASON_PROT, ["arguments", "none", mask, "protection FOUND is not one that this operation takes"]],
  [
    codes.REASON_MEMCACHE,
    ["memcache", "none", pages, "the vCPU's memcache holds FOUND, must hold EXPECTED even if no table is needed"],
  ],
  [
    codes.REASON_REFILL_REFUSED,
    ["host", "pfn", state, "SUBJECT of the host's list is FOUND at the host, must be EXPECTED"],
  ],
  [
    codes.REASON_SHARE_COUNT,
    ["host", "pfn", null, "SUBJECT is shared already, but not with guests (its share count is 0)"],
  ],
  [codes.REASON_GUEST_POISONED, ["guest", "gfn", null, "SUBJECT is poisoned: its page was reclaimed by force"]],
  [codes.REASON_GUEST_UNMAPPED, ["guest", "gfn", null, "nothing is mapped at SUBJECT"]],
  [codes.REASON_GUEST_BLOCK, ["guest", "gfn", level, "SUBJECT is mapped by a leaf of FOUND, must be of EXPECTED"]],
  [codes.REASON_LEAF_SIZE, ["guest", "gfn", level, "the leaf at SUBJECT is of FOUND, the request is for EXPECTED"]],
  [
    codes.REASON_NOT_PROTECTED_ANY_MORE,
    ["host", "pfn", state, "SUBJECT is FOUND at the host, must be EXPECTED: no guest's private page (any more)"],
  ],
  [
    codes.REASON_NOT_GUEST_OWNED,
    ["host", "pfn", owner, "the host's table says that SUBJECT belongs to FOUND, must be EXPECTED"],
  ],
  [codes.REASON_NO_SUCH_VM, ["vm", "vm", null, "there is no SUBJECT"]],
  [codes.REASON_VM_NOT_DYING, ["vm", "vm", null, "SUBJECT is alive, its teardown must have been started"]],
  [codes.REASON_VM_DYING, ["vm", "vm", null, "SUBJECT is being torn down"]],
  [codes.REASON_VM_IN_USE, ["vm", "vm", references, "SUBJECT is in use (FOUND, for instance a loaded vCPU)"]],
  [codes.REASON_VM_PROTECTED, ["vm", "vm", null, "SUBJECT is protected, the operation is for VMs that are not"]],
  [codes.REASON_VM_NOT_PROTECTED, ["vm", "vm", null, "SUBJECT is not protected, the operation is for protected VMs"]],
  [codes.REASON_NO_VCPU_LOADED, ["vcpu", "none", null, "no vCPU is loaded"]],
  [
    codes.REASON_NOT_A_TRANSLATION_FAULT,
    ["vcpu", "esr", null, "the vCPU's last exit (SUBJECT) was no translation fault of the guest"],
  ],
  [codes.REASON_NO_FAULT_IPA, ["vcpu", "hpfar", null, "the vCPU's SUBJECT holds no address (bit 63 is clear)"]],
  [codes.REASON_TABLE_FULL, ["vm", "none", plain, "all FOUND VM slots are taken"]],
  [codes.REASON_VCPU_COUNT, ["vm", "none", vcpus, "the host's descriptor says FOUND, must be at least 1"]],
  [codes.REASON_HANDLE_RANGE, ["vm", "vm", null, "SUBJECT is below the first handle"]],
  [codes.REASON_SLOT_NOT_RESERVED, ["vm", "vm", null, "the slot of SUBJECT is not a reserved one"]],
  [
    codes.REASON_DONATION_REFUSED,
    ["host", "pfn", state, "the area for EL2 is not donated: SUBJECT is FOUND at the host, must be EXPECTED"],
  ],
  [
    codes.REASON_PIN_REFUSED,
    ["host", "pfn", state, "the host's descriptor is not pinned: SUBJECT is FOUND at the host, must be EXPECTED"],
  ],
  [
    codes.REASON_ID_REGISTERS,
    ["vm", "none", null, "the host's descriptor says that the ID registers are not initialised"],
  ],
  [codes.REASON_VCPU_INDEX, ["vcpu", "none", plain, "vCPU FOUND does not exist, the VM was made with EXPECTED"]],
  [codes.REASON_VCPU_EXISTS, ["vcpu", "none", plain, "vCPU FOUND exists already"]],
  [codes.REASON_HOST_ANNOTATED, ["host", "pfn", state, "SUBJECT is FOUND at the host, its entry names another owner"]],
  [
    codes.REASON_HOST_MAPPED,
    ["host", "ipa", null, "SUBJECT is mapped for the host already, the access is simply retried"],
  ],
  [codes.REASON_PERMS_ONLY, ["page table", "ipa", null, "the map would change nothing but permissions at SUBJECT"]],
  [codes.REASON_TABLE_PAGES, ["page table", "ipa", null, "a table is needed at SUBJECT and there is no page for it"]],
  [codes.REASON_SHARED_WALK, ["arguments", "none", null, "a shared walk is not possible at EL2"]],
  [
    codes.REASON_ANNOTATION,
    ["arguments", "none", null, "the annotation has bits outside 59:1, or its type is none or locked"],
  ],
  [codes.REASON_INVALID_LEAF, ["page table", "ipa", null, "there is no valid leaf at SUBJECT to update"]],
  [codes.REASON_HYP_PAGE_IN_USE, ["hyp", "pfn", references, "SUBJECT is in use at EL2 (FOUND)"]],
  [
    codes.REASON_HOST_PROT,
    ["arguments", "none", mask, "protection FOUND combines two memory types, or one of them with execute"],
  ],
  [codes.REASON_UNSHARED_WITH_HOST, ["host", "pfn", state, "SUBJECT is FOUND at the host, must be EXPECTED"]],
  [
    codes.REASON_ARGUMENTS,
    ["arguments", "x1", null, "SUBJECT is not page-aligned, or a register that must be zero is not"],
  ],
  ...ANDROID_REASONS,
  ...KVM_REASONS,
  ...GUNYAH_REASONS,
  ...RESOURCE_MANAGER_REASONS,
  ...FFA_REASONS,
  ...FFA_PROXY_REASONS,
  ...CCA_REASONS,
  ...EL2_CALL_REASONS,
]);

/** The subject of a check, in the unit its reason gives it. */
function subjectName(unit: Unit, subject: bigint, pageShift: number): string | null {
  switch (unit) {
    case "none":
      return null;
    case "pfn":
    case "gfn":
      return `${unit} ${hex(subject >> BigInt(pageShift))}`;
    case "pa":
    case "ipa":
    case "esr":
    case "hpfar":
      return `${unit.toUpperCase()} ${hex(subject)}`;
    case "vm":
      return `VM ${hex(subject)}`;
    case "parcel":
      return `parcel ${hex(subject)}`;
    case "capability":
    case "object":
      return `${unit} ${subject}`;
    case "bytes":
    case "value":
      return hex(subject);
    case "offset":
      return `offset ${hex(subject)}`;
    case "endpoint":
      return endpointName(Number(subject));
    case "handle":
      return `handle ${hex(subject)}`;
    case "byte":
      return `byte ${subject}`;
    case "function":
      return `function ${hex(subject)}`;
    case "x1":
      return `x1 ${hex(subject)}`;
  }
}

/**
 * Tells which check refused an operation.
 *
 * @param pageShift of the machine (12, 14 or 16), to write addresses as frame numbers
 * @returns null if no check refused it
 */
export function reportRefusal(refusal: Refusal, pageShift: number): RefusalReport | null {
  const known = REASONS.get(refusal.reasonCode);
  if (known === undefined || refusal.reason === null) return null;
  const [component, unit, words, check] = known;
  const subject = subjectName(unit, refusal.subject, pageShift);
  const expected = words?.(refusal.expected) ?? null;
  const found = words?.(refusal.found) ?? null;
  const sentence = (isShareLimit(refusal) ? SHARE_LIMIT : check)
    .replace("SUBJECT", subject ?? "")
    .replace("EXPECTED", expected ?? "")
    .replace("FOUND", found ?? "");
  return { reason: refusal.reason, component, subject, expected, found, check: sentence };
}

const SHARE_LIMIT = "SUBJECT is shared with guests as often as can be counted";

/** The one reason with two causes, told apart by their errno. */
function isShareLimit(refusal: Refusal): boolean {
  return refusal.reasonCode === codes.REASON_SHARE_COUNT && -refusal.ret === codes.EBUSY;
}

/**
 * The sentence a hypervisor engineer would say of a refusal:
 * `refused with -EPERM by __pkvm_host_donate_guest: pfn 0x41000 is SHARED_OWNED at the host, must be OWNED`.
 */
export function refusalSentence(verb: string, refusal: Refusal, pageShift: number): string {
  const by = kernelFunction(verb, refusal.reasonCode)?.name ?? verb;
  const report = reportRefusal(refusal, pageShift);
  const answer = answerName(refusal);
  const head = isRefused(refusal) ? `refused with ${answer} by ${by}` : `answered with ${answer} by ${by}`;
  return report === null ? head : `${head}: ${report.check}`;
}

/** `-EPERM`, as the kernel writes it; FF-A's codes go by their names alone. */
function answerName({ ret, errno }: Refusal): string {
  if (errno === null) return String(ret);
  return errno === errnoName(ret) ? `-${errno}` : errno;
}

/** A check may also end a call that is fine: a host fault on what is mapped already, a poisoned page that counts as reclaimed. */
function isRefused(refusal: Refusal): boolean {
  return (refusal.ret < 0 || refusal.errno !== null) && refusal.reasonCode !== codes.REASON_HOST_MAPPED;
}

const WRITE_FAILED = "a table could not be changed after all checks had passed";

/** What the assertion that failed is about, by PANIC_*. */
const PANICS: ReadonlyMap<number, string> = new Map([
  [codes.PANIC_HANDLE_HOST_MEM_ABORT, "the host's fault has no address, or one that cannot be mapped"],
  [codes.PANIC_HOST_INJECT_MEM_ABORT, "the refused access is neither an instruction nor a data abort"],
  [
    codes.PANIC_HOST_STAGE2_DECODE_GFN_META,
    "the page's entry in the host's table is valid: it names no owner (EL2 text)",
  ],
  [codes.PANIC_PKVM_HOST_FORCE_RECLAIM_PAGE_GUEST, "the host's note names a VM that has another page at that frame"],
  [codes.PANIC_PKVM_HOST_SHARE_GUEST, "only one of the two execute permissions is asked for, and the CPU has no XNX"],
  [codes.PANIC_STAGE2_TEST_CLEAR_YOUNG, "the IPA is beyond the IPA space"],
  [codes.PANIC_ASSERT_HOST_SHARED_GUEST, "the IPA is not a page that the host shares (debug builds of EL2 check this)"],
  [
    codes.PANIC_PKVM_HOST_DONATE_HYP,
    "the host's table could not be changed: no table page, even after device mappings were dropped",
  ],
  [codes.PANIC_HYP_PAGE_REF_DEC, "the page has no reference to drop"],
  [codes.PANIC_EL2_FAULT, "EL2 touched an address that it has not mapped"],
  [codes.PANIC_HYP_PAGE_REF_INC, "the page's reference count is at its limit"],
  [codes.PANIC_PKVM_HYP_DONATE_HOST, WRITE_FAILED],
  [codes.PANIC_PKVM_HOST_DONATE_GUEST, WRITE_FAILED],
  [codes.PANIC_PKVM_GUEST_SHARE_HOST, WRITE_FAILED],
  [codes.PANIC_PKVM_GUEST_UNSHARE_HOST, WRITE_FAILED],
  [
    codes.PANIC_PKVM_HOST_RECLAIM_PAGE_GUEST,
    "the host's state of the page contradicts the guest's, or a table could not be changed",
  ],
  [codes.PANIC_PKVM_HOST_UNSHARE_GUEST, "the page's share count is 0 although the guest maps it"],
  [codes.PANIC_HYP_PIN_SHARED_MEM, "EL2's own table could not be changed"],
  [codes.PANIC_HYP_UNPIN_SHARED_MEM, "EL2's own table does not map the page"],
  [codes.PANIC_STAGE2_FREE_UNLINKED, "a detached table is still referenced"],
  [codes.PANIC_STAGE2_DESTROY, "the walk that frees the tables failed"],
  [codes.PANIC_STAGE2_MAP_IDENTITY, "an identity table was asked to map an address elsewhere"],
  [codes.PANIC_GET_VALID_GUEST_PTE, "the guest maps something that is not memory"],
  [codes.PANIC_TEARDOWN_DONATE, "a page could not be given back to the host"],
  [codes.PANIC_HOST_STAGE2_IDMAP, "the entry names another owner, but the page is the host's"],
  [codes.PANIC_HYP_POOL, "the page pool contradicts itself"],
  [codes.PANIC_PGTABLE_NULL_HOOK, "a guest table has no hook to free a detached table"],
  [PANIC_CRITICAL_VCPU_FAULT, "HLOS took a fault that is neither handled nor passed on to it"],
  [PANIC_PGTABLE_RANGE, "the range is outside what the page table translates"],
  [PANIC_DERIVE_REMAP, "the mappings of the parent could not be moved to the child"],
  [codes.PANIC_FFA_HOST_UNSHARE_RANGES, "a page of the transaction is no longer shared"],
  [codes.PANIC_FFA_MAILBOX, "a page of RX or TX is no longer shared with EL2, or something else pins it"],
  [codes.PANIC_INIT_FINALISE, "EL2 cannot take the machine over as it finds it"],
  [cca.PANIC_RMM_DELEGATE, "EL3 refuses to give the granule to the Realm world"],
  [cca.PANIC_RMM_UNDELEGATE, "EL3 refuses to give the granule back to the Non-secure world"],
  [cca.PANIC_RMM_UNLOCK, "the lock of the granule is free already"],
  [cca.PANIC_RMM_REFCOUNT, "the granule's reference count leaves its limits"],
]);

/** `EL2 panicked in hyp_page_ref_dec (bug): the page has no reference to drop`. */
export function panicSentence(panic: Panic): string {
  const head = panic.func === null ? `EL2 panicked (${panic.kind})` : `EL2 panicked in ${panic.func} (${panic.kind})`;
  const why = PANICS.get(panic.code);
  return why === undefined ? head : `${head}: ${why}`;
}
