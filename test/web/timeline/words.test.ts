import { expect, test } from "vitest";
import type { Ownership } from "../../../src/timeline/ownership.js";
import {
  OPERATION_AFTER_RESET,
  OPERATION_DIFFERS,
  OPERATION_PANICKED,
  OPERATION_REFUSED,
  type LoadedTrace,
} from "../../../src/timeline/timeline.js";
import {
  answerWords,
  countWords,
  flagWords,
  operationRow,
  positionWords,
  rowWords,
} from "../../../src/web/timeline/words.js";
import { operationColumns, type Op } from "./columns.js";

/** Page 0 has frame number 0x40000. */
function openOf(...ops: Op[]) {
  const verbs = ["host_share_hyp", "host_donate_guest", "ffa_mem_share", "teardown_vm"];
  const trace = { verbs, operations: operationColumns(ops) } as unknown as LoadedTrace;
  const ownership = { pfnOf: (page: number) => 0x40000n + BigInt(page) } as unknown as Ownership;
  return { trace, ownership };
}

// prettier-ignore
test.each<[string, number, number, string]>([
  // verb               ret   flags               answer
  ["host_share_hyp",    0,    0,                  "0"],
  ["host_reclaim",      12,   0,                  "12"],
  ["host_donate_guest", -1,   OPERATION_REFUSED,  "-EPERM"],
  ["host_donate_guest", -12,  OPERATION_REFUSED,  "-ENOMEM"],
  ["ffa_mem_share",     -6,   OPERATION_REFUSED,  "DENIED"],
  ["host_donate_guest", -999, OPERATION_REFUSED,  "-999"],
  ["host_donate_guest", 0,    OPERATION_PANICKED, "panic"],
])("%s that returns %i (flags %i) answers %s", (verb, ret, flags, answer) => {
  expect(answerWords(verb, ret, flags)).toBe(answer);
});

// prettier-ignore
test.each<[number, string]>([
  [0,                                      ""],
  [OPERATION_REFUSED,                      "refused"],
  [OPERATION_PANICKED | OPERATION_DIFFERS, "panic, differs from the recording"],
  [OPERATION_AFTER_RESET,                  "first on a new machine"],
])("flags %i read %o", (flags, words) => {
  expect(flagWords(flags)).toBe(words);
});

// prettier-ignore
test.each<[Op, string]>([
  [{ verb: 0, on: [0x123, 1] },                     "operation 0: host_share_hyp, page 0x40123, answer 0"],
  [{ verb: 0, on: [0x200, 512] },                   "operation 0: host_share_hyp, page 0x40200 +511, answer 0"],
  [{ verb: 1, vm: 0x1000, on: [1, 1], ret: -1, flags: OPERATION_REFUSED },
                                                    "operation 0: host_donate_guest, VM 0x1000, page 0x40001, answer -EPERM, refused"],
  [{ verb: 3, vm: 0x1001 },                         "operation 0: teardown_vm, VM 0x1001, answer 0"],
])("%o is read as %s", (op, words) => {
  expect(rowWords(operationRow(openOf(op), 0))).toBe(words);
});

test("the slider says where it stands", () => {
  const open = openOf(...Array.from({ length: 4313 }, () => ({ verb: 0, on: [2, 1] as const })));
  expect(positionWords(open, -1)).toBe("before the first of 4,313 operations");
  expect(positionWords(open, 4312)).toBe("operation 4,312 of 4,313: host_share_hyp, page 0x40002, answer 0");
});

test("one operation is no operations", () => {
  expect(countWords(1, "operation")).toBe("1 operation");
  expect(countWords(0, "operation")).toBe("0 operations");
});
