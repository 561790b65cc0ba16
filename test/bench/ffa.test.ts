// Workloads FFA mean the same in Freehold and in the plain-JavaScript twin, an implementation of its own: results, page
// entries, response bytes and transactions agree after every phase, and nothing is refused. (The plain-C twin is compared when
// the benchmark runs.)

import { expect, test } from "vitest";
import { ffaWorkloads } from "../../bench/ffa-definitions.js";
import { FreeholdManager } from "../../bench/ffa.js";
import { JavaScriptManager } from "../../bench/js/ffa.js";

test.each(ffaWorkloads)("$id: $title", async ({ id }) => {
  const freehold = new FreeholdManager();
  const twin = new JavaScriptManager();
  await freehold.setup(id);
  await twin.setup(id);

  for (let phase = 0; phase < 4; phase++) {
    const outcome = await freehold.phase(phase);
    expect(outcome).toEqual(await twin.phase(phase));
    expect(outcome.refused).toBe(0);
  }
});
