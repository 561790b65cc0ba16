// Small traces, as columns.

import { NO_PAGE, type ChangeColumns, type OperationColumns } from "../../../src/timeline/timeline.js";

export interface Op {
  readonly verb?: number;
  readonly vm?: number;
  /** First page and how many. */
  readonly on?: readonly [number, number];
  readonly ret?: number;
  readonly flags?: number;
}

export function operationColumns(ops: readonly Op[]): OperationColumns {
  return {
    count: ops.length,
    line: Uint32Array.from(ops, (_, i) => i + 2),
    verb: Uint16Array.from(ops, ({ verb = 0 }) => verb),
    vm: Uint32Array.from(ops, ({ vm = 0 }) => vm),
    page: Uint32Array.from(ops, ({ on }) => on?.[0] ?? NO_PAGE),
    pages: Uint32Array.from(ops, ({ on }) => on?.[1] ?? 0),
    ret: Int32Array.from(ops, ({ ret = 0 }) => ret),
    flags: Uint8Array.from(ops, ({ flags = 0 }) => flags),
  };
}

/** Operation, page, class before, class after. */
export type Change = readonly [operation: number, page: number, before: number, after: number];

export function changeColumns(changes: readonly Change[]): ChangeColumns {
  return {
    count: changes.length,
    operation: Uint32Array.from(changes, ([operation]) => operation),
    page: Uint32Array.from(changes, ([, page]) => page),
    before: Uint8Array.from(changes, ([, , before]) => before),
    after: Uint8Array.from(changes, ([, , , after]) => after),
  };
}
