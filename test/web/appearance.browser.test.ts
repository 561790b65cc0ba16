// For everybody: on a phone, in light and dark, by keyboard alone, and read by a screen reader.

import type { Page } from "playwright-core";
import { expect } from "vitest";
import { lowContrast } from "./contrast.js";
import { eventually, isAt, isOpen, position, problem, slider, tab } from "./shown.js";
import { test } from "./visitor.js";

const PHONE = { viewport: { width: 380, height: 800 }, hasTouch: true, isMobile: true } as const;
const VIEWS = ["Map", "Walk", "Compare", "Scenario"] as const;
const MOMENT = "example=pvm-n1&op=10199&page=0x44532";

/** Opens a view and waits until it has something to show. */
async function look(page: Page, view: (typeof VIEWS)[number]): Promise<void> {
  await tab(page, view).click();
  const panel = page.getByRole("tabpanel", { name: view });
  const content = {
    Map: panel.getByRole("group", { name: /^Legend/ }),
    Walk: panel.getByRole("list").first(),
    Compare: panel.getByRole("region", { name: "Comparison" }).getByRole("button").first(),
    Scenario: panel.getByText("No problem found."),
  }[view];
  await content.waitFor();
}

test("on a phone nothing is wider than the screen", async ({ visit }) => {
  const page = await visit({ ...PHONE, link: MOMENT });
  await isOpen(page, "pvm-n1");
  for (const view of VIEWS) {
    await look(page, view);
    const widths = await page.evaluate(() => {
      const { scrollWidth, clientWidth } = document.documentElement;
      return { scrollWidth, clientWidth };
    });
    expect({ view, ...widths }).toEqual({ view, scrollWidth: 380, clientWidth: 380 });
  }
});

test.for(["light", "dark"] as const)("in %s all text can be read", async (colorScheme, { visit }) => {
  const page = await visit({ colorScheme, link: MOMENT });
  await isOpen(page, "pvm-n1");
  const background = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const [red = 0] = (/[\d.]+/.exec(background) ?? []).map(Number);
  expect(red < 100 ? "dark" : "light").toBe(colorScheme);
  for (const view of VIEWS) {
    await look(page, view);
    expect({ view, texts: await lowContrast(page) }).toEqual({ view, texts: [] });
  }
});

test("the theme can be chosen against the system's, and is kept", async ({ visit }) => {
  const page = await visit({ colorScheme: "light", link: MOMENT });
  await isOpen(page, "pvm-n1");
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await background();
  const button = page.getByRole("button", { name: /^Theme/ });
  while ((await button.getAttribute("aria-label")) !== "Theme: dark") await button.click();
  await eventually(background).not.toBe(light);
  const dark = await background();
  await page.reload();
  await eventually(background).toBe(dark);
  await isOpen(page, "pvm-n1");
});

test("everything that can be used has a name", async ({ visit }) => {
  const page = await visit({ link: MOMENT });
  await isOpen(page, "pvm-n1");
  for (const view of VIEWS) {
    await look(page, view);
    const snapshot = await page.locator("body").ariaSnapshot();
    const usable =
      /^\s*- (button|combobox|textbox|checkbox|slider|tab|listbox|link|searchbox|spinbutton|img|region)(?=$|:$| \[)/;
    const nameless = snapshot.split("\n").filter((line) => usable.test(line));
    expect({ view, nameless }).toEqual({ view, nameless: [] });
  }
});

test("headings go down by one", async ({ visit }) => {
  const page = await visit({ link: MOMENT });
  await isOpen(page, "pvm-n1");
  for (const view of VIEWS) {
    await look(page, view);
    const snapshot = await page.locator("body").ariaSnapshot();
    const levels = [...snapshot.matchAll(/heading .*\[level=(\d)\]/g)].map(([, level]) => Number(level));
    expect(levels[0]).toBe(1);
    const jumps = levels.filter((level, i) => i > 0 && level > levels[i - 1]! + 1);
    expect({ view, jumps }).toEqual({ view, jumps: [] });
  }
});

test("a journey by keyboard alone", async ({ visit }) => {
  const page = await visit({ link: "example=boot-n1&op=59" });
  await isOpen(page, "boot-n1");
  const { keyboard } = page;

  await keyboard.press(".");
  await isAt(page, 60);
  await keyboard.press(",");
  await isAt(page, 59);
  await keyboard.press("g");
  await keyboard.type("3376");
  await keyboard.press("Enter");
  await isAt(page, 3376);
  await page.locator(":focus").blur();

  await keyboard.press("r"); // the next refused operation, if there is one
  await keyboard.press("2");
  await eventually(() => tab(page, "Walk").getAttribute("aria-selected")).toBe("true");
  await tab(page, "Walk").focus();
  await keyboard.press("ArrowRight");
  await eventually(() => tab(page, "Compare").getAttribute("aria-selected")).toBe("true");
  await keyboard.press("Home");
  await eventually(() => tab(page, "Map").getAttribute("aria-selected")).toBe("true");

  await slider(page).focus();
  await keyboard.press("Home");
  await eventually(() => position(page)).toBeLessThanOrEqual(0);
  await keyboard.press("End");
  await eventually(() => position(page)).toBeGreaterThan(5000);

  await keyboard.press("?");
  await page.getByRole("dialog", { name: "Keys" }).waitFor();
  await keyboard.press("Escape");
  await page.getByRole("dialog", { name: "Keys" }).waitFor({ state: "hidden" });
  expect(await problem(page).innerText()).toBe("");
});

test("Tab reaches every view's parts and never gets stuck", async ({ visit }) => {
  const page = await visit({ link: MOMENT });
  await isOpen(page, "pvm-n1");
  for (const view of VIEWS) {
    await look(page, view);
    await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
    const reached = new Set<string>();
    for (let step = 0; step < 400; step++) {
      await page.keyboard.press("Tab");
      const where = await page.evaluate(() => {
        const element = document.activeElement;
        if (element === null || element === document.body) return null;
        return element.closest("[role=tabpanel]:not([hidden])") === null ? "elsewhere" : "view";
      });
      if (where === null) break;
      reached.add(where);
      if (step === 399) expect.fail("Tab does not come to an end");
    }
    expect({ view, reached: [...reached].sort() }).toEqual({ view, reached: ["elsewhere", "view"] });
  }
});
