// Workloads X1 mean the same in Freehold and in the plain-JavaScript walker: every PA agrees, and no walk faults. (The plain-C
// walker is compared when the benchmark runs.)

import { expect, test } from "vitest";
import { JavaScriptWalker } from "../../bench/js/walker.js";
import { walkWorkloads } from "../../bench/walk-definitions.js";
import { FreeholdWalker } from "../../bench/walks.js";

const GIB = 2 ** 30;

test.each(walkWorkloads.filter(({ size }) => size <= 4 * GIB))("$id", async ({ id }) => {
  const freehold = new FreeholdWalker();
  const twin = new JavaScriptWalker();
  await freehold.setup(id);
  await twin.setup(id);

  const outcome = await freehold.phase();
  expect(outcome).toEqual(await twin.phase());
  expect(outcome.refused).toBe(0);
});
