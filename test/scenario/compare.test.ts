// The matrix is runs, laid out: which cells there are, and what is asked of them.

import { expect, test } from "vitest";
import type { Evidence } from "../../src/consequences/evidence.js";
import type { EvidenceLog } from "../../src/consequences/evidence-log.js";
import { stepResult, type StepResult } from "../../src/consequences/result.js";
import { compareScenarios } from "../../src/scenario/compare.js";
import {
  cellsOf,
  failuresOf,
  lackOf,
  markedText,
  noteOf,
  sawInCell,
  type Cell,
  type Matrix,
} from "../../src/scenario/matrix.js";
import type { Action } from "../../src/scenario/scenario.js";
import type { System, World } from "../../src/scenario/system.js";
import { aCell, aScenario, aStep, aSystem, FAILURE } from "../cli/matrix/a-matrix.js";

type Perform = (action: Action, log: EvidenceLog) => StepResult;

/** A system that answers every step in one way; `runs` counts its worlds. */
function answering(name: string, perform: Perform, runs = { count: 0 }): System {
  const world = (log: EvidenceLog): World => ({
    perform: (action) => perform(action, log),
    guestView: () => null,
    hostView: () => null,
    isShared: () => false,
    deaths: () => [],
  });
  const create: System["create"] = (_setup, log) => {
    runs.count += 1;
    return Promise.resolve(world(log));
  };
  return { ...aSystem(name), create };
}

const ok = answering("one", () => stepResult("ok"));
const segv = answering("two", () => stepResult("SIGSEGV/SEGV_ACCERR"));

const texts = (matrix: Matrix) =>
  matrix.groups.map(({ name, rows }) => [
    name,
    rows.map(({ scenario, cells }) => [scenario.name, ...cells.map((cell) => cell && markedText(cell))]),
  ]);

test("rows in the order of the scenarios, groups in the order in which they come up", async () => {
  const scenarios = [aScenario("a"), aScenario("b", { group: "Second" }), aScenario("c")];
  expect(texts(await compareScenarios(scenarios, [ok, segv]))).toEqual([
    [
      "Host accesses",
      [
        ["a", "ok", "SEGV"],
        ["c", "ok", "SEGV"],
      ],
    ],
    ["Second", [["b", "ok", "SEGV"]]],
  ]);
});

test("a scenario is run where it is for, each time on a world of its own", async () => {
  const runs = { count: 0 };
  const counted = answering("one", () => stepResult("ok"), runs);
  const scenarios = [aScenario("a"), aScenario("b", { systems: ["two"] }), aScenario("c", { systems: ["one"] })];
  const matrix = await compareScenarios(scenarios, [counted, segv]);
  expect(texts(matrix)[0]?.[1]).toEqual([
    ["a", "ok", "SEGV"],
    ["b", null, "SEGV"],
    ["c", "ok", null],
  ]);
  expect(runs.count).toBe(2);
  expect([...cellsOf(matrix)]).toHaveLength(4);
});

const ruled = answering("ruled", (_action, log) => {
  const citation = { page: "host-and-vmm", section: "7.2", mark: "U" } as const;
  log.rule({ id: "a.rule", says: "It is so.", citation });
  log.saw("process", "a signal");
  return stepResult("ok");
});

test("a cell whose rules are unverified says so, whether or not its evidence is put into words", async () => {
  for (const evidence of [true, false]) {
    const [cell] = [...cellsOf(await compareScenarios([aScenario("a")], [ruled], { evidence }))];
    expect(markedText(cell as Cell)).toBe("ok?");
    expect([...sawInCell(cell as Cell)]).toEqual(evidence ? [["process", ["a signal"]]] : []);
  }
});

test("what parties saw is of the step that the cell shows, each sentence once", () => {
  const saw = (party: "kernel" | "vmm", text: string): Evidence => ({ kind: "saw", party, text });
  const scenario = aScenario("a", { steps: [aStep(), aStep()], cell: 1 });
  const cell = aCell(scenario, aSystem("one"), { evidence: [saw("kernel", "x"), saw("vmm", "y"), saw("kernel", "x")] });
  expect(Object.fromEntries(sawInCell(cell))).toEqual({ kernel: ["x"], vmm: ["y"] });
});

test.each([
  ["ok", null, null, null],
  ["no such verb", "no call for it", "no call for it", "no such verb: no call for it"],
  ["not run", "guest is dead", null, "not run: guest is dead"],
])("a step that ended with %j because %j lacks %j", (result, why, lack, note) => {
  const cell = aCell(aScenario("a"), aSystem("one"), { result, ...(why === null ? {} : { why }) });
  expect(lackOf(cell)).toBe(lack);
  expect(noteOf(cell)).toBe(note);
});

test("expectations that were not met name their step, or the whole run", async () => {
  const step = aStep(undefined, { line: 7, expect: new Map([["two", { result: "ok" }]]) });
  const scenario = aScenario("a", {
    steps: [aStep(), step],
    finally: new Map([["two", { shows: "ok" }]]),
    finallyLine: 9,
  });
  const [cell] = [...cellsOf(await compareScenarios([scenario], [segv]))];
  expect(failuresOf(cell as Cell)).toEqual([
    { step: 2, line: 7, field: "result", expected: "ok", found: "SIGSEGV/SEGV_ACCERR" },
    { step: null, line: 9, field: "shows", expected: "ok", found: "SEGV" },
  ]);
  expect(failuresOf(aCell(scenario, segv, { failures: [FAILURE] }))).toEqual([{ ...FAILURE, step: null }]);
});
