// The operations of a plain KVM host, as operations.ts has those of pKVM. Layout: assembly/abi/kvm.ts.

import * as abi from "../../assembly/abi/kvm.js";
import type { Verb } from "./operations.js";

const VM = { vm: { kind: "handle", at: "vm" } } as const;
const FD = { fd: { kind: "index", at: "vcpu" } } as const;
const GFN_NR = { gfn: { kind: "u64", at: "a" }, nr: { kind: "count", at: "b" } } as const;
const OFFSET = { offset: { kind: "u64", at: "a" } } as const;
const OFFSET_SIZE = { ...OFFSET, size: { kind: "u64", at: "b" } } as const;

/** Addresses, sizes and offsets are bytes; `fd` is a guest_memfd, counted from 1. */
export const KVM_OPERATIONS = {
  /** `type`: IPA bits, 0 for 40. Answers the VM's handle. */
  kvm_create_vm: { code: abi.KVM_CREATE_VM, args: { type: { kind: "u64", at: "a" } } },
  /** The VMM's last descriptor is closed; the VM ends when no guest_memfd holds it either. */
  kvm_destroy_vm: { code: abi.KVM_DESTROY_VM, args: VM },
  /** `size` 0 deletes the slot; `fd` 0: memory of the VMM. */
  kvm_set_memory_region: {
    code: abi.KVM_SET_MEMORY_REGION,
    args: {
      ...VM,
      slot: { kind: "count", at: "c" },
      gpa: { kind: "u64", at: "a" },
      size: { kind: "u64", at: "b" },
      fd: { kind: "mask", at: "vcpu" },
      offset: { kind: "u64", at: "d" },
      readonly: { kind: "flag", at: "vcpu", bit: 31 },
    },
  },
  /** `pfn`, and what the VMM may do there, as its page tables have it; of no account for a slot on a guest_memfd. */
  kvm_guest_fault: {
    code: abi.KVM_GUEST_FAULT,
    args: {
      ...VM,
      esr: { kind: "u64", at: "a" },
      ipa: { kind: "u64", at: "b" },
      pfn: { kind: "u64", at: "c" },
      mapped: { kind: "flag", at: "d", bit: 0 },
      writable: { kind: "flag", at: "d", bit: 1 },
      huge: { kind: "flag", at: "d", bit: 2 },
    },
  },
  kvm_unmap_gfn_range: { code: abi.KVM_UNMAP_GFN_RANGE, args: { ...VM, ...GFN_NR } },
  kvm_age_gfn: { code: abi.KVM_AGE_GFN, args: { ...VM, ...GFN_NR, mkold: { kind: "flag", at: "c" } } },

  /** `flags`: 1 MMAP, 2 INIT_SHARED. Answers the file. */
  kvm_create_guest_memfd: {
    code: abi.KVM_CREATE_GUEST_MEMFD,
    args: { ...VM, size: { kind: "u64", at: "a" }, flags: { kind: "u64", at: "b" } },
  },
  gmem_mmap: { code: abi.GMEM_MMAP, args: { ...FD, ...OFFSET_SIZE, shared: { kind: "flag", at: "c" } } },
  gmem_host_fault: { code: abi.GMEM_HOST_FAULT, args: { ...FD, ...OFFSET } },
  /** `mode`: 1 KEEP_SIZE, 2 PUNCH_HOLE. */
  gmem_fallocate: {
    code: abi.GMEM_FALLOCATE,
    args: {
      ...FD,
      mode: { kind: "u64", at: "a" },
      offset: { kind: "u64", at: "b" },
      size: { kind: "u64", at: "c" },
    },
  },
  gmem_ftruncate: { code: abi.GMEM_FTRUNCATE, args: { ...FD, size: { kind: "u64", at: "a" } } },
  gmem_read: { code: abi.GMEM_READ, args: { ...FD, ...OFFSET_SIZE } },
  gmem_write: { code: abi.GMEM_WRITE, args: { ...FD, ...OFFSET_SIZE } },
  gmem_migrate_folio: { code: abi.GMEM_MIGRATE_FOLIO, args: { ...FD, ...OFFSET } },
  gmem_memory_failure: { code: abi.GMEM_MEMORY_FAILURE, args: { ...FD, ...OFFSET } },
  /** The last reference goes: the descriptor, and every mapping of the file. */
  gmem_close: { code: abi.GMEM_CLOSE, args: FD },
} as const satisfies Record<string, Verb>;
