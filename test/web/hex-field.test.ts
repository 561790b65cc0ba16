import { expect, test } from "vitest";
import { typedHex } from "../../src/web/hex-field.js";

// prettier-ignore
test.each<[string, bigint | null]>([
  ["0x41000",              0x41000n],
  ["41000",                0x41000n],
  [" 0X8000_0000 ",        0x8000_0000n],
  ["0",                    0n],
  ["ffffffffffffffff",     2n ** 64n - 1n],
  ["10000000000000000",    null],
  ["0x",                   null],
  ["",                     null],
  ["12g4",                 null],
  ["-1",                   null],
])("%o is %o", (text, value) => {
  expect(typedHex(text)).toBe(value);
});
