// The way through a trace: by slider, buttons, keys, list, filters and jumps. What must be found is read from the recording.

import type { Page } from "playwright-core";
import { expect } from "vitest";
import { recorded, type Recorded } from "./recording.js";
import { eventually, follow, goTo, isAt, isOpen, position, press, slider } from "./shown.js";
import { test } from "./visitor.js";

const EXAMPLE = "pvm-n1";
const operations = recorded(EXAMPLE);
const last = operations.length - 1;

async function lookAtExample(page: Page): Promise<void> {
  await follow(page, `example=${EXAMPLE}`);
  await isOpen(page, EXAMPLE);
}

test("buttons step, and stop at both ends", async ({ shared: page }) => {
  await lookAtExample(page);
  const button = (name: string) => page.getByRole("button", { name, exact: true });

  await goTo(page, 10_200);
  await press(page, "One operation forward");
  await isAt(page, 10_201);
  await press(page, "One operation back");
  await press(page, "One operation back");
  await isAt(page, 10_199);

  await press(page, "Last operation");
  await isAt(page, last);
  expect(await button("One operation forward").isDisabled()).toBe(true);
  await press(page, "Before the first operation");
  await isAt(page, -1);
  expect(await button("One operation back").isDisabled()).toBe(true);
});

/** Where the trace stands for half a second, in which play would have done ten operations. */
async function restingPosition(page: Page): Promise<number> {
  let [before, now] = [NaN, await position(page)];
  await eventually(async () => {
    await page.waitForTimeout(500);
    [before, now] = [now, await position(page)];
    return now === before;
  }).toBe(true);
  return now;
}

test("play goes on until somebody pauses", async ({ shared: page }) => {
  await lookAtExample(page);
  await goTo(page, 100);
  await press(page, "Play");
  await eventually(() => position(page)).toBeGreaterThan(105);
  await press(page, "Pause");
  await page.getByRole("button", { name: "Play", exact: true }).waitFor();
  const paused = await restingPosition(page);
  await press(page, "One operation forward");
  await isAt(page, paused + 1);
});

test("a pointer scrubs over the whole trace", async ({ shared: page }) => {
  await lookAtExample(page);
  const { x, y, width, height } = (await slider(page).boundingBox())!;
  const middle = y + height / 2;
  await page.mouse.move(x + 1, middle);
  await page.mouse.down();
  await eventually(() => position(page)).toBeLessThan(last / 50);
  await page.mouse.move(x + width / 2, middle, { steps: 20 });
  await eventually(async () => Math.abs((await position(page)) - last / 2)).toBeLessThan(last / 50);
  await page.mouse.move(x + width + 50, middle, { steps: 5 });
  await isAt(page, last);
  await page.mouse.up();
});

test("the slider says which operation it is at", async ({ shared: page }) => {
  await lookAtExample(page);
  await goTo(page, 60);
  const { verb } = operations[60]!;
  expect(await slider(page).getAttribute("aria-valuetext")).toContain(`operation 60 of`);
  expect(await slider(page).getAttribute("aria-valuetext")).toContain(verb);
  expect(await slider(page).getAttribute("aria-valuemax")).toBe(String(last));
  await page
    .getByRole("region", { name: "Operation" })
    .getByRole("heading", { name: `60 ${verb}` })
    .waitFor();
});

const words = (count: number) => count.toLocaleString("en-US");
const VM = Math.max(...operations.map(({ vm }) => vm));

test.for<[string, (page: Page) => Promise<unknown>, (operation: Recorded) => boolean]>([
  [
    "by verb",
    (page) => page.getByRole("combobox", { name: "Verb" }).selectOption("host_donate_guest"),
    ({ verb }) => verb === "host_donate_guest",
  ],
  [
    "by VM",
    (page) => page.getByRole("combobox", { name: "VM" }).selectOption(`0x${VM.toString(16)}`),
    ({ verb, vm }) => vm === VM && verb !== "host_force_reclaim", // which names a frame, and no VM
  ],
  ["refused only", (page) => page.getByRole("checkbox", { name: "Refused only" }).check(), ({ ret }) => ret < 0],
  [
    "refused, by verb",
    async (page) => {
      await page.getByRole("checkbox", { name: "Refused only" }).check();
      await page.getByRole("combobox", { name: "Verb" }).selectOption("host_donate_guest");
    },
    ({ verb, ret }) => verb === "host_donate_guest" && ret < 0,
  ],
])(
  "a filter %s lists what the recording has, and the keys go through it",
  async ([, set, passes], { shared: page }) => {
    await lookAtExample(page);
    await goTo(page, 0);
    await set(page);
    const expected = operations.filter(passes).map(({ seq }) => seq);
    expect(expected.length).toBeGreaterThan(0);
    expect(expected.length).toBeLessThan(operations.length);
    await page.getByText(`${words(expected.length)} of ${words(operations.length)} operations`).waitFor();

    const ahead = expected.filter((seq) => seq > 0).slice(0, 3);
    for (const seq of ahead) {
      await press(page, "Next operation that passes the filter");
      await isAt(page, seq);
    }
    const filters = page.getByRole("form", { name: "Filter operations" });
    await filters.getByRole("button", { name: "Show all" }).click();
    await filters.getByText(`${words(operations.length)} operations`, { exact: true }).waitFor();
  },
);

test("from one operation on a page to the next, and back", async ({ shared: page }) => {
  await follow(page, `example=${EXAMPLE}&op=0&page=0x44532`);
  await isOpen(page, EXAMPLE);
  const onPage = operations.filter(({ from, to }) => from <= 0x44532 && 0x44532 < to).map(({ seq }) => seq);
  expect(onPage.length).toBeGreaterThan(2);
  for (const seq of onPage) {
    await press(page, "Next operation on page 0x44532");
    await isAt(page, seq);
  }
  await press(page, "Next operation on page 0x44532");
  await page.getByText("There is no later operation on page 0x44532.").waitFor();
  for (const seq of onPage.slice(0, -1).reverse()) {
    await press(page, "Previous operation on page 0x44532");
    await isAt(page, seq);
  }
});

test("what is typed as the number of an operation must be one", async ({ shared: page }) => {
  await lookAtExample(page);
  await goTo(page, 7);
  const field = page.getByRole("textbox", { name: "Go to operation number" });
  for (const wrong of ["-5", "25945678", "<b>1</b>", "1e3"]) {
    await field.fill(wrong);
    await field.press("Enter");
    await page.getByText(`0 to ${words(last)}`).waitFor();
    expect(await position(page)).toBe(7);
  }
});
