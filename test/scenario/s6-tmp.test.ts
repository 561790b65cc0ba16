import { test } from "vitest";
import { writeFileSync } from "node:fs";
import { bundledScenarios } from "/work/main/src/scenario/bundled-scenarios.js";
import { runScenario } from "/work/main/src/scenario/run-scenario.js";
import { SYSTEMS, loadSystem } from "/work/main/src/scenario/systems/index.js";
test("all", async () => {
  const out: string[] = [];
  const only = process.env.ONLY, sys = process.env.SYS;
  for (const s of await bundledScenarios()) {
    if (only && !s.name.match(only)) continue;
    for (const { name } of SYSTEMS) {
      if (sys && sys !== name) continue;
      if (s.systems.length && !s.systems.includes(name)) continue;
      try {
        const r = await runScenario(s, (await loadSystem(name))!);
        const bad = r.failures.length;
        if (bad || process.env.V) {
          out.push(`${s.name} ${name}: ${r.shows}/${r.mark} secret ${r.secret} intact ${r.intact} died ${r.died}`);
          for (const f of r.failures) out.push(`   line ${f.line} ${f.field}: ${f.expected} / ${f.found}`);
          if (process.env.V) for (const st of r.steps) { out.push(`   ${st.step.line} ${JSON.stringify(st.result, (k, v) => typeof v === "bigint" ? "0x" + v.toString(16) : v)} ${st.mark} ${st.fates}`); if (process.env.V === "2") for (const e of st.evidence) out.push("        " + JSON.stringify(e, (k, v) => typeof v === "bigint" ? "0x" + v.toString(16) : v)); }
        }
      } catch (e) { out.push(`${s.name} ${name}: THROWS ${(e as Error).stack?.split("\n").slice(0, 4).join(" | ")}`); }
    }
  }
  writeFileSync("/tmp/s6/out.txt", out.join("\n") + "\n");
}, 60000);
