// The matrix as a page: valid, complete, and nothing in it that a scenario file has written as HTML.

import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { htmlPage } from "../../../src/cli/matrix/html.js";
import type { PageData } from "../../../src/cli/matrix/page-data.js";
import type { Evidence } from "../../../src/consequences/evidence.js";
import { aMatrix, aScenario, aStep, EVIDENCE, FAILURE, LOAD } from "./a-matrix.js";

const HOSTILE = `<script>alert("1")</script><img src=x onerror='alert(2)'>&amp;`;
const said = (party: "process", text: string): Evidence => ({ kind: "saw", party, text });

/** Every text that comes from outside is hostile. */
function hostilePage(): string {
  const page = { name: HOSTILE, index: 0 };
  const scenario = aScenario(HOSTILE, {
    ...{ title: HOSTILE, source: HOSTILE, group: HOSTILE, file: HOSTILE },
    steps: [aStep({ ...LOAD, by: HOSTILE, page } as typeof LOAD, { note: HOSTILE })],
  });
  const like = {
    shows: HOSTILE,
    result: HOSTILE,
    died: [HOSTILE],
    failures: [{ ...FAILURE, found: HOSTILE }],
    secret: false,
  };
  const lack = { shows: "–", result: "no such verb", why: HOSTILE };
  return htmlPage(aMatrix([HOSTILE, "kvm"], [[scenario, [{ ...like, evidence: [said("process", HOSTILE)] }, lack]]]));
}

test("nothing from outside becomes markup", () => {
  const page = hostilePage();
  expect(page).not.toContain("<img");
  expect(page.match(/<script|<\/script/g)).toHaveLength(4);
  expect(page).toContain("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;");
  expect(page).toContain("&amp;amp;");
});

test("as data it is the text that it was", () => {
  const { strings } = dataOf(hostilePage());
  expect(strings).toContain(HOSTILE);
  expect(strings).toContain(`process: ${HOSTILE}`);
});

const matrix = aMatrix(
  ["pkvm", "gunyah-linux-memfd"],
  [
    [
      aScenario("load"),
      [
        { shows: "SEGV", evidence: EVIDENCE },
        { shows: "ADR", mark: "U" },
      ],
    ],
    [aScenario("store", { group: "Others" }), [{ secret: false, died: ["vmm"] }, null]],
  ],
);
const page = htmlPage(matrix);

test("elements are closed in the order in which they were opened, and ids are unique", () => {
  expect(unclosed(page)).toEqual([]);
  expect(unclosed(hostilePage())).toEqual([]);
  const ids = attributes(page, "id");
  expect(new Set(ids).size).toBe(ids.length);
});

test("every cell has a button that opens its evidence, and the evidence is there", () => {
  const cells = ["load-on-pkvm", "load-on-gunyah-linux-memfd", "store-on-pkvm"];
  expect(attributes(page, "data-cell")).toEqual(cells);
  expect(page.match(/<td class="[a-z]+"><button type="button" [^>]*aria-haspopup="dialog">/g)).toHaveLength(3);
  expect(Object.keys(dataOf(page).cells)).toEqual(cells);
});

test("the evidence of a cell: facts, steps, and all that belongs to them", () => {
  const { strings, lines, steps, cells } = dataOf(page);
  const text = (index: number) => strings[index];
  const cell = cells["load-on-pkvm"];
  expect(cell?.facts.map(text)).toEqual([
    "process",
    "SIGSEGV, SEGV_ACCERR",
    "secret",
    "yes",
    "intact",
    "yes",
    "died",
    "nobody",
    "known by",
    "measured",
  ]);
  const step = steps[cell?.steps[cell.shown] ?? -1];
  expect([text(step?.action ?? -1), text(step?.outcome ?? -1)]).toEqual(["vmm loads from secret", "ok"]);
  expect(step?.lines.map((line) => lines[line]?.map(text))).toEqual([
    ["operation", "host_touch pfn=0x41000: refused", "ESR_EL1 = 0x92000087"],
    ["access", "data read at EL0: translation fault", "level 3: owned by the guest"],
    ["syndrome", "ESR_EL1 0x92000087: data abort; S1PTW is set"],
    [
      "rule",
      "A marked abort of user space ends in SIGSEGV.",
      "linux.do_page_fault.pkvm; host-and-vmm 1.3, mm/fault.c:do_page_fault, read from source",
    ],
    ["saw", "process: SIGSEGV, SEGV_ACCERR"],
  ]);
});

test("what cells have in common is kept once", () => {
  const { strings, steps } = dataOf(page);
  expect(new Set(strings).size).toBe(strings.length);
  expect(steps).toHaveLength(2);
});

test("what is referred to is there", () => {
  const ids = new Set(attributes(page, "id"));
  expect(attributes(page, "aria-labelledby").filter((id) => !ids.has(id))).toEqual([]);
});

test("head cells tell what they head, and marks are words as well as signs", () => {
  expect(page.match(/<th scope="col"/g)).toHaveLength(3);
  expect(page.match(/<th scope="row"/g)).toHaveLength(2);
  expect(page.match(/<th scope="rowgroup"/g)).toHaveLength(2);
  expect(page).toContain(`<code>ADR?</code><span class="spoken">, unverified</span>`);
  expect(page).toContain(`<small>not secret, vmm dies</small>`);
});

test("the page loads nothing, and its policy allows its own style and script alone", () => {
  expect(page).not.toMatch(/\b(src|href|action|url)\s*[=(]|import|fetch\(/);
  expect(page).not.toMatch(/ style="| on[a-z]+="/);
  const policy = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(page)?.[1] ?? "";
  expect(policy).toContain("default-src &#39;none&#39;");
  for (const element of ["style", "script"]) {
    const [, text = ""] = new RegExp(`<${element}>([^]*?)</${element}>`).exec(page) ?? [];
    const hash = createHash("sha256").update(text).digest("base64");
    expect(policy).toContain(`${element}-src &#39;sha256-${hash}&#39;`);
  }
});

function dataOf(text: string): PageData {
  const json = /<script type="application\/json" id="data">(.*?)<\/script>/.exec(text)?.[1] ?? "";
  return JSON.parse(json) as PageData;
}

/** The values of an attribute, in order. */
function attributes(text: string, name: string): string[] {
  return [...text.matchAll(new RegExp(` ${name}="([^"]*)"`, "g"))].map(([, value]) => value ?? "");
}

const VOID = new Set(["meta", "input", "wbr", "!doctype"]);

/** Tags that do not match, the first mismatch first. */
function unclosed(text: string): string[] {
  const body = text.replace(/(<(style|script)[^>]*>)[^]*?(<\/\2>)/g, "$1$3");
  const open: string[] = [];
  for (const [, slash, name = ""] of body.matchAll(/<(\/?)(!?[a-z][a-z0-9]*)[^>]*>/gi)) {
    if (VOID.has(name)) continue;
    if (slash === "") open.push(name);
    else if (open.pop() !== name) return [`</${name}>`];
  }
  return open;
}
