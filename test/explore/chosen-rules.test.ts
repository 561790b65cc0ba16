// Rules are chosen by name in every system: what nobody asked for is no finding, and hides none.

import { expect, test } from "vitest";
import { BUGS, hasSearch } from "../../src/explore/bugs/index.js";
import { explore } from "../../src/explore/explore.js";
import type { RuleName } from "../../src/explore/rules.js";

const bugNamed = (name: string) =>
  BUGS.filter(hasSearch).find((bug) => bug.name === name)?.search ?? expect.fail("no search finds it");

// prettier-ignore
test.each<[bug: string, rules: readonly RuleName[], invariants: readonly string[], found: readonly string[]]>([
  // Realm memory: a range that ends in a page is done to its end (R15), where nobody reads what is another's.
  ["rmm-range-top",   ["invariant"], ["R15"],             ["R15"]],
  ["rmm-range-top",   ["invariant"], ["R1", "R7"],        []],
  ["rmm-range-top",   ["secrecy"],   [],                  []],
  // The host's own half: a folio of four pages comes off the account as one.
  ["thp-accounting",  ["invariant"], ["free", "charges"], ["charges"]],
  ["thp-accounting",  ["invariant"], ["free", "I2"],      []],
  ["thp-accounting",  ["progress"],  [],                  []],
])("%s: of %j %j, %j is broken", async (name, rules, invariants, found) => {
  const { domain, mutation } = bugNamed(name);
  const chosen = invariants.length === 0 ? { rules } : { rules, invariants };
  const { end, findings } = await explore(domain(), { mutation, all: true, ...chosen });
  expect([end, [...new Set(findings.map(({ rule }) => rule))]]).toEqual(["exhausted", found]);
});
