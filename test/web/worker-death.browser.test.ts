// A worker that dies is reported, and another one takes over; what is shown stays.

import type { Page, Worker } from "playwright-core";
import { expect } from "vitest";
import { eventually, goTo, isAt, isOpen, problem, tab } from "./shown.js";
import { test } from "./visitor.js";

/** The workers that have a machine, by the names that the page gives them. */
const workers = (page: Page): Worker[] => page.workers();

/** Ends a worker as a crash does: it says nothing to the page. */
async function kill(worker: Worker): Promise<void> {
  await worker.evaluate(() => self.close()).catch(() => {}); // it has no time to answer
}

test("the machine's worker is killed: the page says so, and goes on with another", async ({ visit }) => {
  const page = await visit({ link: "example=boot-n1&op=60" });
  await isOpen(page, "boot-n1");
  const before = workers(page);
  expect(before.length).toBeGreaterThan(0);
  for (const worker of before) await kill(worker);

  await problem(page).getByText("boot-n1: the worker that had the machine is gone").waitFor();
  await isAt(page, 60);
  await goTo(page, 97); // asks the machine: the next worker answers
  const operation = page.getByRole("region", { name: "Operation" });
  await operation.getByRole("heading", { name: /^97 / }).waitFor();
  await operation.getByText("Answer").waitFor();
  await eventually(() => workers(page).some((worker) => !before.includes(worker))).toBe(true);
});

test("it is killed again, while it is asked", async ({ visit }) => {
  const page = await visit({ link: "example=boot-n1&op=60" });
  await isOpen(page, "boot-n1");
  for (const operation of [61, 62]) {
    await Promise.all([goTo(page, operation), ...workers(page).map(kill)]);
    const region = page.getByRole("region", { name: "Operation" });
    await region.getByRole("heading", { name: new RegExp(`^${operation} `) }).waitFor();
    await eventually(() => region.locator("[aria-busy=false]").count()).toBe(1);
  }
});

test("the workers of the comparison are killed: the next comparison runs", async ({ visit }) => {
  const page = await visit({ link: "view=compare&scenario=situation-03-direct-map-load&systems=pkvm,kvm-gmem" });
  const cells = page.getByRole("region", { name: "Comparison" }).getByRole("button");
  await cells.first().waitFor();
  for (const worker of workers(page)) await kill(worker);
  await page
    .getByRole("checkbox", { name: /Gunyah/ })
    .first()
    .check();
  await eventually(() => page.getByRole("region", { name: "Comparison" }).getByRole("columnheader").count()).toBe(4);
  await eventually(() => cells.count()).toBeGreaterThan(6);
  expect(await tab(page, "Compare").getAttribute("aria-selected")).toBe("true");
});
