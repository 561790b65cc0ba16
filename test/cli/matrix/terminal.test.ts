// The matrix on a terminal: given cells, exact lines.

import { WriteStream } from "node:tty";
import { stripVTControlCharacters } from "node:util";
import { expect, test } from "vitest";
import { printCell, printMatrix } from "../../../src/cli/matrix/terminal.js";
import type { Matrix } from "../../../src/scenario/matrix.js";
import { CapturedStream } from "../captured-terminal.js";
import { aCell, aMatrix, aScenario, aStep, aSystem, EVIDENCE, FAILURE } from "./a-matrix.js";

function printed(matrix: Matrix, width: number): string {
  const stream = new CapturedStream();
  printMatrix(matrix, stream, width);
  return stream.text;
}

const lack = { shows: "–", mark: "S", result: "no such verb", why: "the kernel has no such call" } as const;

test("rows are scenarios, columns are systems; unverified cells end in ?, posted ones in ~", () => {
  const matrix = aMatrix(
    ["pkvm", "gunyah-linux-memfd", "kvm-gmem"],
    [
      [aScenario("load"), [{ shows: "SEGV" }, { shows: "ADR", mark: "U" }, { shows: "ADR", mark: "P" }]],
      [aScenario("store"), [{ shows: "SEGV", mark: "S" }, lack, null]],
    ],
  );
  expect(printed(matrix, 80)).toBe(`\
Host accesses

                 pkvm  gunyah-  kvm-
                       linux-   gmem
                       memfd
---------------  ----  -------  ----
What load does   SEGV  ADR?     ADR~
(load)
What store does  SEGV  – [1]    ·
(store)

SEGV    SIGSEGV, SEGV_ACCERR
ADR     SIGBUS, BUS_ADRERR
–       the system has no such verb, or nobody is left to act; the note says why
·       the scenario is not for this system
~       behind a cell: posted or stated by its authors
?       behind a cell: unverified
[1]     no such verb: the kernel has no such call
`);
});

test("systems that do not fit beside the titles follow in a block of their own, with the titles again", () => {
  const matrix = aMatrix(
    ["pkvm", "gunyah", "kvm-gmem"],
    [[aScenario("x", { title: "A load" }), [{ shows: "SEGV" }, { shows: "OBJ" }, { shows: "run:-EFAULT" }]]],
  );
  expect(printed(matrix, 24).split("\n").slice(0, 13)).toEqual([
    "Host accesses",
    "",
    "        pkvm  gunyah",
    "------  ----  ------",
    "A load  SEGV  OBJ",
    "(x)",
    "",
    "        kvm-",
    "        gmem",
    "------  -----------",
    "A load  run:-EFAULT",
    "(x)",
    "",
  ]);
});

test("blocks are as even as they can be", () => {
  const systems = ["a", "b", "c", "d", "e"];
  const lines = printed(aMatrix(systems, [[aScenario("x", { title: "A load" }), systems.map(() => ({}))]]), 23).split(
    "\n",
  );
  expect(lines.filter((line) => /^ +[a-e]/.test(line))).toEqual(["        a   b   c", "        d   e"]);
});

test("a group's table leaves out systems that none of its scenarios is for", () => {
  const lines = printed(aMatrix(["pkvm", "gunyah"], [[aScenario("x"), [null, {}]]]), 60).split("\n");
  expect(lines[2]).toMatch(/^ +gunyah$/);
});

test("titles leave the systems their place while they can", () => {
  const title = "A title that would fill the line if nothing else had to stand in it";
  const lines = printed(aMatrix(["pkvm", "gunyah"], [[aScenario("x", { title }), [{}, {}]]]), 42).split("\n");
  expect(lines.slice(2, 8)).toEqual([
    "                             pkvm  gunyah",
    "---------------------------  ----  ------",
    "A title that would fill the  ok    ok",
    "line if nothing else had to",
    "stand in it",
    "(x)",
  ]);
});

test("long titles and long results are wrapped", () => {
  const scenario = aScenario("x", { title: "The VMM loads from a page that is private" });
  const lines = printed(aMatrix(["pkvm"], [[scenario, [{ shows: "VCPU_RUN PAGE_FAULT ENOENT" }]]]), 32).split("\n");
  expect(lines.slice(4, 8)).toEqual([
    "The VMM loads from a  VCPU_RUN",
    "page that is private  PAGE_FAULT",
    "(x)                   ENOENT",
    "",
  ]);
});

test.each([40, 60, 80, 120, 200])("no line of a table is longer than %i columns", (width) => {
  const systems = ["pkvm", "pkvm-android", "gunyah", "gunyah-linux-pinned", "gunyah-linux-memfd", "kvm-gmem-shared"];
  const likes = systems.map(() => ({ shows: "INVALID_PARAMETER", mark: "U" as const }));
  const title = "A title that is as long as titles of scenarios are, which is rather long";
  const lines = printed(aMatrix(systems, [[aScenario("some-long-name", { title }), likes]]), width).split("\n");
  expect(lines.filter((line) => line.length > width)).toEqual([]);
});

test("a group has a table of its own, under its name", () => {
  const matrix = aMatrix(
    ["pkvm"],
    [
      [aScenario("a", { group: "First" }), [{}]],
      [aScenario("b", { group: "Second" }), [{}]],
      [aScenario("c", { group: "First" }), [{}]],
    ],
  );
  const lines = printed(matrix, 80).split("\n");
  expect(lines.filter((line) => /^(First|Second|\()/.test(line))).toEqual(["First", "(a)", "(c)", "Second", "(b)"]);
});

test("a cell of which an expectation failed says so", () => {
  const text = printed(aMatrix(["pkvm"], [[aScenario("load"), [{ failures: [FAILURE] }]]]), 80);
  expect(text).toContain("ok!\n");
  expect(text).toContain("!       behind a cell: not what the scenario expects\n");
});

test.each<[NodeJS.ProcessEnv, boolean]>([
  [{ TERM: "xterm-256color" }, true],
  [{ TERM: "xterm-256color", NO_COLOR: "1" }, false],
])("on a terminal with %j: coloured %s, and the text is the same", (environment, isColoured) => {
  const stream = Object.assign(new CapturedStream(true), {
    getColorDepth: () => WriteStream.prototype.getColorDepth(environment),
  });
  const matrix = aMatrix(["pkvm", "kvm"], [[aScenario("load"), [{ mark: "U" }, { mark: "P" }]]]);
  printMatrix(matrix, stream, 80);
  expect(stream.text !== stripVTControlCharacters(stream.text)).toBe(isColoured);
  expect(stripVTControlCharacters(stream.text)).toBe(printed(matrix, 80));
});

test("a cell opened to its evidence", () => {
  const scenario = aScenario("load", { steps: [aStep(undefined, { note: "The guest notices nothing." })] });
  const stream = new CapturedStream();
  const like = {
    shows: "SEGV",
    mark: "S",
    result: "SIGSEGV/SEGV_ACCERR",
    died: ["vmm"],
    evidence: EVIDENCE,
    failures: [FAILURE],
  } as const;
  printCell(aCell(scenario, aSystem("pkvm"), like), stream);
  expect(stream.text).toBe(`\
load on pkvm: SEGV
  What load does (host-and-vmm 7.2); pkvm in a title; read from source
  process   SIGSEGV, SEGV_ACCERR
  secret    yes
  intact    yes
  died      vmm
  known by  read from source
  ! at the end: expected secret true, found false

  1. vmm loads from secret: SIGSEGV/SEGV_ACCERR   <- the cell
     (The guest notices nothing.)
     operation  host_touch pfn=0x41000: refused
                  ESR_EL1 = 0x92000087
     access     data read at EL0: translation fault
                  level 3: owned by the guest
     syndrome   ESR_EL1 0x92000087: data abort; S1PTW is set
     rule       A marked abort of user space ends in SIGSEGV.
                  linux.do_page_fault.pkvm; host-and-vmm 1.3, mm/fault.c:do_page_fault, read from source
     saw        process: SIGSEGV, SEGV_ACCERR
`);
});
