// Runs of one scenario on several systems: what is shown while they come, fail, are cancelled, or are replaced by others.

import { expect, test } from "vitest";
import { readScenario } from "../../../src/scenario/read-scenario.js";
import type { RunReport } from "../../../src/scenario/run-scenario.js";
import { Runs } from "../../../src/web/compare/runs.js";
import type { Running } from "../../../src/web/compare/scenario-jobs.js";
import { TEMPLATES } from "../../../src/web/compare/templates.js";

const SCENARIO = readScenario(TEMPLATES[0].text, "first.yaml");
const OTHER = { ...SCENARIO, name: "other" };
const FOR_PKVM = { ...SCENARIO, systems: ["pkvm"] };

/** Workers that answer when the test says so. */
function workers() {
  const asked: {
    system: string;
    signal: AbortSignal;
    answer: (running: Running) => void;
    fail: (reason: Error) => void;
  }[] = [];
  const run = (_: unknown, system: string, signal: AbortSignal) =>
    new Promise<Running>((answer, fail) => void asked.push({ system, signal, answer, fail }));
  return { asked, run };
}

const report = (system: string) => ({ report: { system } as RunReport });
const states = (runs: Runs) => Object.fromEntries([...runs.states.value].map(([system, { state }]) => [system, state]));
const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

test("each system is run once, and shown when it is done", async () => {
  const pool = workers();
  const runs = new Runs(pool);
  runs.start(SCENARIO, ["pkvm", "gunyah"]);
  runs.start(SCENARIO, ["pkvm", "gunyah"]);
  expect(pool.asked.map(({ system }) => system)).toEqual(["pkvm", "gunyah"]);

  pool.asked[1]?.answer(report("gunyah"));
  await settled();
  expect(states(runs)).toEqual({ pkvm: "running", gunyah: "done" });

  runs.start(SCENARIO, ["pkvm", "gunyah", "ffa"]);
  expect(pool.asked.map(({ system }) => system)).toEqual(["pkvm", "gunyah", "ffa"]);
});

test("a system that the scenario is not for is not asked", () => {
  const pool = workers();
  const runs = new Runs(pool);
  runs.start(FOR_PKVM, ["pkvm", "gunyah"]);

  expect(pool.asked.map(({ system }) => system)).toEqual(["pkvm"]);
  expect(states(runs)).toEqual({ pkvm: "running", gunyah: "not for it" });
});

test("another scenario: the runs of the one before are stopped, and their late answers dropped", async () => {
  const pool = workers();
  const runs = new Runs(pool);
  runs.start(SCENARIO, ["pkvm"]);
  runs.start(OTHER, ["pkvm"]);
  expect(pool.asked.map(({ signal }) => signal.aborted)).toEqual([true, false]);

  pool.asked[0]?.answer(report("pkvm"));
  await settled();
  expect(states(runs)).toEqual({ pkvm: "running" });
});

test("cancelled: what is done stays, the rest is not run, and can be started again", async () => {
  const pool = workers();
  const runs = new Runs(pool);
  runs.start(SCENARIO, ["pkvm", "gunyah"]);
  pool.asked[0]?.answer(report("pkvm"));
  await settled();
  runs.cancel();
  expect(states(runs)).toEqual({ pkvm: "done", gunyah: "cancelled" });
  expect(pool.asked[1]?.signal.aborted).toBe(true);

  runs.start(SCENARIO, ["pkvm", "gunyah"]);
  pool.asked[2]?.answer(report("gunyah"));
  await settled();
  expect(states(runs)).toEqual({ pkvm: "done", gunyah: "done" });
});

test("what goes wrong is one sentence in the system's column", async () => {
  const pool = workers();
  const runs = new Runs(pool);
  runs.start(SCENARIO, ["pkvm", "gunyah"]);
  pool.asked[0]?.answer({ problem: { file: "mine.yaml", line: 7, column: 0, sentence: "pkvm: no more VMs" } });
  pool.asked[1]?.fail(new Error("the workers keep dying"));
  await settled();

  expect(runs.states.value.get("pkvm")).toEqual({ state: "failed", problem: "mine.yaml:7: pkvm: no more VMs" });
  expect(runs.states.value.get("gunyah")).toEqual({ state: "failed", problem: "the workers keep dying" });
});
