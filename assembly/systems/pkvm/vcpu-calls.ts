// Calls about a vCPU that name it by the address of the host's struct kvm_vcpu (nvhe/hyp-main.c; reference pkvm-el2 section
// 7.2). EL2 takes the address as a name alone: what it uses is the vCPU that is loaded, whose page init_vcpu has pinned. vCPUs
// have no registers here, so what a call leaves is a word in that page.

import { EINVAL } from "../../abi/codes";
import { HOST_VCPU_APRS, HOST_VCPU_KVM, HOST_VCPU_PC, REASON_NOT_LOADED_VCPU } from "../../abi/el2-calls";
import { ADJUST_PC_UNPINNED, VCPU_KVM_POINTER, VGIC_RAW_POINTER } from "../../abi/mutations";
import { isMutated } from "../../memory/mutation";
import { panicked, refuse } from "../../memory/verdict";
import { readAtHostPointer, writeAtHostPointer } from "./host-pointer";
import { KVM_FLAGS, KVM_PROTECTED } from "./lifecycle";
import { loadedVcpu, Vcpu } from "./vm";

const INSTRUCTION: u64 = 4;

// The loaded vCPU, if it is the one that the host names.
function loadedAs(hostPa: u64): Vcpu | null {
  const vcpu = loadedVcpu();
  return vcpu != null && vcpu.hostPa == hostPa ? vcpu : null;
}

// vcpu_run: one that is not loaded here is refused. Whether the VM is protected EL2 knows by itself; a bug asked the host's
// struct kvm, by the pointer that stands in the host's vCPU.
export function vcpuRun(hostPa: u64): i32 {
  const vcpu = loadedAs(hostPa);
  if (vcpu == null) return refuse(EINVAL, REASON_NOT_LOADED_VCPU, hostPa, 0, 0);
  let isProtected = vcpu.vm.isProtected;
  if (isMutated(VCPU_KVM_POINTER)) isProtected = isHostKvmProtected(vcpu);
  // What a protected VM's registers are is not the host's to see: the host's copy stays as it is.
  if (panicked == 0 && !isProtected) advance(vcpu.hostPa);
  return 0;
}

function isHostKvmProtected(vcpu: Vcpu): bool {
  const kvm = readAtHostPointer(vcpu.hostPa + (HOST_VCPU_KVM as u64));
  return panicked == 0 && (readAtHostPointer(kvm + KVM_FLAGS) & KVM_PROTECTED) != 0;
}

// adjust_pc: skips the instruction that trapped.
export function adjustPc(hostPa: u64): void {
  if (loadedAs(hostPa) != null || isMutated(ADJUST_PC_UNPINNED)) advance(hostPa);
}

function advance(hostPa: u64): void {
  const pc = readAtHostPointer(hostPa + (HOST_VCPU_PC as u64));
  if (panicked == 0) writeAtHostPointer(hostPa + (HOST_VCPU_PC as u64), pc + INSTRUCTION);
}

// vgic_v3_save_aprs: the interrupt controller's active priorities, none here, go to the vCPU.
export function vgicSaveAprs(hostPa: u64): void {
  if (loadedAs(hostPa) != null || isMutated(VGIC_RAW_POINTER)) writeAtHostPointer(hostPa + (HOST_VCPU_APRS as u64), 0);
}
