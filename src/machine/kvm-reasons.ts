// Refusals of a plain KVM host in words (codes: assembly/abi/kvm.ts).

import * as kvm from "../../assembly/abi/kvm.js";
import { hex } from "./names.js";
import type { Reason } from "./reasons.js";

const plain = (value: number) => String(value);
const mask = (value: number) => hex(value);
const bits = (value: number) => `${value} bits`;
const slot = (value: number) => `slot ${value}`;
const fd = (value: number) => `file ${value}`;

// prettier-ignore
export const KVM_REASONS: readonly (readonly [code: number, reason: Reason])[] = [
  [kvm.REASON_KVM_NO_SUCH_VM,         ["vm", "vm", null, "the VMM holds no descriptor of a SUBJECT"]],
  [kvm.REASON_KVM_VM_TYPE,            ["arguments", "none", mask, "VM type FOUND has bits that mean nothing"]],
  [kvm.REASON_KVM_NOT_PROTECTED_MODE, ["arguments", "none", mask, "VM type FOUND asks for a protected VM, and the host does not run pKVM"]],
  [kvm.REASON_KVM_IPA_BITS,           ["arguments", "none", bits, "an IPA space of FOUND is asked for, must be 32 to EXPECTED"]],
  [kvm.REASON_KVM_VM_LIMIT,           ["vm", "none", plain, "there are FOUND VMs already"]],
  [kvm.REASON_KVM_UNALIGNED,          ["arguments", "bytes", null, "SUBJECT is not a multiple of the page size"]],
  [kvm.REASON_KVM_SLOT_ID,            ["arguments", "none", plain, "slot number FOUND, must be less than EXPECTED"]],
  [kvm.REASON_KVM_REGION_SIZE,        ["arguments", "bytes", null, "no region can have a size of SUBJECT"]],
  [kvm.REASON_KVM_SLOT_OVERLAP,       ["memslot", "ipa", slot, "FOUND is there already: the region at SUBJECT would overlap it"]],
  [kvm.REASON_KVM_NO_SUCH_SLOT,       ["memslot", "none", slot, "there is no FOUND to delete"]],
  [kvm.REASON_KVM_SLOT_CHANGE,        ["memslot", "none", slot, "FOUND keeps its size and what is behind it; only its address may change, and not if that is a guest_memfd"]],
  [kvm.REASON_KVM_GMEM_READONLY,      ["arguments", "none", slot, "FOUND on a guest_memfd cannot be read-only"]],
  [kvm.REASON_KVM_BEYOND_IPA,         ["memslot", "ipa", bits, "the region at SUBJECT ends beyond the VM's IPA space of EXPECTED"]],
  [kvm.REASON_GMEM_NO_SUCH_FILE,      ["guest_memfd", "none", fd, "no FOUND is open"]],
  [kvm.REASON_GMEM_FILE_LIMIT,        ["guest_memfd", "none", plain, "FOUND files are open already"]],
  [kvm.REASON_GMEM_FLAGS,             ["arguments", "none", mask, "flags FOUND, must be within EXPECTED"]],
  [kvm.REASON_GMEM_SIZE,              ["arguments", "bytes", null, "a size of SUBJECT: must be whole pages, not none, and fit a signed offset"]],
  [kvm.REASON_GMEM_OTHER_VM,          ["guest_memfd", "vm", null, "the file was made for SUBJECT"]],
  [kvm.REASON_GMEM_BOUND,             ["guest_memfd", "offset", slot, "the file's range at SUBJECT is bound to FOUND already"]],
  [kvm.REASON_GMEM_NO_MMAP,           ["guest_memfd", "none", mask, "the file cannot be mapped: it was made with flags FOUND, without EXPECTED (MMAP)"]],
  [kvm.REASON_GMEM_MAP_PRIVATE,       ["arguments", "none", null, "a guest_memfd is mapped MAP_SHARED or not at all"]],
  [kvm.REASON_GMEM_PRIVATE,           ["guest_memfd", "offset", null, "the file is private: user space gets SIGBUS at SUBJECT"]],
  [kvm.REASON_GMEM_BEYOND_SIZE,       ["guest_memfd", "offset", null, "SUBJECT is, or reaches, beyond the end of the file"]],
  [kvm.REASON_GMEM_FALLOCATE_MODE,    ["arguments", "none", mask, "mode FOUND, must be KEEP_SIZE with or without PUNCH_HOLE"]],
  [kvm.REASON_GMEM_NO_OPERATION,      ["guest_memfd", "none", null, "a guest_memfd has no such operation"]],
  [kvm.REASON_GMEM_FILE_GONE,         ["memslot", "ipa", slot, "the file behind FOUND was closed: nothing is at SUBJECT"]],
  [kvm.REASON_GMEM_POISONED,          ["guest_memfd", "offset", null, "the file's page at SUBJECT has a hardware error"]],
  [kvm.REASON_KVM_NO_FOLIO,           ["guest_memfd", "offset", null, "no page is free for the file's SUBJECT"]],
  [kvm.REASON_KVM_FAULT_STATUS,       ["arguments", "ipa", mask, "KVM handles no fault with status FOUND (at SUBJECT)"]],
  [kvm.REASON_KVM_HVA_UNMAPPED,       ["vmm", "ipa", null, "the VMM has nothing mapped behind SUBJECT"]],
  [kvm.REASON_KVM_HVA_READONLY,       ["vmm", "ipa", null, "the guest writes to SUBJECT, where the VMM itself may only read"]],
  [kvm.REASON_KVM_NO_SYNDROME,        ["vcpu", "ipa", null, "nothing is mapped at SUBJECT and the fault does not describe the access: it cannot be emulated"]],
];
