// A search that is shared out: whatever the number of workers, the states, transitions and depth are those of one, and so are
// the lengths of the ways to what it finds. Here all workers are in this thread, with ports between them.

import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import { BUGS, hasSearch } from "../../src/explore/bugs/index.js";
import type { Domain } from "../../src/explore/domain.js";
import { explore } from "../../src/explore/explore.js";
import { connect } from "../../src/explore/peers.js";
import { pkvmDomain } from "../../src/explore/pkvm-domain.js";
import type { Finding, SearchCounts } from "../../src/explore/search.js";
import { evenOut, searchShare, type SharedOptions, type ShareResult } from "../../src/explore/shared-search.js";
import { pkvmDomainOf } from "./pkvm-search.js";

const ROOM = { maxStates: 20_000 };
const TWO_VMS = pkvmDomain({ pages: 1, tablePages: 1, vms: [true, false], gfns: 1 });

/** Two guests' tables can be either of two pages; without what takes the search farther away. */
const EITHER_TABLE = pkvmDomain({ pages: 1, tablePages: 2, vms: [true, false], gfns: 1 });
const TABLES_ONLY: Domain = {
  ...EITHER_TABLE,
  steps: EITHER_TABLE.steps.filter(({ op }) => !/access|teardown|hyp|guest_(un)?share/.test(op)),
};

function shares(domain: Domain, workers: number, options: SharedOptions = {}): Promise<ShareResult[]> {
  const { signal } = new AbortController();
  const context = { report: () => undefined, pause: () => nextTurn(), signal };
  return Promise.all(
    connect(workers).map((ports, worker) =>
      searchShare(domain, { ...ROOM, ...options }, { worker, workers }, ports, context),
    ),
  );
}

const sumOf = <Key extends "states" | "expanded">(results: readonly { counts: SearchCounts }[], key: Key) =>
  results.reduce((sum, { counts }) => sum + counts[key], 0);
const bigSumOf = <Key extends "tried" | "transitions">(results: readonly { counts: SearchCounts }[], key: Key) =>
  results.reduce((sum, { counts }) => sum + counts[key], 0n);

function countsOf(results: readonly { counts: SearchCounts }[]) {
  return {
    states: sumOf(results, "states"),
    expanded: sumOf(results, "expanded"),
    tried: bigSumOf(results, "tried"),
    transitions: bigSumOf(results, "transitions"),
    depth: Math.max(...results.map(({ counts }) => counts.depth)),
  };
}

// prettier-ignore
test.each<[string, number, Domain]>([
  ["one protected VM", 2, pkvmDomain({ pages: 1, tablePages: 1, vms: [true], gfns: 1 })],
  ["two VMs", 1, TWO_VMS],
  ["two VMs", 2, TWO_VMS],
  ["two VMs", 3, TWO_VMS],
  ["two pages", 2, pkvmDomain({ pages: 2, tablePages: 1, vms: [true], gfns: 1 })],
  ["tables of either VM", 2, TABLES_ONLY],
  ["VMs that the host makes", 2, pkvmDomain({ pages: 1, tablePages: 1, vms: [true], gfns: 1, makesVms: true })],
])("%s, %i workers: the counts of one", async (_, workers, domain) => {
  const results = await shares(domain, workers);
  const one = await explore(domain, ROOM);
  expect(results.map(({ end }) => end)).toEqual(results.map(() => "exhausted"));
  expect(one.end).toBe("exhausted");
  expect(countsOf(results)).toEqual(countsOf([one]));
});

test("with the rules that cost more, and past what they find: the same rules are broken, after as few steps", async () => {
  const options = { rules: ["refinement", "leak"], all: true } as const;
  const results = await shares(TWO_VMS, 2, options);
  const one = await explore(TWO_VMS, { ...ROOM, ...options });
  const broken = (findings: readonly Finding[]) =>
    findings.map(({ kind, code, steps }) => `${kind} ${code} ${steps.at(-1)?.op} ${steps.length}`);
  const asked = results.reduce((sum, { counts }) => sum + (counts.compared?.answers ?? 0n), 0n);
  expect(results.map(({ end }) => end)).toEqual([one.end, one.end]);
  expect(countsOf(results)).toEqual(countsOf([one]));
  expect(asked).toBe(one.counts.compared?.answers);
  // A worker may come to the same in more steps than another.
  expect(broken(results.flatMap(({ findings }) => findings))).toEqual(expect.arrayContaining(broken(one.findings)));
});

test("all workers have their part of it", async () => {
  const results = await shares(TWO_VMS, 3);
  const expanded = results.map(({ counts }) => counts.expanded);
  expect(Math.min(...expanded)).toBeGreaterThan(Math.max(...expanded) / 2);
});

const FOUND = BUGS.filter(hasSearch);
const lengthOf = (findings: readonly { steps: readonly unknown[] }[]) =>
  Math.min(...findings.map(({ steps }) => steps.length));

test.each(FOUND.slice(0, 4))("$name: two workers find as short a way as one", async ({ search }) => {
  const { mutation, kind } = search;
  const domain = pkvmDomainOf(search);
  const results = await shares(domain, 2, { mutation });
  const findings = results.flatMap((result) => result.findings);
  const one = await explore(domain, { ...ROOM, mutation });
  expect(findings.map((finding) => finding.kind)).toContain(kind);
  expect(lengthOf(findings)).toBe(lengthOf(one.findings));
});

test.each([
  [0, "exhausted"],
  [1, "states"],
])("with room for all states but %i: %s", async (missing, end) => {
  const { states } = (await explore(TWO_VMS, ROOM)).counts;
  const results = await shares(TWO_VMS, 2, { maxStates: states - missing });
  expect(results.map((result) => result.end)).toEqual([end, end]);
});

test("who has more than an even share gives from it", () => {
  expect(evenOut([100, 0])).toEqual([{ from: 0, to: 1, states: 50 }]);
  expect(evenOut([300, 0, 0])).toEqual([
    { from: 0, to: 1, states: 100 },
    { from: 0, to: 2, states: 100 },
  ]);
  expect(evenOut([10_000, 10_100])).toEqual([]);
  expect(evenOut([3, 1])).toEqual([]);
});
