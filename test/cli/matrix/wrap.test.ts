import { expect, test } from "vitest";
import { wrap } from "../../../src/cli/matrix/wrap.js";

test.each<[string, number, string[]]>([
  ["", 5, [""]],
  ["ok", 5, ["ok"]],
  ["a load of a page", 8, ["a load", "of a", "page"]],
  ["  two   spaces ", 20, ["two spaces"]],
  ["INVALID_PARAMETER", 10, ["INVALID_", "PARAMETER"]],
  ["SIGSEGV/SEGV_ACCERR", 12, ["SIGSEGV/", "SEGV_ACCERR"]],
  ["kvm-gmem-shared", 15, ["kvm-gmem-shared"]],
  ["\u001b[2Jgone\u0007", 20, [".[2Jgone."]],
  ["abcdefgh", 3, ["abc", "def", "gh"]],
])("%j in %i columns", (text, width, lines) => {
  expect(wrap(text, width)).toEqual(lines);
});
