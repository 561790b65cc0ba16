// A search over any system that is shared out: whatever the number of workers, the answer is that of one. Here all workers are in
// this thread, with ports between them.

import { setImmediate as nextTurn } from "node:timers/promises";
import { expect, test } from "vitest";
import { explore, type ExploreOptions } from "../../src/explore/explore.js";
import { namedDomain, type DomainName } from "../../src/explore/named-domain.js";
import { connect } from "../../src/explore/peers.js";
import type { Finding, SearchCounts } from "../../src/explore/search.js";
import { searchSystemShare, type SystemShareResult } from "../../src/explore/shared-system-search.js";
import { isSystemDomain } from "../../src/explore/system-domain.js";
import type { SharedOptions } from "../../src/explore/shared-search.js";
import { hasSearch, BUGS } from "../../src/explore/bugs/index.js";

function shares(name: DomainName, workers: number, options: SharedOptions = {}): Promise<SystemShareResult[]> {
  const { signal } = new AbortController();
  const context = { report: () => undefined, pause: () => nextTurn(), signal };
  return Promise.all(
    connect(workers).map((ports, worker) => {
      const domain = namedDomain(name);
      if (!isSystemDomain(domain)) return expect.fail("a domain of pKVM");
      return searchSystemShare(domain, options, { worker, workers }, ports, context);
    }),
  );
}

interface Answer {
  readonly end: string;
  readonly counts: SearchCounts;
  readonly findings: readonly Finding[];
}

/** What does not depend on how the core keeps its states. */
function answerOf(results: readonly Answer[]) {
  const { end, counts, findings } = results[0] ?? expect.fail("no worker");
  const { states, expanded, depth } = counts;
  for (const other of results) {
    expect(other).toMatchObject({ end, findings, counts: { states, expanded, depth } });
  }
  const sumOf = (key: "tried" | "transitions") => results.reduce((sum, each) => sum + each.counts[key], 0n);
  return { end, findings, states, expanded, depth, tried: sumOf("tried"), transitions: sumOf("transitions") };
}

const alone = async (name: DomainName, options: ExploreOptions = {}) =>
  answerOf([await explore(namedDomain(name), options)]);
const shared = async (name: DomainName, workers: number, options: SharedOptions = {}) =>
  answerOf(await shares(name, workers, options));

// prettier-ignore
test.each<[string, string, number]>([
  ["pkvm-host", "tiny",     2],
  ["pkvm-host", "ordinary", 2],
  ["pkvm-ffa",  "tiny",     2],
  ["ffa",       "tiny",     3],
  ["gunyah",    "tiny",     2],
  ["cca",       "tiny",     2],
])("%s, %s, %i workers: every state, as one worker finds them", async (system, preset, workers) => {
  const one = await alone({ system, preset }, { all: true });
  expect(one.end).toBe("exhausted");
  expect(await shared({ system, preset }, workers, { all: true })).toEqual(one);
});

/** Every twelfth: of each system with such domains. */
const SOME = BUGS.filter(hasSearch)
  .filter(({ search }) => isSystemDomain(search.domain()))
  .filter((_, index) => index % 12 === 0);

test.each(SOME)("$name: two workers stop where one stops", async ({ name, search }) => {
  const { mutation } = search;
  expect(await shared({ bug: name }, 2, { mutation })).toEqual(await alone({ bug: name }, { mutation }));
});
