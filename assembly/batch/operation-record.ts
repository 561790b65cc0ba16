// The fields of one operation record (abi/operations.ts).

import {
  OPERATION_A,
  OPERATION_B,
  OPERATION_C,
  OPERATION_CODE,
  OPERATION_D,
  OPERATION_VCPU,
  OPERATION_VM,
} from "../abi/operations";

/** What a dispatcher answers for a record that is no operation of the machine. */
export const INVALID: i32 = -4097;

export function operation(rec: usize): i32 {
  return load<u16>(rec, OPERATION_CODE);
}

export function handle(rec: usize): u32 {
  return load<u16>(rec, OPERATION_VM);
}

export function vcpuField(rec: usize): u32 {
  return load<u32>(rec, OPERATION_VCPU);
}

export function a(rec: usize): u64 {
  return load<u64>(rec, OPERATION_A);
}

export function b(rec: usize): u64 {
  return load<u64>(rec, OPERATION_B);
}

export function c(rec: usize): u64 {
  return load<u64>(rec, OPERATION_C);
}

export function d(rec: usize): u64 {
  return load<u64>(rec, OPERATION_D);
}
