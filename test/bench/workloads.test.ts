// The benchmark's workloads mean the same in Freehold and in its plain-JavaScript twin, an implementation of its own: return
// values, page words, contents and leaves agree after every phase. (The plain-C twin is compared when the benchmark runs.)

import { expect, test } from "vitest";
import { Freehold } from "../../bench/freehold.js";
import { JavaScriptTwin } from "../../bench/js/twin.js";
import { workloads } from "../../bench/workloads.js";

test.each(workloads)("$id: $title", async ({ id, phases }) => {
  const freehold = new Freehold();
  const twin = new JavaScriptTwin();
  await freehold.setup(id);
  await twin.setup(id);

  for (let phase = 0; phase < phases; phase++) {
    expect(await freehold.phase(phase)).toEqual(await twin.phase(phase));
  }
});
