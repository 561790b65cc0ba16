import { expect, test } from "vitest";
import { contentsWords, hexDump } from "../../../src/web/map/contents.js";

const page = (bytes: Readonly<Record<number, number>>) => {
  const contents = new Uint8Array(4096);
  for (const [at, value] of Object.entries(bytes)) contents[Number(at)] = value;
  return contents;
};

// prettier-ignore
test.each<[string, Uint8Array | null, string]>([
  ["nothing",     null,                          "Never written: it reads as zeros."],
  ["zeros",       page({}),                      "Written, and all zeros."],
  ["one byte",    page({ 8: 1 }),                "1 byte is not zero, at +0x8."],
  ["two bytes",   page({ 4095: 1, 4094: 2 }),    "2 bytes are not zero, the first at +0xffe."],
])("contents in a sentence: %s", (_, bytes, words) => {
  expect(contentsWords(bytes)).toBe(words);
});

test("a dump begins with the first line that says something", () => {
  const [first, second] = hexDump(page({ 0x24: 0x48, 0x25: 0x69, 0x2f: 0xff })).split("\n");
  expect(first).toBe("0020  00 00 00 00 48 69 00 00 00 00 00 00 00 00 00 ff  ....Hi..........");
  expect(second).toBe("0030  00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  ................");
});

test("a dump ends with the page", () => {
  expect(hexDump(page({ 4095: 0x7e }))).toBe("0ff0  00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 7e  ...............~");
});

test("a dump is not longer than people read", () => {
  expect(hexDump(page({ 0: 1 })).split("\n")).toHaveLength(32);
});
