// Links: what the address says is shown, what is shown is in the address, and an address that says nonsense does no harm.

import { expect } from "vitest";
import { eventually, follow, goTo, isAt, isOpen, openExample, problem, tab } from "./shown.js";
import { test } from "./visitor.js";

test("a link leads to example, operation, page and view", async ({ visit }) => {
  const page = await visit({ link: "example=pvm-n1&op=10199&page=0x44532&view=map" });
  await isOpen(page, "pvm-n1");
  await isAt(page, 10_199);
  await page.getByRole("heading", { name: "pfn 0x44532" }).waitFor();
  expect(await tab(page, "Map").getAttribute("aria-selected")).toBe("true");
  expect(await problem(page).innerText()).toBe("");
});

test("the address that a visitor leaves is the state that another one gets", async ({ visit }) => {
  const first = await visit();
  await openExample(first, "pvm-n1");
  await goTo(first, 10_199);
  await first.getByRole("combobox", { name: "Verb" }).selectOption("host_donate_guest");
  await tab(first, "Walk").click();
  await first.getByRole("textbox", { name: "IPA" }).fill("0x44532000");
  await first.getByRole("combobox", { name: "Access" }).selectOption("write");
  await eventually(() => first.url()).toMatch(/example=pvm-n1&op=10199&.*ipa=0x44532000&access=write/);

  const second = await visit({ link: first.url().split("#")[1]! });
  await isOpen(second, "pvm-n1");
  await isAt(second, 10_199);
  expect(await tab(second, "Walk").getAttribute("aria-selected")).toBe("true");
  expect(await second.getByRole("combobox", { name: "Verb" }).inputValue()).toBe("host_donate_guest");
  await eventually(() => second.getByRole("textbox", { name: "IPA" }).inputValue()).toBe("0x44532000");
  expect(await second.getByRole("combobox", { name: "Access" }).inputValue()).toBe("write");
});

test("back and forward go through views and examples", async ({ visit }) => {
  const page = await visit({ link: "example=boot-n1&op=60" });
  await isOpen(page, "boot-n1");
  await tab(page, "Compare").click();
  await tab(page, "Walk").click();
  await openExample(page, "pvm-n1");
  const selected = () => page.getByRole("tab", { selected: true }).innerText();
  await page.goBack();
  await isOpen(page, "boot-n1");
  await eventually(selected).toBe("Walk");
  await page.goBack();
  await eventually(selected).toBe("Compare");
  await page.goBack();
  await eventually(selected).toBe("Map");
  await page.goForward();
  await eventually(selected).toBe("Compare");
});

test("a link that says nonsense is followed as far as it goes", async ({ visit }) => {
  const page = await visit({ link: "example=boot-n1&op=60&page=0xfffffff&view=mop" });
  await isOpen(page, "boot-n1");
  await isAt(page, 60);
  await eventually(() => problem(page).innerText()).toMatch(/"mop".*0xfffffff/);
});

// prettier-ignore
test.for<[link: string, shown: number | null, said: RegExp]>([
  ["example=boot-n1&op=60&view=mop",            60,   /link's view is "mop"/],
  ["example=boot-n1&op=sixty",                  null, /link's op is "sixty"/],
  ["example=boot-n1&op=99999999",               null, /99,?999,?999/],
  ["example=boot-n1&op=60&page=0xfffffff",      60,   /0xfffffff/],
  ["example=nothing-like-it&op=3",              null, /no example of the name "nothing-like-it"/],
  ["example=boot-n1&op=60&theme=dark",          60,   /"theme"/],
  ["example=boot-n1&op=60&page=%3Cimg%20src=x%20onerror=alert(1)%3E", 60, /<img src=x/],
  ["%%%",                                       null, /"%%%"/],
])("#%s", async ([link, shown, said], { shared: page }) => {
  await follow(page, link);
  await eventually(() => problem(page).innerText()).toMatch(said);
  await isOpen(page); // something is shown all the same
  if (shown !== null) await isAt(page, shown);
  expect(await page.locator("img").count()).toBe(0);
});
