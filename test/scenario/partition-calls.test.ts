// FF-A calls in words: what receivers and constituents mean, and the sentence and place for what means nothing.

import { describe, expect, test } from "vitest";
import { parseConstituents, parseReceivers } from "../../src/scenario/partition-calls.js";
import { readScenario } from "../../src/scenario/read-scenario.js";

describe("receivers (reference ffa 2.5: data access in bits 1:0, instruction access in bits 3:2)", () => {
  test.each<[string, readonly (readonly [string, number | null])[]]>([
    ["A", [["A", null]]],
    ["A:RW", [["A", 0b0010]]],
    ["A:RO", [["A", 0b0001]]],
    ["A:-", [["A", 0]]],
    ["A:NX", [["A", 0b0100]]],
    ["A:RW+NX", [["A", 0b0110]]],
    ["A:RO+X", [["A", 0b1001]]],
    ["A:D3+I3", [["A", 0b1111]]],
    ["A:0xf0", [["A", 0xf0]]],
    ["A:RW  B:RO", [["A", 2] as const, ["B", 1] as const]],
    ["0x9:RW", [["0x9", 2]]],
  ])("%s", (text, receivers) => {
    expect(parseReceivers(text)).toEqual(receivers.map(([endpoint, permissions]) => ({ endpoint, permissions })));
  });

  test.each(["A:", "A:WR", "A:RW+", ":RW", "A=RW", "A:RW,B:RW"])("%s is none", (text) => {
    expect(parseReceivers(text)).toBeNull();
  });
});

describe("constituents", () => {
  const page = (name: string, first: number | null = null, last = first) => ({ name, first, last });

  test.each<[string, object[]]>([
    ["mem", [{ page: page("mem"), offset: 0n, count: null, each: false }]],
    ["mem[2]", [{ page: page("mem", 2), offset: 0n, count: null, each: false }]],
    ["mem[0..3]+8", [{ page: page("mem", 0, 3), offset: 8n, count: null, each: false }]],
    ["mem*0", [{ page: page("mem"), offset: 0n, count: 0, each: false }]],
    ["mem[1]+0x10*2", [{ page: page("mem", 1), offset: 16n, count: 2, each: false }]],
    ["0x1000*3", [{ page: null, offset: 0x1000n, count: 3, each: false }]],
    ["each mem[0..1]", [{ page: page("mem", 0, 1), offset: 0n, count: null, each: true }]],
    ["", []],
  ])("%s", (text, constituents) => {
    expect(parseConstituents(text)).toEqual(constituents);
  });

  test.each(["mem[", "mem[-1]", "each", "each 0x1000", "mem*0x100000000", "0xffffffffffffffff+1"])(
    "%s is none",
    (text) => {
      expect(parseConstituents(text)).toBeNull();
    },
  );
});

/** A scenario with one step, on line 9. */
function withStep(step: string): string {
  return `scenario: calls
systems: [ffa]
participants:
  P: { role: partition }
  A: { role: partition }
pages:
  mem: { of: P, count: 2 }
steps:
  - ${step}
`;
}

describe("what is refused, with its place", () => {
  test.each([
    ["{ operation: mem_shre, with: { by: P } }", 'unknown operation "mem_shre" (did you mean "mem_share"?)'],
    ["{ operation: mem_share, with: { by: P, to: A } }", 'mem_share needs the argument "pages"'],
    [
      "{ operation: mem_share, with: { by: P, to: A, pages: mem, flag: 1 } }",
      'unknown argument "flag" of mem_share (did you mean "flags"?)',
    ],
    ["{ operation: mem_share, with: { by: Q, to: A, pages: mem } }", 'unknown participant "Q"'],
    ["{ operation: mem_share, with: { by: P, to: Q, pages: mem } }", 'unknown participant "Q"'],
    [
      "{ operation: mem_share, with: { by: P, to: 'A:WR', pages: mem } }",
      '"A:WR" is no list of receivers: A:RW B:RO+X',
    ],
    ["{ operation: mem_share, with: { by: P, to: A, pages: men } }", 'unknown page "men" (did you mean "mem"?)'],
    [
      "{ operation: mem_share, with: { by: P, to: A, pages: 'mem[2]' } }",
      'there is no page "mem[2]": mem is mem[0..1]',
    ],
    ["{ operation: mem_share, with: { by: P, to: A, pages: 'mem-1' } }", 'unknown page "mem-1" (did you mean "mem"?)'],
    ["{ operation: mem_share, with: { by: P, to: A, pages: mem, tag: yes } }", '"yes" is no number'],
    ["{ operation: mem_retrieve, with: { by: A, handle: $none } }", 'no step before saved "$none"'],
    ["{ operation: mem_retrieve, with: { by: A, handle: 0, keep: 1 } }", '"1" is no truth value (true or false)'],
    ["{ operation: mem_perm_get, with: { by: A, base: 'mem mem' } }", '"mem mem" is no address: mem[0] or mem[0]+8'],
    [
      "{ operation: mem_relinquish, with: { by: A, handle: 0, endpoints: 'A:RW' } }",
      '"A:RW" is no list of endpoints: A B',
    ],
  ])("%s", (step, sentence) => {
    const read = () => readScenario(withStep(step), "calls.yaml");

    expect(read).toThrow(sentence);
    expect(read).toThrow(/^calls\.yaml:9:/);
  });

  test("a partition needs a system that has partition managers", () => {
    const text = withStep("{ access: mem, by: P }");

    expect(() => readScenario(text.replace("systems: [ffa]", "systems: [ffa, kvm-gmem]"), "calls.yaml")).toThrow(
      "calls.yaml:4:3: kvm-gmem has no partitions",
    );
    expect(() => readScenario(text.replace("systems: [ffa]\n", ""), "calls.yaml")).toThrow(
      /^calls\.yaml:3:3: .* has no partitions: "systems" must name those it is for$/,
    );
  });

  test.each([
    ["P: { role: partition, version: 1.1 }", "version: 1.1 is no text"],
    ['P: { role: partition, version: "1.4" }', 'version: "1.4" is no FF-A version: "1.0" to "1.3"'],
    ["P: { role: partition, bufferPages: 5 }", "bufferPages: 5 is no whole number from 0 to 4"],
    ["P: { role: partition, el0: true }", "only secure partitions are at S-EL0 or still initialise"],
    ["P: { role: partition, world: secret }", 'world: "secret" is none of normal, secure'],
  ])("%s", (declaration, sentence) => {
    const text = withStep("{ access: mem, by: P }").replace("P: { role: partition }", declaration);

    expect(() => readScenario(text, "calls.yaml")).toThrow(sentence);
  });

  test("what only partitions' pages have", () => {
    const text = `scenario: pages\npages:\n  mem: { of: vmm, device: true }\nsteps:\n  - { access: mem, by: vmm }\n`;

    expect(() => readScenario(text, "pages.yaml")).toThrow("pages.yaml:3:27: device: vmm is no partition");
  });
});
