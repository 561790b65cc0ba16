// What an operation answered, in names: errno, reason of the refusal, panic.

import * as android from "../../assembly/abi/android.js";
import * as cca from "../../assembly/abi/cca.js";
import * as codes from "../../assembly/abi/codes.js";
import * as ffa from "../../assembly/abi/ffa.js";
import * as ffaProxy from "../../assembly/abi/ffa-proxy.js";
import * as gunyah from "../../assembly/abi/gunyah.js";
import * as resourceManager from "../../assembly/abi/gunyah-rm.js";
import * as kvm from "../../assembly/abi/kvm.js";
import * as abi from "../../assembly/abi/records.js";
import type { AbortResult, Effect } from "./effects.js";
import { errnoName } from "./error-names.js";
import type { FfaReply } from "./ffa-effects.js";

export { errnoName, ffaErrorName } from "./error-names.js";

/** `ok`: ran (perhaps refused). `panicked`: EL2 stopped. `invalid`: not an operation. `limit`: a limit of the simulator was reached. */
export type OutcomeStatus = "ok" | "panicked" | "invalid" | "limit";

/** A WARN, a BUG, or an access to memory that EL2 has not mapped; each is the end of EL2 (reference pkvm-el2 section 0.2). */
export interface Panic {
  /** PANIC_* of assembly/abi/codes.ts. */
  readonly code: number;
  readonly kind: "warn" | "bug" | "el2-fault";
  /** The kernel function that stops; null for an EL2 fault. */
  readonly func: string | null;
}

/** What some operations answer beside their return value. Only what the operation has is present. */
export interface OutcomeDetails {
  /** host_abort. */
  readonly abort?: {
    readonly result: AbortResult;
    readonly ipa: bigint;
    readonly injectedEsr: bigint;
    readonly start: bigint;
    readonly size: bigint;
  };
  /** guest_hvc: x0..x3 afterwards, and the change of the return address in bytes. */
  readonly registers?: readonly [bigint, bigint, bigint, bigint];
  readonly elrDelta?: number;
  /** guest_hvc: the made-up data abort that the host sees. */
  readonly guestExit?: {
    readonly exitCode: number;
    readonly esr: bigint;
    readonly hpfar: bigint;
    readonly far: bigint;
  };
  /** finalize_teardown_vm: pages handed back on the host's two lists. */
  readonly teardownPages?: number;
  readonly stage2TeardownPages?: number;
  /** Refills: pages left on the host's list. */
  readonly hostMemcache?: number;
  /** vcpu_load: the vCPU that is loaded now. */
  readonly loaded?: { readonly vm: number; readonly vcpu: number } | null;
  /** pt_get_leaf. */
  readonly leaf?: { readonly level: number; readonly descriptor: bigint };
  /** pt_*: pool pages not in use; pt_split: pages left in the split cache. */
  readonly poolFree?: number;
  readonly splitPages?: number;
  /** gmem_host_fault: where the process's access leads, in bytes. */
  readonly hostMap?: bigint;
  /** RMM: x1 to x4. */
  readonly smc?: readonly [bigint, bigint, bigint, bigint];
  /** kvm_guest_fault: what KVM_RUN returns with. `gpa` and `size` in bytes. */
  readonly runExit?: { readonly reason: number; readonly gpa: bigint; readonly size: bigint };
  /** Gunyah: what a call answers beside its result: a capability, a handle, an address. Present without effects too. */
  readonly answer?: bigint;
  /** gunyah_abort: the exception that the VM takes. */
  readonly exception?: {
    readonly far: bigint;
    readonly spsr: bigint;
    readonly pstate: bigint;
    /** Offset of the vector from VBAR_EL1. */
    readonly vector: number;
  };
  /** ffa_*: what is returned instead of FFA_ERROR. A descriptor of `RETRIEVE_RESP` and `FRAG_TX` stands in RX. */
  readonly reply?: FfaReply;
}

/** The answer to one operation. */
export interface Outcome {
  /** 0 or a count, or a negative errno; of a Gunyah machine, its own error number. Undefined in meaning unless `status` is `ok`. */
  readonly ret: number;
  /** `EPERM` and so on (Gunyah: `MEMDB_NOT_OWNER`, FF-A calls: `DENIED` and so on), null if the call succeeded. */
  readonly errno: string | null;
  readonly status: OutcomeStatus;
  /** Which check refused, for example `host_state`; null if none did. */
  readonly reason: string | null;
  /** REASON_* of assembly/abi/codes.ts; behind it, what the check looked at (a byte address, a handle or a count). */
  readonly reasonCode: number;
  readonly subject: bigint;
  /** What the check wanted and what it found, in the units that its REASON_* names; or what there is beside `details.answer`. */
  readonly expected: number;
  readonly found: number;
  /** Where EL2 stopped, if `status` is `panicked`. */
  readonly panic: Panic | null;
  /** Present only if effects were recorded. */
  readonly details: OutcomeDetails;
  /** Everything the operation did, in order; empty if effects were not recorded. */
  readonly effects: readonly Effect[];
}

/** The codes called `prefix`X, as code -> x. */
function namesOf(prefix: string, ...tables: readonly Readonly<Record<string, number>>[]): ReadonlyMap<number, string> {
  const names = new Map<number, string>();
  for (const [name, code] of tables.flatMap((table) => Object.entries(table))) {
    if (name.startsWith(prefix)) names.set(code, name.slice(prefix.length).toLowerCase());
  }
  return names;
}

const REASONS = namesOf("REASON_", codes, android, kvm, gunyah, resourceManager, ffa, ffaProxy, cca);

/** Name of a REASON_* code, for example `host_state`; null for none. */
export function reasonName(code: number): string | null {
  return code === codes.REASON_NONE ? null : (REASONS.get(code) ?? `reason_${code}`);
}

const warn = (func: string) => ({ kind: "warn", func }) as const;
const bug = (func: string) => ({ kind: "bug", func }) as const;
const EL2_FAULT = { kind: "el2-fault", func: null } as const;

const PANICS: ReadonlyMap<number, Omit<Panic, "code">> = new Map<number, Omit<Panic, "code">>([
  [codes.PANIC_HANDLE_HOST_MEM_ABORT, bug("handle_host_mem_abort")],
  [codes.PANIC_HOST_INJECT_MEM_ABORT, warn("host_inject_mem_abort")],
  [codes.PANIC_HOST_STAGE2_DECODE_GFN_META, warn("host_stage2_decode_gfn_meta")],
  [codes.PANIC_PKVM_HOST_FORCE_RECLAIM_PAGE_GUEST, warn("__pkvm_host_force_reclaim_page_guest")],
  [codes.PANIC_PKVM_HOST_SHARE_GUEST, warn("__pkvm_host_share_guest")],
  [codes.PANIC_STAGE2_TEST_CLEAR_YOUNG, warn("kvm_pgtable_stage2_test_clear_young")],
  [codes.PANIC_ASSERT_HOST_SHARED_GUEST, warn("assert_host_shared_guest")],
  [codes.PANIC_PKVM_HOST_DONATE_HYP, warn("__pkvm_host_donate_hyp")],
  [codes.PANIC_HYP_PAGE_REF_DEC, bug("hyp_page_ref_dec")],
  [codes.PANIC_EL2_FAULT, EL2_FAULT],
  [codes.PANIC_HYP_PAGE_REF_INC, bug("hyp_page_ref_inc")],
  [codes.PANIC_PKVM_HYP_DONATE_HOST, warn("__pkvm_hyp_donate_host")],
  [codes.PANIC_PKVM_HOST_DONATE_GUEST, warn("__pkvm_host_donate_guest")],
  [codes.PANIC_PKVM_GUEST_SHARE_HOST, warn("__pkvm_guest_share_host")],
  [codes.PANIC_PKVM_GUEST_UNSHARE_HOST, warn("__pkvm_guest_unshare_host")],
  [codes.PANIC_PKVM_HOST_RECLAIM_PAGE_GUEST, warn("__pkvm_host_reclaim_page_guest")],
  [codes.PANIC_PKVM_HOST_UNSHARE_GUEST, warn("__pkvm_host_unshare_guest")],
  [codes.PANIC_HYP_PIN_SHARED_MEM, warn("hyp_pin_shared_mem")],
  [codes.PANIC_HYP_UNPIN_SHARED_MEM, warn("hyp_unpin_shared_mem")],
  [codes.PANIC_STAGE2_FREE_UNLINKED, warn("kvm_pgtable_stage2_free_unlinked")],
  [codes.PANIC_STAGE2_DESTROY, warn("kvm_pgtable_stage2_destroy")],
  [codes.PANIC_STAGE2_MAP_IDENTITY, warn("kvm_pgtable_stage2_map")],
  [codes.PANIC_GET_VALID_GUEST_PTE, warn("get_valid_guest_pte")],
  [codes.PANIC_TEARDOWN_DONATE, warn("teardown_donate_back")],
  [codes.PANIC_HOST_STAGE2_IDMAP, warn("host_stage2_idmap")],
  [codes.PANIC_HYP_POOL, bug("hyp_alloc_pages")],
  [codes.PANIC_PGTABLE_NULL_HOOK, EL2_FAULT],
  [gunyah.PANIC_CRITICAL_VCPU_FAULT, bug("vcpu_halted")],
  [gunyah.PANIC_PGTABLE_RANGE, bug("pgtable_vm_map")],
  [gunyah.PANIC_DERIVE_REMAP, bug("memextent_derive")],
  [codes.PANIC_FFA_HOST_UNSHARE_RANGES, warn("ffa_host_unshare_ranges")],
  [codes.PANIC_FFA_MAILBOX, warn("do_ffa_rxtx_unmap")],
  [codes.PANIC_INIT_FINALISE, warn("__pkvm_init_finalise")],
  [cca.PANIC_RMM_DELEGATE, bug("smc_granule_delegate")],
  [cca.PANIC_RMM_UNDELEGATE, bug("smc_granule_undelegate")],
  [cca.PANIC_RMM_UNLOCK, bug("granule_unlock")],
  [cca.PANIC_RMM_REFCOUNT, bug("atomic_granule_put")],
]);

/** The panic with code PANIC_*. */
export function panicOf(code: number): Panic {
  const known = PANICS.get(code);
  if (known === undefined) throw new Error(`core reported an unknown panic ${code}`);
  return { code, ...known };
}

// The last one: ran, and answers something.
const STATUSES: readonly OutcomeStatus[] = ["ok", "panicked", "invalid", "limit", "ok"];

/** Reads one 24-byte result record and joins it with the operation's effects. `errorName` names what `ret` says. */
export function decodeOutcome(
  view: DataView,
  record: number,
  effects: readonly Effect[],
  errorName: (ret: number) => string | null = (ret) => (ret < 0 ? errnoName(ret) : null),
): Outcome {
  const raw = view.getUint16(record + abi.RESULT_STATUS, true);
  const status = STATUSES[raw] ?? "invalid";
  const answered = raw === abi.STATUS_ANSWERED;
  const ret = view.getInt32(record + abi.RESULT_RET, true);
  const code = view.getUint16(record + abi.RESULT_REASON, true);
  const refused = status === "ok" && code !== codes.REASON_NONE;
  return {
    ret,
    errno: status === "ok" ? errorName(ret) : null,
    status,
    reason: refused ? reasonName(code) : null,
    reasonCode: refused ? code : codes.REASON_NONE,
    subject: refused ? view.getBigUint64(record + abi.RESULT_SUBJECT, true) : 0n,
    expected: refused || answered ? view.getUint32(record + abi.RESULT_EXPECTED, true) : 0,
    found: refused || answered ? view.getUint32(record + abi.RESULT_FOUND, true) : 0,
    panic: status === "panicked" ? panicOf(code) : null,
    details: answered
      ? { ...detailsOf(effects), answer: view.getBigUint64(record + abi.RESULT_SUBJECT, true) }
      : detailsOf(effects),
    effects,
  };
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** Collects the effects that are answers rather than changes of state. */
function detailsOf(effects: readonly Effect[]): OutcomeDetails {
  const details: Writable<OutcomeDetails> = {};
  const x: [bigint, bigint, bigint, bigint] = [0n, 0n, 0n, 0n];
  for (const effect of effects) {
    switch (effect.kind) {
      case "abort": {
        const { result, ipa, injectedEsr, start, size } = effect;
        details.abort = { result, ipa, injectedEsr, start, size };
        break;
      }
      case "exception": {
        const { far, spsr, pstate, vector } = effect;
        details.exception = { far, spsr, pstate, vector };
        break;
      }
      case "hvc":
        details.elrDelta = effect.elrDelta;
        break;
      case "registers":
        x.splice(effect.first, 2, ...effect.values);
        details.registers = x;
        break;
      case "guest_exit": {
        const { exitCode, esr, hpfar, far } = effect;
        details.guestExit = { exitCode, esr, hpfar, far };
        break;
      }
      case "teardown":
        details.teardownPages = effect.teardownPages;
        details.stage2TeardownPages = effect.stage2TeardownPages;
        break;
      case "host_memcache":
        details.hostMemcache = effect.pages;
        break;
      case "loaded":
        details.loaded = effect.vm === 0 ? null : { vm: effect.vm, vcpu: effect.vcpu };
        break;
      case "leaf":
        details.leaf = { level: effect.level, descriptor: effect.descriptor };
        break;
      case "pool":
        details.poolFree = effect.free;
        details.splitPages = effect.splitPages;
        break;
      case "host_map":
        details.hostMap = effect.pa;
        break;
      case "run_exit":
        details.runExit = { reason: effect.reason, gpa: effect.gpa, size: effect.size };
        break;
      case "smc_result":
        details.smc = effect.registers;
        break;
      case "reply":
        details.reply = effect.reply;
        break;
      default:
        break;
    }
  }
  return details;
}
