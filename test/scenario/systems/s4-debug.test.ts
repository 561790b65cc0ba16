import { test } from "vitest";
import { readdirSync, readFileSync } from "node:fs";
import { Session } from "node:inspector";
import { pkvm } from "../../../src/scenario/systems/pkvm/index.js";
import { readScenario } from "../../../src/scenario/read-scenario.js";
import { runScenario } from "../../../src/scenario/run-scenario.js";
test("d", async () => {
  const dir = new URL("../../../src/scenario/bundled/", import.meta.url);
  const list = readdirSync(dir, { recursive: true, encoding: "utf8" }).filter((x) => x.endsWith(".yaml")).sort().map((f) => readScenario(readFileSync(new URL(f, dir), "utf8"), f)).filter((s) => !s.systems.length || s.systems.includes("pkvm"));
  const session = new Session(); session.connect();
  const post = (m: string, p?: any) => new Promise<any>((r, j) => session.post(m as any, p, (e: any, x: any) => e ? j(e) : r(x)));
  let bad = 0;
  for (const round of [1,2]) {
  if (round === 1) { await post("Profiler.enable"); await post("Profiler.setSamplingInterval", {interval: 500}); await post("Profiler.start"); }
  let t = performance.now(); const c = process.cpuUsage();
  for (const s of list) { const r = await runScenario(s, pkvm, {evidence:false}); if (r.failures.length) { bad++; console.log(s.name, r.failures); } }
  const u = process.cpuUsage(c);
  console.log("total", performance.now() - t, "cpu", (u.user+u.system)/1000, list.length, "steps", list.reduce((n, s) => n + s.steps.length, 0), "bad", bad);
  if (round === 2) break;
  const { profile } = await post("Profiler.stop");
  const self = new Map<string, number>(); const total = new Map<string, number>();
  const dt = profile.timeDeltas; const byId = new Map<number, any>(profile.nodes.map((n: any) => [n.id, n]));
  const parent = new Map<number, number>(); for (const n of profile.nodes) for (const ch of n.children ?? []) parent.set(ch, n.id);
  const key = (n: any) => n.callFrame.functionName + " " + n.callFrame.url.split("/").pop() + ":" + n.callFrame.lineNumber;
  profile.samples.forEach((id: number, i: number) => { const k = key(byId.get(id)); self.set(k, (self.get(k) ?? 0) + dt[i]);
    const seen = new Set<string>(); for (let p: number | undefined = id; p !== undefined; p = parent.get(p)) { const kk = key(byId.get(p)); if (!seen.has(kk)) { seen.add(kk); total.set(kk, (total.get(kk) ?? 0) + dt[i]); } } });
  const show = (m: Map<string, number>, n: number) => [...m].sort((a, b) => b[1] - a[1]).slice(0, n).map(([k, v]) => `${(v/1000).toFixed(1)} ${k}`).join("\n");
  console.log("SELF\n" + show(self, 30)); console.log("TOTAL\n" + show(total, 60));
  }
});
