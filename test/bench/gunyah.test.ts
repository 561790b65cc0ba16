// Workloads G1 mean the same in Freehold and in the plain-JavaScript twin: owners and leaves agree after every phase, and nothing is
// refused. (The plain-C twin is compared when the benchmark runs.)

import { expect, test } from "vitest";
import { FreeholdGunyah } from "../../bench/gunyah.js";
import { gunyahWorkloads, PHASES } from "../../bench/gunyah-definitions.js";
import { JavaScriptGunyah } from "../../bench/js/gunyah.js";

test.each(gunyahWorkloads)("$id", async ({ id }) => {
  const freehold = new FreeholdGunyah();
  const twin = new JavaScriptGunyah();
  await freehold.setup(id);
  await twin.setup(id);
  for (let round = 0; round < 2; round++) {
    for (let phase = 0; phase < PHASES; phase++) {
      const outcome = await freehold.phase(phase);
      expect(outcome.refused).toBe(0);
      expect(outcome).toEqual(await twin.phase(phase));
    }
  }
});
