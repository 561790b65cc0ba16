// What the editor says of a text, where it says it, and what becomes of a text that another one replaces.

import { expect, test } from "vitest";
import { bringBack, editorStateOf, putText } from "../../../src/web/compare/editor-state.js";
import { findingsOf } from "../../../src/web/compare/findings.js";
import { SCENARIO_JOBS } from "../../../src/web/compare/scenario-jobs.js";
import { searchScenarios } from "../../../src/web/compare/scenario-list.js";
import { TEMPLATES } from "../../../src/web/compare/templates.js";
import { lineCount, spanOf } from "../../../src/web/compare/text-lines.js";
import { createStore } from "../../../src/web/store.js";

// prettier-ignore
test.each<[string, number]>([
  ["", 1], ["a", 1], ["a\n", 2], ["a\nb", 2], ["\n\n", 3],
])("%j has %i lines", (text, lines) => {
  expect(lineCount(text)).toBe(lines);
});

// prettier-ignore
test.each<[string, number, number, string]>([
  // text            line column  selected
  ["one\ntwo three", 2,   5,      "three"],
  ["one\ntwo three", 2,   1,      "two three"],
  ["one\ntwo three", 1,   0,      "one"],
  ["one\ntwo three", 1,   99,     ""],
  ["one\ntwo three", 99,  1,      ""],
  ["one\n",          2,   1,      ""],
])("in %j, line %i column %i: %j", (text, line, column, selected) => {
  const { start, end } = spanOf(text, line, column);

  expect(text.slice(start, end)).toBe(selected);
});

test("a problem is the command line's sentence with its place", async () => {
  const text = "scenario: x\npages:\n  p: { of: guest }\nsteps:\n  - { acess: p, by: vmm }\n";
  const [finding] = findingsOf(await SCENARIO_JOBS.read({ text, file: "mine.yaml" }), null, new Map());

  expect(finding).toEqual({ line: 5, column: 7, text: 'mine.yaml:5:7: unknown verb "acess" (did you mean "access"?)' });
});

test("markup in a text is quoted in the sentence, as text", async () => {
  const reading = await SCENARIO_JOBS.read({
    text: "scenario: <img src=x onerror=alert(1)>\nsteps: []\n",
    file: "x.yaml",
  });

  expect(findingsOf(reading, null, new Map())).toMatchObject([
    { line: 1, text: expect.stringContaining("<img src=x") as string },
  ]);
});

test("of a scenario that was run: expectations that were not met, with their lines", async () => {
  const text = [
    "scenario: x",
    "pages: { p: { of: guest } }",
    "steps:",
    "  - { access: p, by: guest, kind: store, value: 1 }",
    "  - access: p",
    "    by: vmm",
    "    expect: { pkvm: ok }",
  ].join("\n");
  const reading = await SCENARIO_JOBS.read({ text, file: "x.yaml" });
  if (!("scenario" in reading)) throw new Error(reading.problem.sentence);
  const run = await SCENARIO_JOBS.run({ scenario: reading.scenario, system: "pkvm" });
  if (!("report" in run)) throw new Error(run.problem.sentence);
  const runs = new Map([["pkvm", { state: "done", report: run.report } as const]]);

  expect(findingsOf(reading, reading.scenario, runs)).toEqual([
    { line: 5, column: 0, text: "x.yaml:5: on pkvm: expected result ok, found SIGSEGV/SEGV_ACCERR" },
  ]);
  expect(findingsOf(reading, null, runs)).toEqual([]);
});

test("more than a scenario may have is a problem with its place", async () => {
  const pages = "pages: { p: { of: guest, count: 4096 } }";
  const guests = Array.from({ length: 12 }, (_, i) => `  g${i}: { role: guest, vcpus: 8 }`).join("\n");
  const text = `scenario: x\nparticipants:\n  vmm: { role: vmm }\n  guest: { role: guest }\n${guests}\n${pages}\nsteps:\n  - { access: p, by: vmm }\n`;
  const reading = await SCENARIO_JOBS.read({ text, file: "x.yaml" });

  expect(findingsOf(reading, null, new Map())).toMatchObject([
    { text: expect.stringMatching(/at most 12 guests/) as string },
  ]);
});

test("a system that there is not", async () => {
  const reading = await SCENARIO_JOBS.read({ text: TEMPLATES[0].text, file: "x.yaml" });
  if (!("scenario" in reading)) throw new Error(reading.problem.sentence);

  await expect(SCENARIO_JOBS.run({ scenario: reading.scenario, system: "none" })).rejects.toThrow(
    'there is no system "none"',
  );
});

test.each(TEMPLATES)("template $name is a scenario whose expectations are met", async ({ name, text }) => {
  const reading = await SCENARIO_JOBS.read({ text, file: `${name}.yaml` });
  if (!("scenario" in reading)) throw new Error(reading.problem.sentence);
  const { scenario } = reading;
  const systems = scenario.systems.length > 0 ? scenario.systems : ["pkvm", "gunyah", "kvm-gmem"];
  for (const system of systems) {
    const run = await SCENARIO_JOBS.run({ scenario, system });
    expect(run, system).toMatchObject({ report: { failures: [] } });
  }
});

test("a text of the user's that is replaced can be brought back, one that is not cannot", () => {
  const store = createStore();
  const editor = editorStateOf(store);
  putText(editor, "second.yaml", "second");
  expect(editor.replaced.value).toBeNull();

  editor.edited.value = { file: "second.yaml", text: "second, with work in it" };
  putText(editor, "third.yaml", "third");
  expect(editor.edited.value).toEqual({ file: "third.yaml", text: "third" });
  expect(editor.replaced.value?.file).toBe("second.yaml");

  bringBack(editor);
  expect(editor.edited.value).toEqual({ file: "second.yaml", text: "second, with work in it" });
  expect(editor.replaced.value).toBeNull();
});

test("a file that is opened comes into the editor, also before the editor was shown", () => {
  const store = createStore();
  store.scenarioFile.value = { name: "first.yaml", text: "first" };
  const editor = editorStateOf(store);
  expect(editor.edited.value).toEqual({ file: "first.yaml", text: "first" });

  store.scenarioFile.value = { name: "second.yaml", text: "second" };
  expect(editor.edited.value).toEqual({ file: "second.yaml", text: "second" });
});

const LISTED = [
  { name: "situation-01-user-load", title: "The VMM loads from a page", group: "1 Host user space" },
  { name: "situation-01-user-store", title: "The VMM stores to a page", group: "1 Host user space" },
  { name: "ffa-001-donate", title: "A VM donates", group: "FF-A" },
];

// prettier-ignore
test.each<[string, string[]]>([
  ["",               ["situation-01-user-load", "situation-01-user-store", "ffa-001-donate"]],
  ["STORES",         ["situation-01-user-store"]],
  ["01 page vmm",    ["situation-01-user-load", "situation-01-user-store"]],
  ["ff-a",           ["ffa-001-donate"]],
  ["user ffa",       []],
])("search %j: %j", (words, names) => {
  const groups = searchScenarios(LISTED, words);

  expect(groups.flatMap(({ scenarios }) => scenarios.map(({ name }) => name))).toEqual(names);
  expect(new Set(groups.map(({ name }) => name)).size).toBe(groups.length);
});
