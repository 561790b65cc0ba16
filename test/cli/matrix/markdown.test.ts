// The matrix as GitHub's Markdown.

import { expect, test } from "vitest";
import { escape, printMarkdown } from "../../../src/cli/matrix/markdown.js";
import type { Matrix } from "../../../src/scenario/matrix.js";
import type { Scenario } from "../../../src/scenario/scenario.js";
import { CapturedStream } from "../captured-terminal.js";
import { aMatrix, aScenario, aStep, EVIDENCE } from "./a-matrix.js";

function printed(matrix: Matrix, evidence: boolean): string {
  const stream = new CapturedStream();
  printMarkdown(matrix, stream, { evidence });
  return stream.text;
}

const lack = { shows: "–", mark: "S", result: "no such verb", why: "the kernel has no such call" } as const;

test("tables alone, with notes", () => {
  const matrix = aMatrix(
    ["pkvm", "kvm-gmem"],
    [
      [aScenario("load"), [{ shows: "SEGV" }, { shows: "ADR", mark: "U" }]],
      [aScenario("store"), [lack, null]],
    ],
  );
  expect(printed(matrix, false)).toBe(`\
## Host accesses

| Scenario | \`pkvm\` | \`kvm-gmem\` |
| --- | --- | --- |
| What load does | SEGV | ADR? |
| What store does | – \\[1\\] | · |

- \`SEGV\` SIGSEGV, SEGV_ACCERR
- \`ADR\` SIGBUS, BUS_ADRERR
- \`–\` the system has no such verb, or nobody is left to act; the note says why
- \`·\` the scenario is not for this system
- \`?\` behind a cell: unverified
- \\[1\\] no such verb: the kernel has no such call
`);
});

test("one scenario of each of several groups: one table", () => {
  const matrix = aMatrix(
    ["pkvm"],
    [
      [aScenario("load"), [{ shows: "SEGV" }]],
      [aScenario("store", { group: "Stores" }), [{ shows: "OBJ" }]],
    ],
  );
  expect(printed(matrix, false).split("\n\n")[0]).toBe(`\
| Group | Scenario | \`pkvm\` |
| --- | --- | --- |
| Host accesses | What load does | SEGV |
| Stores | What store does | OBJ |`);
});

test("every cell leads to a section with its evidence", () => {
  const text = printed(
    aMatrix(["pkvm"], [[aScenario("load"), [{ shows: "SEGV", result: "SIGSEGV/SEGV_ACCERR", evidence: EVIDENCE }]]]),
    true,
  );
  expect(text).toContain("| What load does | [SEGV](#load-on-pkvm) |\n");
  expect(text.slice(text.indexOf("## Evidence"))).toBe(`\
## Evidence

<details><summary><code>load</code> on <code>pkvm</code>: <b>SEGV</b>, measured</summary>

<a id="load-on-pkvm"></a>What load does (host-and-vmm 7.2); pkvm in a title

- **process**: SIGSEGV, SEGV_ACCERR
- **secret**: yes
- **intact**: yes
- **died**: nobody
- **known by**: measured

1. vmm loads from secret: **SIGSEGV/SEGV_ACCERR** (the cell)
   - operation: \`host_touch pfn=0x41000: refused\`
     - \`ESR_EL1 = 0x92000087\`
   - access: \`data read at EL0: translation fault\`
     - \`level 3: owned by the guest\`
   - syndrome: \`ESR_EL1 0x92000087: data abort; S1PTW is set\`
   - rule: A marked abort of user space ends in SIGSEGV.
     - linux.do_page_fault.pkvm; host-and-vmm 1.3, mm/fault.c:do_page_fault, read from source
   - saw: process: SIGSEGV, SEGV_ACCERR

</details>

`);
});

test("a step that came up before is linked to, unless it is the one that the cell shows", () => {
  const [first, second] = ["first", "second"].map((name) => aScenario(name, { steps: [aStep(), aStep()], cell: 1 }));
  const like = { evidence: EVIDENCE.slice(4) };
  const text = printed(
    aMatrix(
      ["pkvm"],
      [
        [first as Scenario, [like]],
        [second as Scenario, [like]],
      ],
    ),
    true,
  );
  expect(text.slice(text.indexOf("<code>second</code>")).split("\n").slice(10, 14)).toEqual([
    "1. vmm loads from secret: **ok**",
    "   - as in [step 1 of `first` on `pkvm`](#first-on-pkvm)",
    "2. vmm loads from secret: **ok** (the cell)",
    "   - saw: process: SIGSEGV, SEGV_ACCERR",
  ]);
});

test.each([
  ["<script>", "\\<script\\>"],
  ["a|b", "a\\|b"],
  ["*bold* _thin_ `code`", "\\*bold\\* \\_thin\\_ \\`code\\`"],
  ["[a](b)", "\\[a\\](b)"],
  ["SEGV_ACCERR", "SEGV_ACCERR"],
  ["R&D", "R&amp;D"],
  ["two\nlines", "two lines"],
])("%j is text and nothing else: %j", (text, escaped) => {
  expect(escape(text)).toBe(escaped);
});

test("a title cannot break out of its cell", () => {
  const scenario = aScenario("load", { title: "a | b\n</details><script>" });
  const text = printed(aMatrix(["pkvm"], [[scenario, [{}]]]), true);
  expect(text).toContain("| a \\| b \\</details\\>\\<script\\> | [ok](#load-on-pkvm) |");
  expect(text.match(/(?<!\\)<\/details>/g)).toHaveLength(1);
});
