import { expect, test } from "vitest";
import {
  PAGE_ABSENT,
  PAGE_BORROWED,
  PAGE_LENT,
  PAGE_OWNED,
  PAGE_POISONED,
  PAGE_SHARED,
  pageClass,
} from "../../../src/timeline/page-class.js";
import { classTag, classWords, pageWords, sizeWords } from "../../../src/web/map/words.js";

const PARTIES = ["host", "hypervisor", "VM 0x1000", "VM 0x1001"];

// prettier-ignore
test.each<[number, number, string, string]>([
  // state        owner  words                    in a cell
  [PAGE_ABSENT,   0,     "nobody's, or no memory", ""],
  [PAGE_OWNED,    0,     "host",                   "H"],
  [PAGE_OWNED,    1,     "hypervisor",             "EL2"],
  [PAGE_OWNED,    2,     "VM 0x1000",              "G0"],
  [PAGE_SHARED,   3,     "VM 0x1001, shared",      "G1 S"],
  [PAGE_LENT,     2,     "VM 0x1000, lent",        "G0 L"],
  [PAGE_BORROWED, 0,     "borrowed by host",       "H B"],
  [PAGE_POISONED, 0,     "host, poisoned",         "H P"],
  [PAGE_OWNED,    9,     "party 9",                "G7"],
])("state %i of party %i: %s", (state, party, words, tag) => {
  expect(classWords(PARTIES, pageClass(state, party))).toBe(words);
  expect(classTag(PARTIES, pageClass(state, party))).toBe(tag);
});

test("endpoints without a hypervisor among them are numbered from 0", () => {
  expect(["0x1", "0x8001"].map((_, party) => classTag(["0x1", "0x8001"], pageClass(PAGE_OWNED, party)))).toEqual([
    "G0",
    "G1",
  ]);
});

test.each([
  [4312, "pfn 0x44531, VM 0x1000, lent, since operation 4,312"],
  [null, "pfn 0x44531, VM 0x1000, lent, from the start"],
])("a page read aloud: since %o", (since, words) => {
  expect(pageWords(PARTIES, 0x44531n, pageClass(PAGE_LENT, 2), since)).toBe(words);
});

// prettier-ignore
test.each<[number, number, string]>([
  [1,        12, "4 KiB"],
  [1,        14, "16 KiB"],
  [512,      12, "2 MiB"],
  [384,      12, "1.5 MiB"],
  [2 ** 24,  12, "64 GiB"],
  [2 ** 30,  12, "4 TiB"],
  [2 ** 40,  12, "4,096 TiB"],
])("%i pages of 2^%i bytes are %s", (pages, shift, words) => {
  expect(sizeWords(pages, shift)).toBe(words);
});
