// The ownership map and the page's details, by pointer, keys and legend, on a recorded machine of 1 GiB and on one of 64 GiB.

import type { Locator, Page } from "playwright-core";
import { describe, expect } from "vitest";
import { eventually, goTo, isAt, openExample, press, tab } from "./shown.js";
import { test } from "./visitor.js";

const EXAMPLE = "pvm-n1";
const FIRST = 0x40000;
const LAST = 0x7ffff;

const map = (page: Page): Locator => page.getByRole("application", { name: "Map of all pages" });
const details = (page: Page): Locator => page.getByRole("region", { name: "Page", exact: true });
const legend = (page: Page): Locator => page.getByRole("group", { name: /^Legend/ });
const entry = (page: Page, name: string): Locator => legend(page).getByRole("button", { name });
const cells = (page: Page): Locator => map(page).locator("canvas").first();

/** Frame number of the page that the details are of; null: none. */
async function pageShown(page: Page): Promise<number | null> {
  const heading = details(page).getByRole("heading", { level: 2 });
  const [, pfn] = /^pfn (0x[0-9a-f]+)$/.exec((await heading.allTextContents())[0] ?? "") ?? [];
  return pfn === undefined ? null : Number(pfn);
}

async function find(page: Page, text: string): Promise<void> {
  const field = page.getByRole("textbox", { name: "Go to page" });
  await field.fill(text);
  await field.press("Enter");
}

/** How many pixels of the cells have which colour. */
function colours(page: Page): Promise<Record<string, number>> {
  return cells(page).evaluate((canvas: HTMLCanvasElement) => {
    // A copy: the page's own is not made to be read.
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true })!;
    copy.drawImage(canvas, 0, 0);
    const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
    const counts: Record<string, number> = {};
    for (const pixel of new Uint32Array(data.buffer)) counts[pixel] = (counts[pixel] ?? 0) + 1;
    return counts;
  });
}

/** Pages of each entry of the legend. */
async function counts(page: Page): Promise<Record<string, number>> {
  const entries = await legend(page).getByRole("button").allInnerTexts();
  return Object.fromEntries(
    entries.map((text) => {
      const [, name = "", count = ""] = /^\s*(?:\S+\s*\n)?(.+)\n\s*([\d,]+) pages?/s.exec(text) ?? [];
      return [name.trim(), Number(count.replaceAll(",", ""))];
    }),
  );
}

async function visitExample(visit: () => Promise<Page>): Promise<Page> {
  const page = await visit();
  await openExample(page, EXAMPLE);
  return page;
}

test("a pointer over the map tells the page, and a click shows its details", async ({ visit }) => {
  const page = await visitExample(visit);
  await goTo(page, 10_199);
  const box = (await cells(page).boundingBox())!;
  await page.mouse.move(box.x + box.width / 3, box.y + box.height / 2);
  const told = map(page).getByText(/^pfn 0x/);
  const [, pfn] = /^pfn (0x[0-9a-f]+), host, from the start/.exec((await told.textContent())!)!;
  await page.mouse.down();
  await page.mouse.up();
  await eventually(() => pageShown(page)).toBe(Number(pfn));
  await eventually(() => details(page).textContent()).toContain("hypervisorNOPAGE");
});

test("keys move by page, row and to both ends, and Escape lets go", async ({ visit }) => {
  const page = await visitExample(visit);
  await map(page).focus();
  await page.keyboard.press("Home");
  await eventually(() => pageShown(page)).toBe(FIRST);
  await page.keyboard.press("ArrowRight");
  await eventually(() => pageShown(page)).toBe(FIRST + 1);
  await page.keyboard.press("ArrowDown");
  await eventually(() => pageShown(page)).toBe(FIRST + 33); // a block of 2 MiB has 32 columns
  await page.keyboard.press("ArrowUp");
  await page.keyboard.press("ArrowLeft");
  await eventually(() => pageShown(page)).toBe(FIRST);
  await page.keyboard.press("End");
  await eventually(() => pageShown(page)).toBe(LAST);
  await page.keyboard.press("Enter");
  expect(await details(page).evaluate((element) => element === document.activeElement)).toBe(true);
  await map(page).focus();
  await page.keyboard.press("Escape");
  await eventually(() => pageShown(page)).toBeNull();
});

test("a screen reader is told the page, its owner and since when", async ({ visit }) => {
  const page = await visitExample(visit);
  await goTo(page, 10_199);
  await find(page, "0x44532");
  const said = page.locator("[aria-live=polite]").filter({ hasText: "pfn 0x44532" });
  await eventually(() => said.textContent()).toBe("pfn 0x44532, VM 0x1000, since operation 10,071");
});

describe("a page is found", () => {
  test.for([
    ["by its frame number", "0x44532"],
    ["by its address", "44532000"],
  ] as const)("%s", async ([, text], { visit }) => {
    const page = await visitExample(visit);
    await find(page, text);
    await eventually(() => pageShown(page)).toBe(0x44532);
  });

  test("or not, with the reason", async ({ visit }) => {
    const page = await visitExample(visit);
    await find(page, "0x12");
    const problem = page.getByText("0x12 is neither a frame number nor an address of this machine's memory.");
    await problem.waitFor();
    expect(await pageShown(page)).toBeNull();
    await find(page, "0x40012");
    await problem.waitFor({ state: "detached" });
  });
});

test("the legend counts every page, at any operation", async ({ visit }) => {
  const page = await visitExample(visit);
  const of = async () => {
    const { "All pages": all, ...classes } = await counts(page);
    return { all, sum: Object.values(classes).reduce((sum, count) => sum + count, 0), classes };
  };
  let before = {};
  for (const operation of [0, 10_199, 25_943, 300]) {
    await goTo(page, operation);
    await eventually(async () => (await of()).classes).not.toEqual(before);
    const { all, sum, classes } = await of();
    expect([all, sum]).toEqual([LAST - FIRST + 1, LAST - FIRST + 1]);
    before = classes;
  }
});

test("a press in the legend lights these pages alone", async ({ visit }) => {
  const page = await visitExample(visit);
  await goTo(page, 10_199);
  const before = await colours(page);
  await entry(page, "hypervisor").click();
  expect(await entry(page, "hypervisor").getAttribute("aria-pressed")).toBe("true");
  await eventually(async () => Object.keys(await colours(page)).filter((colour) => colour in before).length).toBe(2); // and the ground
  await entry(page, "All pages").click();
  await eventually(() => colours(page)).toEqual(before);
});

test("wheel, buttons and keys zoom; the overview leads elsewhere; 0 shows all again", async ({ visit }) => {
  const page = await visitExample(visit);
  const overview = map(page).locator("canvas").last();
  expect(await overview.isVisible()).toBe(false);
  const box = (await cells(page).boundingBox())!;
  await page.mouse.move(box.x + 20, box.y + box.height - 20);
  await page.mouse.wheel(0, -2000);
  await overview.waitFor();
  const corner = await colours(page);
  await overview.click({ position: { x: 60, y: 5 } });
  await eventually(() => colours(page)).not.toEqual(corner);
  await map(page).focus();
  await page.keyboard.press("0");
  await overview.waitFor({ state: "hidden" });
  await press(page, "Zoom in");
  await overview.waitFor();
  await press(page, "Zoom out");
  await overview.waitFor({ state: "hidden" });
});

test("a drag moves the map and chooses nothing", async ({ visit }) => {
  const page = await visitExample(visit);
  await goTo(page, 10_199);
  await find(page, "0x44532");
  await eventually(() => pageShown(page)).toBe(0x44532);
  const before = await colours(page);
  const box = (await cells(page).boundingBox())!;
  await page.mouse.move(box.x + 100, box.y + 100);
  await page.mouse.down();
  await page.mouse.move(box.x + 300, box.y + 200, { steps: 5 });
  await page.mouse.up();
  await eventually(() => colours(page)).not.toEqual(before);
  expect(await pageShown(page)).toBe(0x44532);
});

test("from a page to the operations that made it so, and to its walk", async ({ visit }) => {
  const page = await visitExample(visit);
  await goTo(page, 10_199);
  await find(page, "0x44532");
  const button = (name: RegExp) => details(page).getByRole("button", { name });
  await button(/^operation 10,547/).click();
  await isAt(page, 10_547);
  await button(/^‹ operation 10,071$/).click();
  await isAt(page, 10_071);
  await goTo(page, 10_199);
  await button(/^So since operation 10,071$/).click();
  await isAt(page, 10_071);
  await eventually(() => details(page).textContent()).toContain("donated to VM 0x1000");
  await button(/^Walk to this page$/).click();
  await eventually(() => tab(page, "Walk").getAttribute("aria-selected")).toBe("true");
});

test("64 GiB, down to one page", async ({ visit }) => {
  const page = await visit();
  await openExample(page, "wide-64g");
  await eventually(async () => (await counts(page))["All pages"]).toBeGreaterThanOrEqual(2 ** 24);
  // The ground, the host's pages, and between them the blocks that EL2 has.
  await eventually(async () => Object.keys(await colours(page)).length).toBeGreaterThanOrEqual(3);
  await map(page).focus();
  await page.keyboard.press("Home");
  for (let i = 0; i < 14; i++) await page.keyboard.press("+");
  const share = async () => {
    const pixels = Object.values(await colours(page)).sort((a, b) => b - a);
    return pixels[0]! / pixels.reduce((sum, count) => sum + count, 0);
  };
  await eventually(share).toBeGreaterThan(0.7);
  expect(await pageShown(page)).toBe(0x80000);
});
