// Range maps (reference gunyah sections 2.7 and 11 "gpt"): what inserts, updates and removals answer, and what is found after.

import { beforeEach, expect, test } from "vitest";
import { HEAP_PARTITION } from "../../../assembly/abi/gunyah.js";
import { Hypervisor } from "./hypervisor.js";

let hyp: Hypervisor;
beforeEach(async () => {
  hyp = await Hypervisor.boot();
});

const LIMIT = 1n << 44n;
const BASE = 0x8000_0000n;
const SIZE = 0x10_0000n;
const VALUE = 0x4000_0000n;

const insert = (base: bigint, size: bigint, value: bigint) => hyp.result({ op: "gpt_insert", base, size, value });
const remove = (base: bigint, size: bigint, value: bigint) => hyp.result({ op: "gpt_remove", base, size, value });
const update = (base: bigint, size: bigint, old_value: bigint, value: bigint) =>
  hyp.result({ op: "gpt_update", base, size, old_value, value });

/** The value at an address and the bytes for which it goes on, `size` at most. */
function lookup(base: bigint, size: bigint = SIZE): string {
  const outcome = hyp.call({ op: "gpt_lookup", base, size });
  if (outcome.ret !== 0) return outcome.errno ?? "";
  const run = BigInt(outcome.expected) + (BigInt(outcome.found) << 32n);
  return `0x${(outcome.details.answer ?? 0n).toString(16)} +0x${run.toString(16)}`;
}

/** The runs that a walk comes by: `start+size=value`. */
function walk(base: bigint, size: bigint): string[] {
  return hyp
    .must({ op: "gpt_walk_range", base, size })
    .effects.flatMap((effect) =>
      effect.kind === "range"
        ? [`0x${effect.start.toString(16)}+0x${effect.size.toString(16)}=0x${effect.value.toString(16)}`]
        : [],
    );
}

test("a look-up returns the value advanced by the offset, and the length of the run", () => {
  expect(insert(BASE, SIZE, VALUE)).toBe("OK");
  expect(lookup(BASE)).toBe("0x40000000 +0x100000");
  expect(lookup(BASE + 0x3000n)).toBe("0x40003000 +0xfd000");
  expect(lookup(BASE + 0x3000n, 0x2000n)).toBe("0x40003000 +0x2000");
  expect(lookup(BASE + SIZE)).toBe("ADDR_INVALID");
});

test("runs that continue each other are one", () => {
  insert(BASE, 0x1000n, VALUE);
  insert(BASE + 0x1000n, 0x5000n, VALUE + 0x1000n);
  insert(BASE + 0x6000n, 0x1000n, VALUE);
  expect(lookup(BASE)).toBe("0x40000000 +0x6000");
  expect(walk(BASE, SIZE)).toEqual(["0x80000000+0x6000=0x40000000", "0x80006000+0x1000=0x40000000"]);
});

test("2.7: insert where something is: BUSY, and nothing changes", () => {
  insert(BASE, SIZE, VALUE);
  expect(insert(BASE + SIZE - 0x1000n, 0x2000n, 0n)).toBe("BUSY");
  expect(lookup(BASE + SIZE)).toBe("ADDR_INVALID");
  expect(lookup(BASE)).toBe("0x40000000 +0x100000");
});

test("update with a wrong expected value: BUSY", () => {
  insert(BASE, SIZE, VALUE);
  expect(update(BASE, SIZE, VALUE + 0x1000n, 0n)).toBe("BUSY");
  expect(update(BASE, SIZE + 0x1000n, VALUE, 0n)).toBe("BUSY");
  expect(lookup(BASE)).toBe("0x40000000 +0x100000");
  expect(update(BASE + 0x4000n, 0x1000n, VALUE + 0x4000n, 0x9000_0000n)).toBe("OK");
  expect(walk(BASE, SIZE)).toEqual([
    "0x80000000+0x4000=0x40000000",
    "0x80004000+0x1000=0x90000000",
    "0x80005000+0xfb000=0x40005000",
  ]);
});

test("removing a part splits, removing the rest leaves nothing behind", () => {
  insert(BASE, SIZE, VALUE);
  const empty = hyp.machine.core.exports.heapUsed(HEAP_PARTITION);
  expect(remove(BASE + 0x7000n, 0x1000n, VALUE + 0x7000n)).toBe("OK");
  expect(walk(BASE, SIZE)).toEqual(["0x80000000+0x7000=0x40000000", "0x80008000+0xf8000=0x40008000"]);
  expect(insert(BASE + 0x7000n, 0x1000n, VALUE + 0x7000n)).toBe("OK");
  expect(hyp.machine.core.exports.heapUsed(HEAP_PARTITION)).toBe(empty);
});

test("remove with another value: BUSY", () => {
  insert(BASE, SIZE, VALUE);
  expect(remove(BASE, SIZE, VALUE + 0x1000n)).toBe("BUSY");
  expect(remove(BASE - 0x1000n, SIZE, VALUE)).toBe("BUSY");
});

test("is-contiguous: all of the range, and the value that it begins with", () => {
  insert(BASE, SIZE, VALUE);
  const isContiguous = (base: bigint, size: bigint, value: bigint) =>
    hyp.answer({ op: "gpt_is_contiguous", base, size, value });
  expect(isContiguous(BASE, SIZE, VALUE)).toBe(1n);
  expect(isContiguous(BASE + 0x1000n, 0x1000n, VALUE + 0x1000n)).toBe(1n);
  expect(isContiguous(BASE + 0x1000n, 0x1000n, VALUE)).toBe(0n);
  expect(isContiguous(BASE, SIZE + 1n, VALUE)).toBe(0n);
});

test("a range walk is cut at both ends", () => {
  insert(BASE, SIZE, VALUE);
  expect(walk(BASE + 0x1000n, 0x2000n)).toEqual(["0x80001000+0x2000=0x40001000"]);
  expect(walk(0n, LIMIT)).toEqual(["0x80000000+0x100000=0x40000000"]);
});

// prettier-ignore
test.each([
  // base                 size            result
  [BASE,                  0n,             "ARGUMENT_INVALID"], // 2.7: size 0
  [2n ** 64n - 0x1000n,   0x2000n,        "ARGUMENT_INVALID"], // overflow
  [LIMIT,                 0x1000n,        "ARGUMENT_SIZE"],    // beyond 44 bits
  [LIMIT - 0x1000n,       0x2000n,        "ARGUMENT_SIZE"],
  [LIMIT - 0x1000n,       0x1000n,        "OK"],
  [0n,                    LIMIT,          "OK"],
])("2.7: insert of %s + %s: %s", (base, size, result) => {
  expect(insert(base, size, VALUE)).toBe(result);
});

test("2.7: a write without memory is refused and changes nothing", () => {
  insert(BASE, SIZE, VALUE);
  hyp.must({ op: "heap_limit", heap: BigInt(HEAP_PARTITION), allocations: 0n });
  expect(insert(BASE + SIZE + 0x1000n, 0x1000n, 0n)).toBe("NOMEM");
  expect(remove(BASE + 0x1000n, 0x1000n, VALUE + 0x1000n)).toBe("NOMEM");
  expect(walk(0n, LIMIT)).toEqual(["0x80000000+0x100000=0x40000000"]);
});
