// What a run finds by itself: results against expectations, what became of the guest's data (by bytes), the cell's text.

import { expect, test } from "vitest";
import type { Mark } from "../../src/consequences/evidence.js";
import { MachineLimit } from "../../src/consequences/machine-limit.js";
import { stepResult } from "../../src/consequences/result.js";
import { cellText } from "../../src/scenario/cell-text.js";
import type { Fate } from "../../src/scenario/observer.js";
import { readScenario } from "../../src/scenario/read-scenario.js";
import { type RunReport, runScenario } from "../../src/scenario/run-scenario.js";
import { ScenarioError } from "../../src/scenario/scenario-error.js";
import type { World } from "../../src/scenario/system.js";
import { toySystem } from "./toy-system.js";

const HEAD = `scenario: toy
participants:
  vmm: { role: vmm }
  guest: { role: guest }
  friend: { role: guest }
  disk: { role: device }
pages:
  secret: { of: guest }
  ram: { of: guest, count: 2 }
  buffer: { of: vmm }
`;

/** Runs steps, each a line in flow style; what follows them is the rest of the file. */
function runSteps(steps: readonly string[], rest = "", system = toySystem()): Promise<RunReport> {
  const lines = steps.map((step) => `  - { ${step} }\n`).join("");
  return runScenario(readScenario(`${HEAD}steps:\n${lines}${rest}`, "toy.yaml"), system);
}

const WRITE = "access: secret, by: guest, kind: store, value: 0xa004";

test.each<[situation: string, steps: string[], secret: boolean | null, intact: boolean | null, shows: string]>([
  ["nobody wrote anything", ["access: secret, by: vmm"], null, null, "SEGV"],
  ["the VMM is stopped", [WRITE, "access: secret, by: vmm, id: cell"], true, true, "SEGV"],
  ["the guest reads its own", [WRITE, "access: secret, by: guest"], true, true, "ok"],
  ["the kernel reads plaintext", [WRITE, "access: secret, by: kernel"], false, true, "LEAK"],
  ["the kernel writes", [WRITE, "access: secret, by: kernel, kind: store, value: 1"], true, false, "corruption"],
  [
    "a device reads and writes",
    [WRITE, "call: o_direct_write, by: vmm, pages: secret, id: cell", "call: o_direct_read, by: vmm, pages: secret"],
    false,
    false,
    "LEAK + corruption",
  ],
  [
    "what leaked before the cell is not the cell's",
    [WRITE, "access: secret, by: kernel", "access: secret, by: vmm"],
    false,
    true,
    "SEGV",
  ],
  [
    "zero is no secret",
    ["access: secret, by: guest, kind: store, value: 0", "access: secret, by: kernel"],
    null,
    true,
    "ok",
  ],
  [
    "the host reads by agreement",
    [WRITE, "share: secret, from: guest, to: kernel", "access: secret, by: vmm"],
    false,
    true,
    "ok",
  ],
  [
    "the host writes by agreement",
    [WRITE, "share: secret, from: guest, to: kernel", "access: secret, by: vmm, kind: store, value: 1"],
    true,
    false,
    "ok",
  ],
  [
    "shared, then unshared: what was shown is no leak",
    [WRITE, "share: secret, from: guest, to: kernel", "reclaim: secret, by: guest", "access: secret, by: kernel"],
    false,
    true,
    "ok",
  ],
  [
    "written after it was unshared",
    ["share: secret, from: guest, to: kernel", "reclaim: secret, by: guest", WRITE, "access: secret, by: kernel"],
    false,
    true,
    "LEAK",
  ],
  [
    "one guest shares with another",
    [WRITE, "share: secret, from: guest, to: friend", "access: secret, by: friend"],
    false,
    true,
    "ok",
  ],
  ["another guest reads what it was not given", [WRITE, "access: secret, by: friend"], false, true, "LEAK"],
  ["the page is seized", [WRITE, "call: process_vm_readv, by: vmm, pages: secret"], true, false, "TAKE"],
  [
    "seized, and the guest notices",
    [WRITE, "call: process_vm_readv, by: vmm, pages: secret", "access: secret, by: guest"],
    true,
    false,
    "run:-EFAULT",
  ],
  ["a new page under the VMM", [WRITE, "call: map_fixed, by: vmm, pages: secret"], true, true, "SPLIT"],
  [
    "a hole, and a fresh page",
    [WRITE, "call: punch_hole, by: vmm, pages: secret, id: cell", "access: secret, by: guest"],
    true,
    false,
    "zero page",
  ],
  ["the VMM is killed", [WRITE, "kill: vmm, id: cell", "access: secret, by: kernel"], true, true, "zeroed"],
  [
    "the VMM is killed, the page was shared",
    [WRITE, "share: secret, from: guest, to: kernel", "kill: vmm, id: cell", "access: secret, by: kernel"],
    false,
    true,
    "ok",
  ],
  ["an errno", [WRITE, "call: write, by: vmm, pages: secret"], true, true, "EFAULT"],
  ["no such verb", [WRITE, "lend: secret, from: guest, to: friend"], true, true, "–"],
])("%s", async (_, steps, secret, intact, shows) => {
  const hasCell = steps.some((step) => step.includes("id: cell"));
  const report = await runSteps(steps, hasCell ? "cell: cell\n" : "");
  expect([report.secret, report.intact, report.shows]).toEqual([secret, intact, shows]);
  expect(report.split).toBe(shows === "SPLIT");
});

test("who is dead does not act", async () => {
  const report = await runSteps([
    "kill: vmm",
    "access: secret, by: vmm",
    "access: secret, by: guest",
    "access: secret, by: kernel",
  ]);
  expect(report.died).toEqual(["vmm", "guest"]);
  expect(report.steps.map(({ result }) => [result.result, result.why])).toEqual([
    ["ok", null],
    ["not run", "vmm is dead"],
    ["not run", "guest is dead"],
    ["ok", null],
  ]);
});

/** A machine that is full, and says so when a step asks for more. */
const FULL: World = {
  perform: () => {
    throw new MachineLimit("out of memory");
  },
  ...{ guestView: () => null, hostView: () => null, isShared: () => false, deaths: () => [] },
};

test.each([
  ["when the world is made", () => Promise.reject(new MachineLimit("out of memory")), "run.yaml: full: out of memory"],
  ["in a step", () => Promise.resolve(FULL), "run.yaml:3: full: out of memory"],
])("what a machine has no room for is the scenario's mistake: %s", async (_, create, message) => {
  const scenario = readScenario("scenario: x\nsteps:\n  - { kill: vmm }\n", "run.yaml");
  const system = { name: "full", title: "", about: "", lacks: new Map(), create };
  const error: unknown = await runScenario(scenario, system).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(ScenarioError);
  expect(error).toMatchObject({ message });
});

test("a step that is for other systems is left out, and its cell is empty", async () => {
  const report = await runSteps(["access: secret, by: vmm, only: [gunyah]"]);
  expect(report.steps).toMatchObject([
    { skipped: true, evidence: [], result: { result: "not run", why: "the step is for gunyah" } },
  ]);
  expect(report.shows).toBe("–");
});

test("a verb that the system lacks is evidence with its reason", async () => {
  const report = await runSteps(["lend: secret, from: guest, to: friend", "donate: secret, from: guest, to: friend"]);
  expect(report.steps.map(({ result }) => [result.result, result.why])).toEqual([
    ["no such verb", "toys are not lent"],
    ["no such verb", "toys do not"],
  ]);
  expect(report.steps[0]?.evidence).toMatchObject([
    { kind: "rule", rule: { id: "pkvm.lacks.lend", says: "toys are not lent" } },
  ]);
  expect(report.failures).toEqual([]);
});

test("evidence belongs to the step in which it was found; without words the marks stay", async () => {
  const report = await runSteps([WRITE, "access: secret, by: vmm"]);
  expect(report.steps.map(({ evidence }) => evidence.map(({ kind }) => kind))).toEqual([
    ["rule", "saw"],
    ["rule", "saw"],
  ]);
  const scenario = readScenario(`${HEAD}steps: [{ ${WRITE} }]`, "toy.yaml");
  const silent = await runScenario(scenario, toySystem("pkvm", "U"), { evidence: false });
  expect([silent.steps[0]?.evidence, silent.mark]).toEqual([[], "U"]);
});

test.each<[Mark, Mark]>([
  ["M", "M"],
  ["U", "U"],
])("the cell has the weakest mark of the rules it stands on: %s", async (mark, found) => {
  expect((await runSteps([WRITE], "", toySystem("pkvm", mark))).mark).toBe(found);
});

test.each<[steps: string[], finals: string, failures: object[]]>([
  [["access: secret, by: vmm, expect: { pkvm: SIGSEGV/SEGV_ACCERR }"], "", []],
  [
    ["access: secret, by: vmm, expect: { all: ok }"],
    "",
    [{ line: 12, field: "result", expected: "ok", found: "SIGSEGV/SEGV_ACCERR" }],
  ],
  [["access: secret, by: vmm, expect: { gunyah: ok }"], "", []],
  [
    [WRITE, "access: secret, by: kernel, expect: { pkvm: { value: 1, bytes: 8, forceReclaims: 1, died: [vmm] } }"],
    "",
    [
      { line: 13, field: "value", expected: "0x1", found: "0xa004" },
      { line: 13, field: "forceReclaims", expected: "1", found: "0" },
      { line: 13, field: "died", expected: "vmm", found: "nobody" },
      { line: 13, field: "bytes", expected: "8", found: "nothing" },
    ],
  ],
  [["kill: vmm, expect: { pkvm: { died: [guest, vmm] } }"], "finally: { pkvm: { died: [guest, vmm] } }", []],
  [
    ["lend: secret, from: guest, to: friend, expect: { pkvm: ok }"],
    "",
    [{ line: 12, field: "result", expected: "ok", found: "no such verb" }],
  ],
  [
    [WRITE],
    "finally:\n  pkvm: { secret: false, intact: false, died: [vmm], shows: SEGV, mark: U }",
    [
      { line: 13, field: "secret", expected: "false", found: "true" },
      { line: 13, field: "intact", expected: "false", found: "true" },
      { line: 13, field: "died", expected: "vmm", found: "nobody" },
      { line: 13, field: "shows", expected: "SEGV", found: "ok" },
      { line: 13, field: "mark", expected: "U", found: "S" },
    ],
  ],
])("expectations: %j %s", async (steps, finals, failures) => {
  expect((await runSteps(steps, finals)).failures).toEqual(failures);
});

// host-and-vmm 7.1: the codes of the overview.
test.each<[result: string, fates: Fate[], shows: string]>([
  ["ok", [], "ok"],
  ["SIGSEGV/SEGV_ACCERR", [], "SEGV"],
  ["SIGBUS/BUS_OBJERR", [], "OBJ"],
  ["SIGBUS/BUS_ADRERR", [], "ADR"],
  ["SIGBUS/BUS_MCEERR_AR", [], "MCEERR_AR"],
  ["SIGKILL/SI_KERNEL", [], "KILL"],
  ["EFAULT", [], "EFAULT"],
  ["EPERM", ["LEAK"], "EPERM"],
  ["oops", [], "OOPS"],
  ["KVM_RUN EFAULT", ["TAKE"], "run:-EFAULT"],
  ["KVM_RUN EFAULT MEMORY_FAULT", [], "run:-EFAULT"],
  ["KVM_RUN MMIO", [], "run:MMIO"],
  ["VCPU_RUN PAGE_FAULT ENOENT", [], "run:PAGE_FAULT"],
  ["guest SEA", [], "SEA"],
  ["MEM_INUSE", [], "MEM_INUSE"],
  ["I/O error", [], "blocked"],
  ["machine stopped", [], "STOP"],
  ["spins", [], "spins"],
  ["no such verb", [], "–"],
  ["not run", [], "–"],
  ["ok", ["zeroed", "zero page", "SPLIT", "corruption", "LEAK", "TAKE"], "TAKE"],
  ["ok", ["corruption", "LEAK", "SPLIT"], "LEAK + corruption"],
  ["ok", ["zero page", "SPLIT"], "SPLIT"],
])("a cell whose step ended with %s, fates %j: %s", (result, fates, shows) => {
  expect(cellText(stepResult(result), new Set(fates))).toBe(shows);
});
