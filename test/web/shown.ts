// What a person finds in the page, by the names that are said and shown.

import type { Locator, Page } from "playwright-core";
import { expect } from "vitest";

/** Longer than anything takes on two busy processors. */
export const PATIENCE = 30_000;

export const eventually = <T>(value: () => T | Promise<T>) => expect.poll(value, { timeout: PATIENCE, interval: 20 });

export const slider = (page: Page): Locator => page.getByRole("slider", { name: "Operation" });
export const problem = (page: Page): Locator => page.getByRole("alert", { name: "Problem" });
/** What could not be done, letter by letter. */
export const sentence = (page: Page): Promise<string | null> => problem(page).locator("span").first().textContent();
export const tab = (page: Page, name: string): Locator => page.getByRole("tab", { name, exact: true });

/** The operation after which the machine is shown. */
export async function position(page: Page): Promise<number> {
  return Number(await slider(page).getAttribute("aria-valuenow"));
}

/** Waits until the machine is shown after this operation. */
export async function isAt(page: Page, operation: number): Promise<void> {
  await eventually(() => position(page)).toBe(operation);
}

/** Waits until a trace (of this name) is open and nothing is being loaded. */
export async function isOpen(page: Page, name?: string): Promise<void> {
  const heading = name === undefined ? {} : { name, exact: true };
  await page.getByRole("region", { name: "Trace" }).getByRole("heading", heading).waitFor();
  await page.getByRole("progressbar").waitFor({ state: "detached" });
}

/** Follows a link in the page that is there. */
export async function follow(page: Page, link: string): Promise<void> {
  await page.evaluate((hash) => (location.hash = hash), link);
}

export async function openExample(page: Page, name: string): Promise<void> {
  await page.getByRole("combobox", { name: "Example" }).selectOption(name);
  await isOpen(page, name);
}

/** By the field for the operation's number. */
export async function goTo(page: Page, operation: number): Promise<void> {
  const field = page.getByRole("textbox", { name: "Go to operation number" });
  await field.fill(String(operation));
  await field.press("Enter");
  await isAt(page, operation);
}

export const press = (page: Page, button: string): Promise<void> =>
  page.getByRole("button", { name: button, exact: true }).click();

/** A file is dropped onto the page, once it shows something. */
export async function drop(page: Page, name: string, contents: Uint8Array | string): Promise<void> {
  await page.getByRole("region", { name: "Trace" }).waitFor();
  const base64 = Buffer.from(contents).toString("base64");
  await page.evaluate(
    ({ name, base64 }) => {
      const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File([bytes], name));
      for (const type of ["dragenter", "dragover", "drop"]) {
        document
          .querySelector("h1")
          ?.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
      }
    },
    { name, base64 },
  );
}
