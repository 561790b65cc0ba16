// What operations did, decoded from the packed effect records of assembly/abi/records.ts.

import * as kvm from "../../assembly/abi/kvm.js";
import * as abi from "../../assembly/abi/records.js";
import { decodeCcaEffect, type CcaEffect } from "./cca-effects.js";
import { decodeFfaEffect, type FfaEffect } from "./ffa-effects.js";
import { decodeOwner, type Owner } from "./gunyah-names.js";
import { decodeResourceManagerEffect, type EffectFields, type ResourceManagerEffect } from "./gunyah-rm-effects.js";

/** One page's entry of the hyp vmemmap (reference pkvm-el2 section 1.3). Page states: 0 owned, 1 shared-owned, 2 shared-borrowed, 3 no page. */
export interface PageState {
  /** State of the host. */
  readonly host: number;
  /** State of EL2. */
  readonly hyp: number;
  /** Buddy order, as the page allocator left it. */
  readonly order: number;
  /** Pins of a borrowed page; of a table page 1 + non-zero descriptors. */
  readonly refcount: number;
  /** Mappings of the page by non-protected guests. */
  readonly shares: number;
}

/** State of a VM slot. */
export type VmState = "free" | "reserved" | "live" | "dying";

/** What is known of a VM slot. */
export interface VmStatus {
  readonly state: VmState;
  readonly protected: boolean;
  /** vCPUs that the VM was created for. */
  readonly vcpus: number;
}

/** What is known of a vCPU. */
export interface VcpuStatus {
  /** Whether init_vcpu has created it. */
  readonly present: boolean;
  /** Whether a CPU has it loaded. */
  readonly loaded: boolean;
  /** Pages in its EL2 memcache. */
  readonly memcache: number;
}

/**
 * How an abort ended: pKVM's host (reference pkvm-el2 section 4), or a VM of Gunyah (reference gunyah section 5), where a virtual
 * device or a VMM may answer and a vCPU may be blocked.
 */
export type AbortResult =
  "mapped" | "spurious" | "injected" | "retry" | "emulated" | "vmmio_read" | "vmmio_write" | "blocked";

/**
 * One thing an operation did. Addresses and sizes are bytes; `vm` is a handle, 0 is the host; descriptors are raw 64-bit values.
 *
 * State: `page`, `descriptor`, `table`, `vm`, `vcpu`, `hyp_map` (EL2 stage 1, linear map), `wipe` (memory filled with zeros).
 * Maintenance: `tlbi_*` (level null: no level hint), `dcache`, `icache`, `poc` (clean to the point of coherency).
 * Gunyah's state: `ownership` (the ownership database), `mapping` (an extent's record); `tlbi_stage1` (VMALLE1), `exception`, `range` (of a walk).
 * Outcome beyond the return value: `abort`, `hvc`, `registers`, `guest_exit`, `teardown`, `host_memcache`, `loaded`, `leaf`, `pool`, and those of {@link KvmEffect}, {@link FfaEffect} and the resource manager.
 */
export type Effect =
  | { readonly kind: "page"; readonly pa: bigint; readonly before: PageState; readonly after: PageState }
  | {
      readonly kind: "descriptor";
      readonly vm: number;
      readonly ipa: bigint;
      readonly level: number;
      readonly before: bigint;
      readonly after: bigint;
    }
  | {
      readonly kind: "table";
      readonly vm: number;
      readonly ipa: bigint;
      readonly level: number;
      readonly present: boolean;
    }
  | {
      readonly kind: "tlbi_ipa" | "tlbi_ipa_nsh";
      readonly vmid: number;
      readonly ipa: bigint;
      readonly level: number | null;
    }
  | { readonly kind: "tlbi_range"; readonly vmid: number; readonly ipa: bigint; readonly pages: bigint }
  | { readonly kind: "tlbi_vmid"; readonly vmid: number }
  | { readonly kind: "dcache" | "icache" | "poc" | "wipe"; readonly pa: bigint; readonly size: bigint }
  | { readonly kind: "vm"; readonly vm: number; readonly before: VmStatus; readonly after: VmStatus }
  | {
      readonly kind: "vcpu";
      readonly vm: number;
      readonly vcpu: number;
      readonly before: VcpuStatus;
      readonly after: VcpuStatus;
    }
  | {
      readonly kind: "abort";
      readonly result: AbortResult;
      /** The address that faulted. */
      readonly ipa: bigint;
      /** ESR_EL1 given to the host, if injected. */
      readonly injectedEsr: bigint;
      /** Start and size of what was mapped. */
      readonly start: bigint;
      readonly size: bigint;
    }
  | { readonly kind: "hvc"; readonly elrDelta: number }
  | { readonly kind: "registers"; readonly first: number; readonly values: readonly [bigint, bigint] }
  | {
      readonly kind: "guest_exit";
      readonly exitCode: number;
      readonly esr: bigint;
      readonly hpfar: bigint;
      readonly far: bigint;
    }
  | { readonly kind: "teardown"; readonly teardownPages: number; readonly stage2TeardownPages: number }
  | { readonly kind: "host_memcache"; readonly pages: number }
  | { readonly kind: "loaded"; readonly vm: number; readonly vcpu: number }
  | { readonly kind: "leaf"; readonly level: number; readonly descriptor: bigint }
  | { readonly kind: "pool"; readonly free: number; readonly splitPages: number }
  | {
      readonly kind: "ownership";
      readonly pa: bigint;
      readonly size: bigint;
      readonly before: Owner;
      readonly after: Owner;
    }
  | {
      readonly kind: "mapping";
      /** VMID of the address space. */
      readonly vm: number;
      readonly slot: number;
      readonly ipa: bigint;
      readonly pa: bigint;
      readonly size: bigint;
      /** As in a map call; null if the record was removed. */
      readonly attributes: number | null;
    }
  | {
      readonly kind: "exception";
      readonly vm: number;
      readonly far: bigint;
      readonly spsr: bigint;
      readonly pstate: bigint;
      /** Offset of the vector from VBAR_EL1. */
      readonly vector: number;
    }
  | { readonly kind: "tlbi_stage1"; readonly vmid: number }
  | { readonly kind: "range"; readonly start: bigint; readonly size: bigint; readonly value: bigint }
  | ResourceManagerEffect
  | { readonly kind: "hyp_map"; readonly pa: bigint; readonly before: bigint; readonly after: bigint }
  | KvmEffect
  | FfaEffect
  | CcaEffect;

/**
 * What a plain KVM host does besides. `memslot`: size before and after, 0 where there is none; `fd` 0: memory of the VMM.
 * `folio`: a page comes into a guest_memfd (`after`) or leaves it (`before`), and the process's mapping of it with it.
 */
export type KvmEffect =
  | {
      readonly kind: "memslot";
      readonly vm: number;
      readonly slot: number;
      readonly gpa: bigint;
      readonly before: bigint;
      readonly after: bigint;
      readonly fd: number;
    }
  | {
      readonly kind: "folio";
      readonly fd: number;
      readonly offset: bigint;
      readonly before: bigint | null;
      readonly after: bigint | null;
      readonly hostUnmapped: boolean;
    }
  | { readonly kind: "host_map"; readonly fd: number; readonly offset: bigint; readonly pa: bigint }
  | {
      readonly kind: "run_exit";
      readonly vm: number;
      /** KVM_EXIT_*: 6 MMIO, 39 MEMORY_FAULT. */
      readonly reason: number;
      readonly gpa: bigint;
      readonly size: bigint;
    };

/** The effect of one kind. */
export type EffectOf<K extends Effect["kind"]> = Extract<Effect, { readonly kind: K }>;

const VM_STATES: readonly VmState[] = ["free", "reserved", "live", "dying"];
const ABORT_RESULTS: readonly AbortResult[] = [
  "mapped",
  "spurious",
  "injected",
  "retry",
  "emulated",
  "vmmio_read",
  "vmmio_write",
  "blocked",
];
const RECORD_MADE = 1n << 31n;

function at<T>(list: readonly T[], index: number): T {
  const value = list[index];
  if (value === undefined) throw new Error(`core reported an unknown code ${index}`);
  return value;
}

/** Takes a vmemmap word apart: refcount 15:0, order 23:16, host state 27:24, EL2 state ^ 3 31:28, shares 63:32. */
export function decodePageWord(word: bigint): PageState {
  const low = Number(word & 0xffff_ffffn);
  return {
    host: (low >>> 24) & 15,
    hyp: (low >>> 28) ^ 3,
    order: (low >>> 16) & 255,
    refcount: low & 0xffff,
    shares: Number(word >> 32n),
  };
}

/** Takes a VM word apart: state 7:0, protected 8, vCPUs from bit 16. */
export function decodeVmWord(word: bigint): VmStatus {
  const low = Number(word & 0xffff_ffffn);
  return { state: at(VM_STATES, low & 255), protected: (low & 0x100) !== 0, vcpus: low >>> 16 };
}

/** Takes a vCPU word apart: present 0, loaded 1, memcache pages from bit 8. */
export function decodeVcpuWord(word: bigint): VcpuStatus {
  const low = Number(word & 0xffff_ffffn);
  return { present: (low & 1) !== 0, loaded: (low & 2) !== 0, memcache: low >>> 8 };
}

/** Reads one 40-byte effect record. EFFECT_OPERATION, which opens an operation's effects, is not an effect: undefined. */
export function decodeEffect(view: DataView, record: number): Effect | undefined {
  const level = view.getUint8(record + abi.EFFECT_LEVEL);
  const owner = view.getUint32(record + abi.EFFECT_OWNER, true);
  const address = view.getBigUint64(record + abi.EFFECT_ADDRESS, true);
  const before = view.getBigUint64(record + abi.EFFECT_BEFORE, true);
  const after = view.getBigUint64(record + abi.EFFECT_AFTER, true);
  const extra = view.getBigUint64(record + abi.EFFECT_EXTRA, true);
  const kind = view.getUint16(record + abi.EFFECT_KIND, true);
  switch (kind) {
    case abi.EFFECT_OPERATION:
      return undefined;
    case abi.EFFECT_PAGE:
      return { kind: "page", pa: address, before: decodePageWord(before), after: decodePageWord(after) };
    case abi.EFFECT_DESCRIPTOR:
      return { kind: "descriptor", vm: owner, ipa: address, level, before, after };
    case abi.EFFECT_TABLE:
      return { kind: "table", vm: owner, ipa: address, level, present: after !== 0n };
    case abi.EFFECT_TLBI_IPA:
      return { kind: "tlbi_ipa", vmid: owner, ipa: address, level: level === abi.TTL_UNKNOWN ? null : level };
    case abi.EFFECT_TLBI_IPA_NSH:
      return { kind: "tlbi_ipa_nsh", vmid: owner, ipa: address, level: level === abi.TTL_UNKNOWN ? null : level };
    case abi.EFFECT_TLBI_RANGE:
      return { kind: "tlbi_range", vmid: owner, ipa: address, pages: extra };
    case abi.EFFECT_TLBI_VMID:
      return { kind: "tlbi_vmid", vmid: owner };
    case abi.EFFECT_DCACHE:
      return { kind: "dcache", pa: address, size: extra };
    case abi.EFFECT_ICACHE:
      return { kind: "icache", pa: address, size: extra };
    case abi.EFFECT_POC:
      return { kind: "poc", pa: address, size: extra };
    case abi.EFFECT_WIPE:
      return { kind: "wipe", pa: address, size: extra };
    case abi.EFFECT_VM:
      return { kind: "vm", vm: owner, before: decodeVmWord(before), after: decodeVmWord(after) };
    case abi.EFFECT_VCPU:
      return {
        kind: "vcpu",
        vm: owner,
        vcpu: Number(address),
        before: decodeVcpuWord(before),
        after: decodeVcpuWord(after),
      };
    case abi.EFFECT_ABORT:
      return {
        kind: "abort",
        result: at(ABORT_RESULTS, level),
        ipa: before,
        injectedEsr: after,
        start: address,
        size: extra,
      };
    case abi.EFFECT_HVC:
      return { kind: "hvc", elrDelta: Number(BigInt.asIntN(64, address)) };
    case abi.EFFECT_REGISTERS:
      return { kind: "registers", first: level, values: [address, before] };
    case abi.EFFECT_GUEST_EXIT:
      return { kind: "guest_exit", exitCode: level, esr: address, hpfar: before, far: after };
    case abi.EFFECT_TEARDOWN:
      return { kind: "teardown", teardownPages: Number(address), stage2TeardownPages: Number(before) };
    case abi.EFFECT_HOST_MEMCACHE:
      return { kind: "host_memcache", pages: Number(address) };
    case abi.EFFECT_LOADED:
      return { kind: "loaded", vm: owner, vcpu: Number(address) };
    case abi.EFFECT_LEAF:
      return { kind: "leaf", level, descriptor: after };
    case abi.EFFECT_POOL:
      return { kind: "pool", free: Number(address), splitPages: Number(before) };
    case abi.EFFECT_OWNERSHIP:
      return {
        kind: "ownership",
        pa: address,
        size: extra,
        before: decodeOwner(before),
        after: decodeOwner(after),
      };
    case abi.EFFECT_MAPPING:
      return {
        kind: "mapping",
        vm: owner,
        slot: level,
        ipa: address,
        pa: before,
        size: extra,
        attributes: after === 0n ? null : Number(after & ~RECORD_MADE),
      };
    case abi.EFFECT_EXCEPTION:
      return { kind: "exception", vm: owner, far: address, spsr: before, pstate: after, vector: Number(extra) };
    case abi.EFFECT_TLBI_STAGE1:
      return { kind: "tlbi_stage1", vmid: owner };
    case abi.EFFECT_RANGE:
      return { kind: "range", start: address, size: extra, value: after };
    case abi.EFFECT_HYP_MAP:
      return { kind: "hyp_map", pa: address, before, after };
    case kvm.EFFECT_MEMSLOT: {
      const [slot, fd] = [Number(extra & 0xffff_ffffn), Number(extra >> 32n)];
      return { kind: "memslot", vm: owner, slot, gpa: address, before, after, fd };
    }
    case kvm.EFFECT_FOLIO: {
      const [had, has] = [before === 0n ? null : before, after === 0n ? null : after];
      return { kind: "folio", fd: owner, offset: address, before: had, after: has, hostUnmapped: level !== 0 };
    }
    case kvm.EFFECT_HOST_MAP:
      return { kind: "host_map", fd: owner, offset: address, pa: after };
    case kvm.EFFECT_RUN_EXIT:
      return { kind: "run_exit", vm: owner, reason: level, gpa: address, size: extra };
    default:
      return known(kind, decodeElsewhere(kind, { level, owner, address, before, after, extra }));
  }
}

function decodeElsewhere(kind: number, fields: EffectFields): Effect | undefined {
  return decodeResourceManagerEffect(kind, fields) ?? decodeFfaEffect(kind, fields) ?? decodeCcaEffect(kind, fields);
}

function known(kind: number, effect: Effect | undefined): Effect {
  if (effect === undefined) throw new Error(`core reported an unknown effect ${kind}`);
  return effect;
}
