// What the page shows after an operation is what node's replay finds there: the same pages with the same owners.

import type { Page } from "playwright-core";
import { expect } from "vitest";
import type { Machine } from "../../src/machine/machine.js";
import { pageStateName } from "../../src/machine/names.js";
import { replayFile } from "../../src/trace/open.js";
import { examples, machineAfter, pathOf } from "./recording.js";
import { eventually, follow, goTo, isOpen, openExample, press, slider } from "./shown.js";
import { test } from "./visitor.js";

test("the page comes with examples", () => {
  expect(examples().length).toBeGreaterThanOrEqual(8);
});

test.for(examples().map(({ name }) => name))(
  "%s opens, and is replayed as node replays it",
  async (name, { shared: page }) => {
    const [{ summary }] = await Promise.all([replayFile(pathOf(name)), openExample(page, name)]);
    expect(summary.diverged).toBe(0);
    const trace = page.getByRole("region", { name: "Trace" });
    await trace.getByText(`${summary.ops} recorded results, none differs`).waitFor();
    await trace.getByText(summary.description).waitFor();
    await press(page, "Last operation");
    await eventually(async () => {
      const at = await slider(page).getAttribute("aria-valuenow");
      return at === (await slider(page).getAttribute("aria-valuemax"));
    }).toBe(true);
  },
);

/** Pages by who has them, in the words of reference pkvm-el2 section 1.5: the pairs of states at host and EL2. */
const OWNERS: Readonly<Record<string, string>> = {
  "OWNED NOPAGE": "host",
  "NOPAGE OWNED": "hypervisor",
  "SHARED_OWNED SHARED_BORROWED": "host, shared",
  "NOPAGE NOPAGE": "VM",
  "SHARED_BORROWED NOPAGE": "VM, shared",
};

function ownersInNode(machine: Machine): Record<string, number> {
  const owners: Record<string, number> = {};
  for (const { host, hyp, pages } of machine.pages()) {
    const states = `${pageStateName(host)} ${pageStateName(hyp)}`;
    const owner = OWNERS[states] ?? states;
    owners[owner] = (owners[owner] ?? 0) + Number(pages);
  }
  return owners;
}

/** The legend's counts; a VM's name is cut to `VM`, and what no page has is left out. */
async function ownersInPage(page: Page): Promise<Record<string, number>> {
  const legend = page.getByRole("group", { name: /^Legend/ });
  const owners: Record<string, number> = {};
  for (const text of await legend.getByRole("button").allInnerTexts()) {
    const [, owner = "", count = ""] = /(host|hypervisor|VM)[\s\S]*?([\d,]+) pages?\b/.exec(text) ?? [];
    if (owner === "") continue;
    const key = /, shared/.test(text) ? `${owner}, shared` : owner;
    const pages = Number(count.replaceAll(",", ""));
    if (pages > 0) owners[key] = (owners[key] ?? 0) + pages;
  }
  return owners;
}

test.for([
  ["boot-n1", [-1, 0, 60, 3376]],
  ["pvm-n1", [10_074, 10_199, 20_000, 10_200]],
] as const)("%s: owners of all pages after %j", async ([example, operations], { shared: page }) => {
  await follow(page, `example=${example}&op=-1`);
  await isOpen(page, example);
  for (const operation of operations) {
    if (operation >= 0) await goTo(page, operation);
    const expected = ownersInNode(await machineAfter(example, operation));
    expect(Object.keys(expected).length).toBeGreaterThan(1);
    await eventually(() => ownersInPage(page)).toEqual(expected);
  }
});

/** What the host and EL2 have of a page, and, of a guest that maps it, the guest. */
async function sidesInPage(page: Page): Promise<string[]> {
  const part = page.getByRole("region", { name: "State, by component" });
  if ((await page.getByRole("region", { name: "Page" }).locator("[aria-busy=true]").count()) > 0) return [];
  return (await part.locator("dl > div").allInnerTexts()).map((text) => text.replace(/\s+/g, " "));
}

// prettier-ignore
test.for<[example: string, operation: number, pfn: bigint, sides: RegExp[]]>([
  ["pvm-n1", 10_199, 0x44531n, [/^host SHARED_BORROWED$/, /^hypervisor NOPAGE$/, /^VM 0x1000 SHARED_OWNED$/]],
  ["pvm-n1", 10_199, 0x44532n, [/^host NOPAGE$/,          /^hypervisor NOPAGE$/, /^VM 0x1000 OWNED$/]],
  ["pvm-n1", 10_199, 0x44533n, [/^host NOPAGE$/,          /^hypervisor OWNED$/]],
])("%s after %i: page %s, side by side", async ([example, operation, pfn, sides], { shared: page }) => {
  const state = (await machineAfter(example, operation)).pageState(pfn)!;
  expect(sides[0]!.test(`host ${pageStateName(state.host)}`)).toBe(true);
  expect(sides[1]!.test(`hypervisor ${pageStateName(state.hyp)}`)).toBe(true);

  await follow(page, `example=${example}&op=${operation}&page=0x${pfn.toString(16)}`);
  await isOpen(page, example);
  await eventually(() => sidesInPage(page)).toEqual(sides.map((side): unknown => expect.stringMatching(side)));
});
