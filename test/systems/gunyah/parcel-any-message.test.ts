// No message and no record for the resource manager traps the core, whatever is in it, and the books stay right.

import fc from "fast-check";
import { expect, test } from "vitest";
import * as abi from "../../../assembly/abi/gunyah-rm.js";
import {
  OPERATION_A,
  OPERATION_CODE,
  OPERATION_SIZE,
  OPERATION_VCPU,
  OPERATION_VM,
} from "../../../assembly/abi/operations.js";
import { RESULT_SIZE, RESULT_STATUS, STATUS_ANSWERED, STATUS_INVALID } from "../../../assembly/abi/records.js";
import { packMessage } from "../../../src/machine/gunyah-messages.js";
import { violations } from "./parcel-invariants.js";
import { A, B, Board, HLOS, NO_VM, page, PAGE, RM } from "./parcels.js";

const SEED = Number(process.env["FREEHOLD_SEED"] ?? 1);
const MESSAGES = [abi.MEM_DONATE, abi.MEM_LEND, abi.MEM_SHARE, abi.MEM_APPEND, abi.MEM_ACCEPT, abi.MEM_RELEASE].concat([
  abi.MEM_RECLAIM,
  abi.MEM_NOTIFY,
  abi.MEM_QCOM_LOOKUP_SGL,
]);

const caller = fc.constantFrom(HLOS, A, B, NO_VM, RM, 0, 255, 256, 0xffff);
// Words that are often lists' counts, VMIDs with rights, flags, handles, halves of addresses.
const word = fc.oneof(
  fc.constantFrom(0, 1, 2, 3, 0x80, 0x81, 0x7_0080, 0x7_0081, 0x7_0003, 0x8000_0000, 0x8000_1000, 0x1000, 0x4000_0000),
  fc.constantFrom(128, 0x8001_0100, 0x80_0100, 512, 513, 0xffff, 0xffff_ffff),
  fc.nat(0xffff_ffff),
);
const message = fc
  .record({
    vm: caller,
    id: fc.oneof(fc.constantFrom(...MESSAGES), fc.nat()),
    words: fc.array(word, { maxLength: 24 }),
    cut: fc.nat(3),
  })
  .map(({ vm, id, words, cut }) => {
    const bytes = new Uint8Array(Uint32Array.from(words).buffer);
    return packMessage(vm & 0xffff, id, bytes.subarray(0, Math.max(0, bytes.length - cut)));
  });

const value = fc.oneof(
  fc.constantFrom(0n, 1n, 2n, BigInt(A), BigInt(B), 256n, page(0), PAGE, 1n << 36n, 1n << 44n, (1n << 64n) - 1n),
  fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
);
const record = fc
  .record({
    op: fc.integer({ min: abi.RM_MESSAGE, max: 199 }),
    vm: caller,
    vcpu: fc.oneof(fc.nat(33), fc.nat(0xffff_ffff)),
    values: fc.array(value, { minLength: 4, maxLength: 4 }),
  })
  .map(({ op, vm, vcpu, values }) => {
    const view = new DataView(new ArrayBuffer(OPERATION_SIZE));
    view.setUint16(OPERATION_CODE, op, true);
    view.setUint16(OPERATION_VM, vm, true);
    view.setUint32(OPERATION_VCPU, vcpu, true);
    values.forEach((field, index) => view.setBigUint64(OPERATION_A + 8 * index, field, true));
    return new Uint8Array(view.buffer);
  });

test("any message, any record", async () => {
  const board = await Board.create();
  const list = fc.array(fc.oneof({ weight: 3, arbitrary: message }, { weight: 1, arbitrary: record }), {
    minLength: 1,
    maxLength: 30,
  });
  const property = fc.property(list, fc.boolean(), (parts, effects) => {
    board.reset();
    const packed = Uint8Array.from(Buffer.concat(parts));
    const count = packed.length / OPERATION_SIZE;
    const results = new Uint8Array(count * RESULT_SIZE);
    board.machine.runPacked(packed, count, { results, effects });
    const view = new DataView(results.buffer);
    for (let index = 0; index < count; index++) {
      expect([0, STATUS_INVALID, STATUS_ANSWERED]).toContain(view.getUint16(index * RESULT_SIZE + RESULT_STATUS, true));
    }
    expect(violations(board, [HLOS, A, B])).toEqual([]);
  });
  fc.assert(property, { numRuns: 400, seed: SEED });
});
