// A link carries what is shown, and whoever follows one written by somebody else is told what was left out.

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { EMPTY_LINK, fitLink, readLink, writeLink, type Link } from "../../src/web/link.js";
import { NO_FILTER } from "../../src/web/store.js";

const link = (parts: Partial<Link>): Link => ({ ...EMPTY_LINK, ...parts });

describe("a link says", () => {
  test.each<[what: string, hash: string, parts: Partial<Link>]>([
    ["nothing", "view=map", {}],
    ["an example", "example=pvm-n1&view=map", { example: "pvm-n1" }],
    ["an operation", "example=pvm-n1&op=4312&view=map", { example: "pvm-n1", operation: 4312 }],
    ["the state before the first operation", "op=-1&view=map", { operation: -1 }],
    ["a page", "page=0x44531&view=map", { page: 0x44531n }],
    ["a view", "view=scenario", { view: "scenario" }],
    ["a verb", "view=map&verb=host_donate_guest", { filter: { ...NO_FILTER, verb: "host_donate_guest" } }],
    ["a VM", "view=map&vm=0x1000", { filter: { ...NO_FILTER, vm: 0x1000 } }],
    ["a page's operations", "view=map&on=0x44531", { filter: { ...NO_FILTER, page: 0x44531n } }],
    ["refusals", "view=map&refused=1", { filter: { ...NO_FILTER, refusedOnly: true } }],
    [
      "a walk of the host",
      "view=walk&table=host&ipa=0x40001000&access=write&el=0",
      { view: "walk", walk: { table: "host", ipa: 0x40001000n, kind: "write", el: 0 } },
    ],
    [
      "a walk of a VM",
      "view=walk&table=0x1000&ipa=0xffffffffffffffff&access=fetch&el=1",
      { view: "walk", walk: { table: 0x1000, ipa: 0xffff_ffff_ffff_ffffn, kind: "fetch", el: 1 } },
    ],
    [
      "a comparison",
      "view=compare&scenario=host-writes&systems=pkvm,kvm-gmem",
      { view: "compare", scenario: "host-writes", systems: ["pkvm", "kvm-gmem"] },
    ],
  ])("%s", (_, hash, parts) => {
    expect(writeLink(link(parts))).toBe(hash);
    expect(readLink(`#${hash}`)).toEqual({ link: link(parts), problems: [] });
  });
});

describe("of a link is left out", () => {
  test.each([
    ["op=x", `the link's op is "x", expected the number of an operation, or -1: it is ignored`],
    ["op=-2", `the link's op is "-2", expected the number of an operation, or -1: it is ignored`],
    ["op=1e3", `the link's op is "1e3", expected the number of an operation, or -1: it is ignored`],
    ["op=99999999999", `the link's op is "99999999999", expected the number of an operation, or -1: it is ignored`],
    ["page=44531", `the link's page is "44531", expected a frame number such as 0x44531: it is ignored`],
    [
      "page=0x10000000000",
      `the link's page is "0x10000000000", expected a frame number such as 0x44531: it is ignored`,
    ],
    ["view=globe", `the link's view is "globe", expected one of map, walk, compare, scenario: it is ignored`],
    ["example=../secret", `the link's example is "../secret", expected a name: it is ignored`],
    ["example=", `the link's example is "", expected a name: it is ignored`],
    ["vm=0x10000", `the link's vm is "0x10000", expected a handle such as 0x1000: it is ignored`],
    ["refused=yes", `the link's refused is "yes", expected 1: it is ignored`],
    ["systems=pkvm,,", `the link's systems is "pkvm,,", expected names with commas between them: it is ignored`],
    ["ipa=0x10000000000000000", /the link's ipa is "0x10000000000000000", expected an address/],
    ["table=guest&ipa=0x0", /the link's table is "guest", expected host, or a VM's handle/],
    ["colour=red", `the link has "colour", which this page does not know: it is ignored`],
    ["__proto__=1", `the link has "__proto__", which this page does not know: it is ignored`],
    ["%ff%=%", /the link has ".*", which this page does not know/],
    ["verb=<b>", `the link's verb is "<b>", expected a verb such as host_donate_guest: it is ignored`],
    [`op=${"9".repeat(200)}`, /is "9{37}\.\.\.", expected/],
  ])("%s", (hash, problem) => {
    const { link: read, problems } = readLink(`#${hash}`);
    expect(problems).toEqual([typeof problem === "string" ? problem : expect.stringMatching(problem)]);
    expect(read).toEqual(
      link(hash.startsWith("table") ? { walk: { table: "host", ipa: 0n, kind: "read", el: 1 } } : {}),
    );
  });

  test("what stands there twice", () => {
    expect(readLink("#op=1&op=2")).toEqual({
      link: link({ operation: 1 }),
      problems: [`the link has "op" more than once: the first one counts`],
    });
  });

  test("only what is wrong: the rest is followed", () => {
    expect(readLink("#example=pvm-n1&op=x&page=0x10").link).toEqual(link({ example: "pvm-n1", page: 0x10n }));
  });
});

describe("of what the trace does not have is said", () => {
  const trace = { last: 9, verbs: ["host_share_hyp"], isMemory: (pfn: bigint) => pfn >= 0x40000n };

  test.each<[what: string, parts: Partial<Link>, fits: Partial<Link>, problem: string | null]>([
    ["its last operation", { operation: 9 }, { operation: 9 }, null],
    ["an operation behind it", { operation: 10 }, {}, "there is no operation 10: the last one is 9"],
    ["its memory", { page: 0x40000n }, { page: 0x40000n }, null],
    ["other memory", { page: 0x3ffffn }, {}, "this machine has no memory at page 0x3ffff"],
    [
      "its verb",
      { filter: { ...NO_FILTER, verb: "host_share_hyp" } },
      { filter: { ...NO_FILTER, verb: "host_share_hyp" } },
      null,
    ],
    ["another verb", { filter: { ...NO_FILTER, verb: "donte" } }, {}, `no operation of this trace is "donte"`],
    [
      "operations on other memory",
      { filter: { ...NO_FILTER, page: 1n } },
      {},
      "this machine has no memory at page 0x1",
    ],
  ])("%s", (_, parts, fits, problem) => {
    expect(fitLink(link(parts), trace)).toEqual({ link: link(fits), problems: problem === null ? [] : [problem] });
  });
});

const name = fc.stringMatching(/^[\w.-]{1,20}$/);
const orNull = <T>(values: fc.Arbitrary<T>) => fc.option(values, { nil: null });
const frame = fc.bigInt({ min: 0n, max: (1n << 40n) - 1n });

const anyLink: fc.Arbitrary<Link> = fc.record({
  view: fc.constantFrom("map", "walk", "compare", "scenario"),
  example: orNull(name),
  operation: orNull(fc.integer({ min: -1, max: 999_999_999 })),
  page: orNull(frame),
  filter: fc.record({
    verb: orNull(name),
    vm: orNull(fc.integer({ min: 0, max: 0xffff })),
    page: orNull(frame),
    refusedOnly: fc.boolean(),
  }),
  walk: orNull(
    fc.record({
      table: fc.oneof(fc.constant("host" as const), fc.integer({ min: 0, max: 0xffff })),
      ipa: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
      kind: fc.constantFrom("read", "write", "fetch", "atomic"),
      el: fc.constantFrom(0, 1),
    }),
  ),
  scenario: orNull(name),
  systems: orNull(fc.uniqueArray(name, { minLength: 1, maxLength: 4 })),
});

test("every link is read as it was written", () => {
  const property = fc.property(anyLink, (each) => {
    expect(readLink(writeLink(each))).toEqual({ link: each, problems: [] });
  });
  fc.assert(property);
});

test("no address throws", () => {
  const property = fc.property(fc.string({ unit: "binary" }), (hash) => {
    expect(readLink(hash).link.view).toBeDefined();
  });
  fc.assert(property);
});
