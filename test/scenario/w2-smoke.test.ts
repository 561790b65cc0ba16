import { test } from "vitest";
import { bundledScenarios } from "../../src/scenario/bundled-scenarios.js";
import { runScenario } from "../../src/scenario/run-scenario.js";
import { loadSystem } from "../../src/scenario/systems/index.js";
test("all", async () => {
  const S = await bundledScenarios();
  for (const name of ["gunyah-linux-pinned", "gunyah-linux-memfd", "gunyah-linux-share"]) {
    const system = await loadSystem(name);
    if (!system) { console.log("none", name); continue; }
    const lines: string[] = [];
    let ms = 0, n = 0;
    for (const s of S) {
      if (s.systems.length && !s.systems.includes(name)) continue;
      try {
        const t = performance.now();
        const r = await runScenario(s, system, { evidence: false });
        ms += performance.now() - t; n++;
        lines.push(`${s.name}: ${r.steps.map((x) => x.skipped ? "_" : x.result.result + (x.result.value !== null ? "=" + x.result.value.toString(16) : "")).join(" | ")} => ${r.shows} ${r.mark} sec=${r.secret} int=${r.intact} died=${r.died.join(",")}`);
        for (const f of r.failures) lines.push(`   FAIL line ${f.line} ${f.field}: ${f.expected} / ${f.found}`);
      } catch (e) { lines.push(`${s.name}: THROWS ${(e as Error).stack?.slice(0, 400)}`); }
    }
    console.log(name + " " + n + " in " + ms.toFixed(1) + " ms\n" + lines.join("\n"));
  }
});
