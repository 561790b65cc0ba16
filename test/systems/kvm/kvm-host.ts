// Plain KVM hosts as the tests of this folder set them up: VMs, memory slots and files made by ordinary operations, and
// guests that fault until their access goes through.

import type { AccessKind } from "../../../src/machine/translation.js";
import { Machine, type Outcome } from "../../../src/machine/machine.js";
import type { KvmConfig } from "../../../src/machine/config.js";
import type { Operation } from "../../../src/machine/operations.js";

export const CONFIG: KvmConfig = {
  regions: [{ base: "0x40000000", size: "0x4000000" }],
  folio_pool: { base: "0x43000000", size: "0x10000" },
};
export const FOLIOS = 16;

export const MMAP = 1n;
export const INIT_SHARED = 2n;
export const PAGE = 0x1000n;
/** Where guests have their memory. */
export const GPA = 0x8000_0000n;
/** A page of the VMM's, and an address that is no memory. */
export const HOST_PFN = 0x40100n;
export const DEVICE_PFN = 0x9000n;

export const KEEP_SIZE = 1n;
export const PUNCH_HOLE = 2n;

/** A return value as the reference's tables write it. */
export function result({ errno, ret, status }: Outcome): string {
  return status === "ok" ? (errno ?? String(ret)) : status;
}

/** Runs an operation that the test needs to succeed. */
export function must(machine: Machine, operation: Operation): Outcome {
  const outcome = machine.apply(operation);
  if (outcome.status !== "ok" || outcome.ret < 0) throw new Error(`${operation.op}: ${result(outcome)}`);
  return outcome;
}

export const aHost = (config: KvmConfig = CONFIG): Promise<Machine> => Machine.createKvm(config);

export const createVm = (machine: Machine): number => must(machine, { op: "kvm_create_vm", type: 0n }).ret;

export function createFile(machine: Machine, vm: number, flags: bigint, pages = 16n): number {
  return must(machine, { op: "kvm_create_guest_memfd", vm, size: pages * PAGE, flags }).ret;
}

interface Region {
  readonly vm: number;
  readonly slot?: number;
  readonly gpa?: bigint;
  readonly pages?: bigint;
  readonly fd?: number;
  readonly offset?: bigint;
  readonly readonly?: boolean;
}

export function region({
  vm,
  slot = 0,
  gpa = GPA,
  pages = 16n,
  fd = 0,
  offset = 0n,
  readonly = false,
}: Region): Operation {
  return { op: "kvm_set_memory_region", vm, slot, gpa, size: pages * PAGE, fd, offset, readonly };
}

/** A VM whose memory is a file. */
export function withFile(machine: Machine, flags: bigint): { vm: number; fd: number } {
  const vm = createVm(machine);
  const fd = createFile(machine, vm, flags);
  must(machine, region({ vm, fd }));
  return { vm, fd };
}

interface Fault {
  readonly vm: number;
  readonly esr: bigint;
  readonly ipa: bigint;
  readonly pfn?: bigint;
  readonly mapped?: boolean;
  readonly writable?: boolean;
  readonly huge?: boolean;
}

export function fault(given: Fault): Operation {
  const { vm, esr, ipa, pfn = HOST_PFN, mapped = true, writable = true, huge = false } = given;
  return { op: "kvm_guest_fault", vm, esr, ipa, pfn, mapped, writable, huge };
}

/** Data abort of a guest on a read and on a write of 8 bytes, translation fault of level 3; with a valid syndrome (ISV, SAS). */
export const READ = 0x92000007n;
export const WRITE = 0x92000047n;
export const VALID_READ = 0x93c00007n;
/** Instruction abort. */
export const FETCH = 0x82000007n;

/** A guest's access, repeated after each fault that KVM resolves: the value found, or what became of it. */
export function guestAccess(machine: Machine, vm: number, ipa: bigint, kind: AccessKind, value = 0n): bigint | string {
  for (let attempt = 0; attempt < 3; attempt++) {
    const answer = machine.access(vm, ipa, kind, { value });
    if (answer.fault === null) return answer.value ?? "untranslated";
    const outcome = machine.apply(fault({ vm, esr: answer.fault.esr, ipa }));
    if (outcome.ret !== 0) return result(outcome);
  }
  return "spins";
}
