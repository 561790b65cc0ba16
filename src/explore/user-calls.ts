// System calls of programs of the host's as steps of a search, and the hypercalls that the host made for one of them (layout:
// assembly/abi/user-calls.ts).

import * as abi from "../../assembly/abi/user-calls.js";
import {
  OPERATION_A,
  OPERATION_B,
  OPERATION_SIZE,
  OPERATION_VCPU,
  OPERATION_VM,
} from "../../assembly/abi/operations.js";
import { RESULT_SIZE } from "../../assembly/abi/records.js";
import { decodeOperation, type Operation } from "../machine/operations.js";
import { decodeOutcome, errnoName, type Outcome } from "../machine/outcome.js";
import type { ExploreCore } from "./variant.js";

/** What a guest does while KVM_RUN lasts. */
const GUEST_ACTS = {
  reads: abi.GUEST_READS,
  writes: abi.GUEST_WRITES,
  shares: abi.GUEST_SHARES,
  unshares: abi.GUEST_UNSHARES,
  relinquishes: abi.GUEST_RELINQUISHES,
} as const;

/** Something that a guest does with a page. */
export type GuestAct = keyof typeof GUEST_ACTS;

/**
 * A call by a process, about a VM; both are counted from 0, and process 0 is the VMM. `page`: of the VMM's memory, all of which
 * VMs have from guest frame 0x80000 on.
 */
export type UserCall = { readonly process: number } & (
  | { readonly op: "user_create_vm"; readonly vm: number; readonly protected: boolean; readonly firmware?: boolean }
  | { readonly op: "user_create_vcpu" | "user_close"; readonly vm: number }
  | { readonly op: "user_run"; readonly vm: number; readonly guest: GuestAct; readonly page: number }
  | { readonly op: "user_send_fd"; readonly vm: number; readonly to: number }
  | { readonly op: "user_log_dirty"; readonly vm: number; readonly wanted: boolean }
  | { readonly op: "user_munmap" | "user_donate_list" | "user_munmap_begin"; readonly page: number }
  | { readonly op: "user_mmap"; readonly page: number; readonly inPages?: boolean }
  | { readonly op: "user_run_begin"; readonly vm: number; readonly page: number }
  | { readonly op: "user_run_end"; readonly vm: number }
  | { readonly op: "user_munmap_end" }
  | { readonly op: "user_exit" }
);

const CODES: Readonly<Record<UserCall["op"], number>> = {
  user_create_vm: abi.USER_CREATE_VM,
  user_create_vcpu: abi.USER_CREATE_VCPU,
  user_run: abi.USER_RUN,
  user_send_fd: abi.USER_SEND_FD,
  user_close: abi.USER_CLOSE,
  user_exit: abi.USER_EXIT,
  user_munmap: abi.USER_MUNMAP,
  user_mmap: abi.USER_MMAP,
  user_run_begin: abi.USER_RUN_BEGIN,
  user_run_end: abi.USER_RUN_END,
  user_munmap_begin: abi.USER_MUNMAP_BEGIN,
  user_munmap_end: abi.USER_MUNMAP_END,
  user_log_dirty: abi.USER_LOG_DIRTY,
  user_donate_list: abi.USER_DONATE_LIST,
};

/** Whether a step is a call of a program's. */
export const isUserCall = (step: { readonly op: string }): step is UserCall => step.op in CODES;

/** Writes the record of a call. */
export function encodeUserCall(call: UserCall, view: DataView, at: number): void {
  new Uint8Array(view.buffer, view.byteOffset + at, OPERATION_SIZE).fill(0);
  view.setUint16(at, CODES[call.op], true);
  view.setUint32(at + OPERATION_VCPU, call.process, true);
  if ("vm" in call) view.setUint16(at + OPERATION_VM, call.vm, true);
  view.setBigUint64(at + OPERATION_A, BigInt(pageOf(call)), true);
  view.setBigUint64(at + OPERATION_B, BigInt(whatOf(call)), true);
}

const pageOf = (call: UserCall): number => (call.op === "user_send_fd" ? call.to : "page" in call ? call.page : 0);

function whatOf(call: UserCall): number {
  switch (call.op) {
    case "user_create_vm":
      return (call.protected ? abi.VM_PROTECTED : 0) | (call.firmware === true ? abi.VM_FIRMWARE : 0);
    case "user_run":
      return GUEST_ACTS[call.guest];
    case "user_log_dirty":
      return Number(call.wanted);
    case "user_mmap":
      return Number(call.inPages === true);
    default:
      return 0;
  }
}

/** `process 0: run(VM 0), the guest writes page 1`. */
export function userCallText(call: UserCall): string {
  const name = call.op.replace(/^user_/, "").replace(/_(begin|end)$/, "");
  const what = "vm" in call ? `VM ${call.vm}` : "page" in call ? `page ${call.page}` : "";
  return `process ${call.process}: ${name}(${what})${detailText(call)}`;
}

function detailText(call: UserCall): string {
  switch (call.op) {
    case "user_create_vm":
      return (call.protected ? ", protected" : "") + (call.firmware === true ? ", with firmware" : "");
    case "user_run":
      return `, the guest ${call.guest} page ${call.page}`;
    case "user_run_begin":
      return `, the guest writes page ${call.page}, and the thread is preempted in the fault handler`;
    case "user_munmap_begin":
      return ", and the thread is preempted in the notifier's callback";
    case "user_run_end":
    case "user_munmap_end":
      return " goes on";
    case "user_mmap":
      return call.inPages === true ? ", in pages" : "";
    case "user_send_fd":
      return `, to process ${call.to}`;
    case "user_log_dirty":
      return call.wanted ? ", on" : ", off";
    default:
      return "";
  }
}

/** The call's arguments as texts. */
export function userCallArguments(call: UserCall): Record<string, string> {
  const others = Object.entries(call).filter(([name]) => name !== "op");
  return Object.fromEntries(others.map(([name, value]) => [name, String(value)]));
}

/** A call of the hypervisor, and what it answered. */
export interface RetoldCall {
  readonly operation: Operation;
  readonly outcome: Outcome;
}

/** What a program's call came to, and each hypercall that the host made for it, up to a certain number. */
export interface ServedCall {
  /** `0`, `-EPERM`. */
  readonly answer: string;
  readonly calls: readonly RetoldCall[];
}

/** Has the host serve a call. */
export function serveUserCall(core: ExploreCore, call: UserCall): ServedCall {
  const { exports, memory } = core;
  const window = exports.hostWindow() >>> 0;
  encodeUserCall(call, new DataView(memory.buffer), window);
  const ret = exports.serve(window);
  const view = new DataView(memory.buffer);
  const count = view.getUint32(window + abi.HOST_WINDOW_COUNT, true);
  const answer = ret < 0 ? `-${errnoName(ret) ?? -ret}` : String(ret);
  return { answer, calls: Array.from({ length: count }, (_, index) => hypercallAt(view, window, index)).flat() };
}

function hypercallAt(view: DataView, window: number, index: number): RetoldCall[] {
  const at = window + abi.HOST_WINDOW_CALLS + index * (OPERATION_SIZE + RESULT_SIZE);
  const operation = decodeOperation(view, at);
  return operation === undefined ? [] : [{ operation, outcome: decodeOutcome(view, at + OPERATION_SIZE, []) }];
}
