// Findings of other systems, taken again on a machine of their own before they are believed.

import { expect, test } from "vitest";
import { BUGS, hasSearch } from "../../src/explore/bugs/index.js";
import { foundAgain } from "../../src/explore/counterexample/again.js";
import { explore } from "../../src/explore/explore.js";
import { isSystemDomain } from "../../src/explore/system-domain.js";

// Reference bugs.md section 8: the granule behind the table, and before it. Neither call breaks the rule by itself.
test("two calls that lock in opposite order: the one on the way, and the other beside it", async () => {
  const { domain, mutation } =
    BUGS.filter(hasSearch).find(({ name }) => name === "rmm-lock-order")?.search ?? expect.fail("no search finds it");
  const machine = domain();
  const { findings } = await explore(machine, { mutation });
  const [finding] = findings;
  if (finding === undefined || !isSystemDomain(machine)) expect.fail("nothing found");
  const again = await foundAgain(machine, finding, { mutation });
  expect(again?.steps).toEqual(finding.steps);
  expect([again?.steps.at(-1)?.op, again?.beside?.map(({ op }) => op)].flat().toSorted()).toEqual([
    "rmi_data_create",
    "rmi_data_create_unknown",
  ]);
});
