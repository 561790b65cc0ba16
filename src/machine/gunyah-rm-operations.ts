// The verbs of Gunyah's resource manager: name, opcode and argument fields (assembly/abi/gunyah-rm.ts). `vm` is the VMID of the
// caller, `vmid` that of the VM it speaks of.

import * as abi from "../../assembly/abi/gunyah-rm.js";
import type { Verb } from "./operations.js";

const CALLER = { vm: { kind: "handle", at: "vm" } } as const;
const VMID = { ...CALLER, vmid: { kind: "u64", at: "a" } } as const;
const HANDLE = { handle: { kind: "u64", at: "b" } } as const;

/** Every operation of the resource manager by its name. */
export const RESOURCE_MANAGER_OPERATIONS = {
  rm_message: {
    code: abi.RM_MESSAGE,
    args: {
      ...CALLER,
      bytes: { kind: "index", at: "vcpu" },
      word0: { kind: "u64", at: "a" },
      word1: { kind: "u64", at: "b" },
      word2: { kind: "u64", at: "c" },
      word3: { kind: "u64", at: "d" },
    },
  },
  rm_send: { code: abi.RM_SEND, args: { ...CALLER, message: { kind: "u64", at: "a" } } },
  rm_vm_alloc: { code: abi.RM_VM_ALLOC, args: { ...VMID, flags: { kind: "u64", at: "b" } } },
  rm_vm_config_image: {
    code: abi.RM_VM_CONFIG_IMAGE,
    args: { ...VMID, ...HANDLE, ipa: { kind: "u64", at: "c" }, flags: { kind: "u64", at: "d" } },
  },
  rm_vm_config_firmware: {
    code: abi.RM_VM_CONFIG_FIRMWARE,
    args: { ...VMID, ...HANDLE, ipa: { kind: "u64", at: "c" } },
  },
  rm_vm_config_device: {
    code: abi.RM_VM_CONFIG_DEVICE,
    args: {
      ...VMID,
      label: { kind: "u64", at: "b" },
      ipa: { kind: "u64", at: "c" },
      flags: { kind: "u64", at: "d" },
    },
  },
  rm_vm_init: { code: abi.RM_VM_INIT, args: VMID },
  rm_vm_start: { code: abi.RM_VM_START, args: VMID },
  rm_vm_exit: { code: abi.RM_VM_EXIT, args: CALLER },
  rm_vm_reset: { code: abi.RM_VM_RESET, args: VMID },
  rm_vm_dealloc: { code: abi.RM_VM_DEALLOC, args: VMID },
  rm_parcel_lock: {
    code: abi.RM_PARCEL_LOCK,
    args: { handle: { kind: "u64", at: "a" }, locked: { kind: "flag", at: "b" } },
  },
  rm_add_device: {
    code: abi.RM_ADD_DEVICE,
    args: { base: { kind: "u64", at: "a" }, size: { kind: "u64", at: "b" } },
  },
} as const satisfies Record<string, Verb>;
