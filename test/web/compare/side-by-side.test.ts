// Steps aligned over systems, and which cells are not as the others.

import { expect, test } from "vitest";
import { readScenario } from "../../../src/scenario/read-scenario.js";
import { runScenario } from "../../../src/scenario/run-scenario.js";
import { loadSystem } from "../../../src/scenario/systems/index.js";
import {
  type Comparison,
  type ComparedRow,
  differingAnswers,
  sideBySide,
} from "../../../src/web/compare/side-by-side.js";

// prettier-ignore
test.each<[string, (string | null)[], string, (number | null)[]]>([
  // answers               lit (x)   numbers
  ["all the same",         ["a", "a", "a"],      "...",  [null, null, null]],
  ["one is odd",           ["a", "b", "a"],      ".x.",  [1, 2, 1]],
  ["two of two",           ["a", "b"],           "xx",   [1, 2]],
  ["as many of each",      ["a", "b", "a", "b"], "xxxx", [1, 2, 1, 2]],
  ["three kinds, one rule", ["c", "a", "a", "b"], "x..x", [1, 2, 2, 3]],
  ["what is not compared", [null, "a", "b", "a"], "..x.", [null, 1, 2, 1]],
  ["one answer alone",     [null, "a", null],    "...",  [null, null, null]],
  ["no answer",            [null, null],         "..",   [null, null]],
])("%s: %j", (_, keys, lit, numbers) => {
  const answers = differingAnswers(keys);

  expect(answers.map(({ differs }) => (differs ? "x" : ".")).join("")).toBe(lit);
  expect(answers.map(({ answer }) => answer)).toEqual(numbers);
});

/** Overview row 1 of host-and-vmm 7.1, and a load that is for one system alone. */
const TOUCH = `scenario: touch
participants:
  vmm: { role: vmm }
  guest: { role: guest }
pages:
  secret: { of: guest }
steps:
  - { access: secret, by: guest, kind: store, value: 0xa004 }
  - { access: secret, id: again, by: guest, only: [pkvm] }
  - { access: secret, id: touch, note: The signal is forced., by: vmm, expect: { kvm-gmem-shared: EFAULT } }
cell: touch
`;

async function compare(text: string, systems: readonly string[], notRun: readonly string[] = []): Promise<Comparison> {
  const scenario = readScenario(text, "touch.yaml");
  const columns = await Promise.all(
    systems.map(async (name) => {
      const system = await loadSystem(name);
      if (system === null) throw new Error(`no system ${name}`);
      return { system: name, report: notRun.includes(name) ? null : await runScenario(scenario, system) };
    }),
  );
  return sideBySide(scenario, columns);
}

const results = (row: ComparedRow | undefined) => row?.cells.map(({ result }) => result);
const lit = (row: ComparedRow | undefined) => row?.cells.map(({ differs }) => differs);

const SYSTEMS = ["pkvm", "pkvm-android", "gunyah", "kvm-gmem-shared"];

test("a row for each step, a cell for each system, whether it ran or not", async () => {
  const { steps } = await compare(TOUCH, SYSTEMS, ["gunyah"]);

  expect(steps.map(({ heading }) => heading)).toEqual([
    "1. guest stores 0xa004 to secret",
    "2. guest loads from secret",
    "3. vmm loads from secret",
  ]);
  expect(steps.map(({ cells }) => cells.map(({ system }) => system))).toEqual([SYSTEMS, SYSTEMS, SYSTEMS]);
  expect(steps.map(results)).toEqual([
    ["ok", "ok", null, "ok"],
    ["ok", null, null, null],
    ["SIGSEGV/SEGV_ACCERR", "SIGSEGV/SEGV_ACCERR", null, "ok"],
  ]);
  expect(steps.map(({ isShown }) => isShown)).toEqual([false, false, true]);
  expect(steps[2]?.note).toBe("The signal is forced.");
});

test("the steps whose answers differ, and in them the cells that are not as most", async () => {
  const { steps } = await compare(TOUCH, SYSTEMS);

  expect(steps.map(({ differs }) => differs)).toEqual([false, false, true]);
  expect(lit(steps[2])).toEqual([false, false, true, true]);
});

test("the address of a signal is where a system maps the page: no difference", async () => {
  const { steps } = await compare(TOUCH, ["pkvm", "pkvm-android"]);
  const [first, second] = steps[2]?.cells ?? [];

  expect(first?.details.find(({ kind }) => kind === "address")?.text).toMatch(/^at 0x[0-9a-f]+$/);
  expect(second?.differs).toBe(false);
});

test("a step's particulars: what was read, who died, what was expected instead", async () => {
  const { steps } = await compare(TOUCH, ["pkvm", "kvm-gmem-shared"]);
  const [pkvm, shared] = steps[2]?.cells ?? [];

  expect(pkvm?.details).toContainEqual({ kind: "died", text: "died: vmm, guest" });
  expect(pkvm?.unmet).toEqual([]);
  expect(pkvm?.mark).toBe("M");
  expect(shared?.details).toContainEqual({ kind: "value", text: "value 0xa004" });
  expect(shared?.unmet).toEqual(["expected result EFAULT, found ok"]);
});

test("the last rows: what the matrix shows with its mark, and what became of the guest's data", async () => {
  const { end } = await compare(TOUCH, SYSTEMS, ["gunyah"]);

  expect(end.map((row) => [row.heading, results(row)])).toEqual([
    ["Shows", ["SEGV", "SEGV", null, "ok"]],
    ["Secret", ["yes", "yes", null, "no"]],
    ["Intact", ["yes", "yes", null, "yes"]],
    ["Died", ["guest, vmm", "guest, vmm", null, "nobody"]],
  ]);
  expect(end[0]?.cells.map(({ mark }) => mark)).toEqual(["M", expect.stringMatching(/^[SPU]$/), null, "M"]);
  expect(end[0]?.cells[3]?.unmet).toEqual(["step 3: expected result EFAULT, found ok"]);
  expect(end.map(({ differs }) => differs)).toEqual([true, true, false, true]);
});

test("a verb that systems lack for different reasons is the same answer, and each says why", async () => {
  const text = TOUCH.replace(
    "- { access: secret, id: again, by: guest, only: [pkvm] }",
    "- { lend: secret, from: kernel, to: guest }",
  );
  const { steps } = await compare(text, ["pkvm", "kvm-gmem"]);
  const [pkvm, gmem] = steps[1]?.cells ?? [];

  expect(results(steps[1])).toEqual(["no such verb", "no such verb"]);
  expect(steps[1]?.differs).toBe(false);
  expect(pkvm?.details.find(({ kind }) => kind === "why")?.text).toMatch(/no lend as such/);
  expect(gmem?.details.find(({ kind }) => kind === "why")?.text).toMatch(/keeps no owners/);
});
