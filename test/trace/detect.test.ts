import { expect, test } from "vitest";
import { detectFormat } from "../../src/trace/detect.js";

const EVENT = "[000]\t    1.811966: mem_op seq=0 early=1 op=host_donate_hyp\n";

test.each([
  ["golden", '{"format":"freehold-golden","version":1,"kind":"pkvm"}\n{"check":{}}\n'],
  ["golden", '{ "kind": "pkvm", "format" : "freehold-golden" }'],
  ["golden-walk", '{"format":"freehold-golden","version":1,"kind":"walk"}\n'],
  ["golden-ffa", '{"format":"freehold-golden","version":1,"kind":"ffa"}\n'],
  ["freehold-trace", '{"format":"freehold-trace","version":1}\n'],
  ["tracefs", EVENT],
  ["tracefs", `CPU:1 [LOST 20 EVENTS]\n${EVENT}`],
  ["tracefs", `# tracer: nop\n#\n${EVENT}`],
])("%s: %j", (format, text) => {
  expect(detectFormat(Buffer.from(text))).toEqual({ format });
});

test.each([
  ["", "the file is empty"],
  ["\n\n", "text"],
  ["# only a comment\n", "a trace without events"],
  ["[000]     1.8: mem_op seq=0\n", "its tabs turned into spaces"],
  ["[1,2,3]\n", 'text ("[1,2,3]")'],
  ['{"x":1}\n{"format":"freehold-trace"}\n', 'no "format"'],
  ["\x28\xb5\x2f\xfdrest", "Zstandard"],
  ["PK\x03\x04", "a zip archive"],
])("refused: %j", (text, words) => {
  const detection = detectFormat(Buffer.from(text, "latin1"));
  expect("refusal" in detection && detection.refusal).toContain(words);
});
