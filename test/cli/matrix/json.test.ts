// The matrix as JSON Lines: the fields that docs/compare.md promises.

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { printJson } from "../../../src/cli/matrix/json.js";
import { CapturedStream, jsonLines } from "../captured-terminal.js";
import { aMatrix, aScenario, EVIDENCE } from "./a-matrix.js";

const lack = { shows: "–", mark: "U", result: "no such verb", why: "the kernel has no such call" } as const;

function lines(): Record<string, unknown>[] {
  const stream = new CapturedStream();
  const segv = { shows: "SEGV", result: "SIGSEGV/SEGV_ACCERR", died: ["vmm"], evidence: EVIDENCE };
  printJson(
    aMatrix(
      ["pkvm", "kvm-gmem"],
      [
        [aScenario("load"), [segv, lack]],
        [aScenario("store"), [{}, null]],
      ],
    ),
    stream,
    { evidence: true },
  );
  return jsonLines(stream.text);
}

test("a line for each cell that was run, then the total", () => {
  const [load, other, store, total] = lines();
  expect(load).toMatchObject({
    ...{ kind: "cell", scenario: "load", title: "What load does", group: "Host accesses", source: "host-and-vmm 7.2" },
    ...{ system: "pkvm", shows: "SEGV", mark: "M", result: "SIGSEGV/SEGV_ACCERR", value: null },
    ...{ process: ["SIGSEGV, SEGV_ACCERR"], kernel: [], guest: [], vmm: [], hypervisor: [], device: [] },
    ...{ secret: true, intact: true, split: false, died: ["vmm"], lack: null, failures: [] },
  });
  expect(other).toMatchObject({ system: "kvm-gmem", shows: "–", lack: "the kernel has no such call" });
  expect(store).toMatchObject({ scenario: "store", system: "pkvm", shows: "ok" });
  expect(total).toEqual({
    ...{ kind: "total", scenarios: 2, systems: ["pkvm", "kvm-gmem"], cells: 3 },
    ...{ marks: { M: 2, S: 0, P: 0, U: 1 }, lacking: 1, failed: 0 },
  });
});

test("the evidence of each step, as it was logged", () => {
  expect(lines()[0]?.["evidence"]).toMatchObject([
    { step: "vmm loads from secret", note: null, result: "SIGSEGV/SEGV_ACCERR", mark: "M", evidence: EVIDENCE },
  ]);
});

test("every field is described in docs/compare.md", () => {
  const document = readFileSync("docs/compare.md", "utf8");
  const fields = lines().flatMap((line) => Object.keys(line));
  expect(fields.filter((field) => !document.includes(`\`${field}\``))).toEqual([]);
});
