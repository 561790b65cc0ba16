import { test } from "vitest";
import { bundledScenarios } from "/work/main/src/scenario/bundled-scenarios.js";
import { runScenario } from "/work/main/src/scenario/run-scenario.js";
import { pkvm } from "/work/main/src/scenario/systems/pkvm/index.js";
test("perf", async () => {
  const t0 = performance.now();
  const all = await bundledScenarios();
  console.log("parse", performance.now() - t0, all.length, all.reduce((n, s) => n + s.steps.length, 0));
  for (const evidence of [true, false, true, false]) {
    const t = performance.now(); const by: Record<string, number> = {};
    for (const s of all) {
      if (s.systems.length && !s.systems.includes("pkvm")) continue;
      const a = performance.now(); await runScenario(s, pkvm, { evidence }); const g = s.name.replace(/-.*/, ""); by[g] = (by[g] ?? 0) + performance.now() - a;
    }
    console.log(evidence, performance.now() - t, JSON.stringify(by));
  }
}, 60000);
