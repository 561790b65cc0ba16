// The VM or vCPU that a function-level call of pKVM is made for. A replayed machine makes what is named.

import { EINVAL, REASON_NO_SUCH_VM, REASON_VCPU_INDEX } from "../abi/codes";
import { refuse } from "../memory/verdict";
import { isReplayed } from "../systems/pkvm/machine";
import { replayedVcpu, replayedVm } from "../systems/pkvm/replayed";
import { findVcpu, findVm, Vcpu, Vm } from "../systems/pkvm/vm";
import { handle, vcpuField } from "./operation-record";

export function namedVm(rec: usize): Vm | null {
  const vm = isReplayed ? replayedVm(handle(rec)) : findVm(handle(rec));
  if (vm == null) refuse(EINVAL, REASON_NO_SUCH_VM, handle(rec), 0, 0);
  return vm;
}

export function namedVcpu(rec: usize): Vcpu | null {
  if (isReplayed) return replayedVcpu(handle(rec));
  const vm = namedVm(rec);
  if (vm == null) return null;
  const vcpu = findVcpu(vm, vcpuField(rec));
  if (vcpu == null) refuse(EINVAL, REASON_VCPU_INDEX, handle(rec), vm.createdVcpus, vcpuField(rec));
  return vcpu;
}
