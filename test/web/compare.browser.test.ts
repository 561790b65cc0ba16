// Scenarios in the page: the same cells as in node, and an editor that says what is wrong as the command line does.

import { readFileSync } from "node:fs";
import type { Page } from "playwright-core";
import { expect } from "vitest";
import { readScenario } from "../../src/scenario/read-scenario.js";
import { runScenario } from "../../src/scenario/run-scenario.js";
import type { ScenarioError } from "../../src/scenario/scenario-error.js";
import { loadSystem } from "../../src/scenario/systems/index.js";
import { drop, eventually, follow, problem, tab } from "./shown.js";
import { test } from "./visitor.js";

const textOf = (scenario: string) => readFileSync(`src/scenario/bundled/${scenario}.yaml`, "utf8");

/** Results of the steps, a row a step, and what the cell shows; null where a step is not for a system. */
async function cellsInNode(scenario: string, systems: readonly string[]): Promise<(string | null)[][]> {
  const read = readScenario(textOf(scenario), `${scenario}.yaml`);
  const reports = await Promise.all(systems.map(async (system) => runScenario(read, (await loadSystem(system))!)));
  const steps = read.steps.map((_, index) =>
    reports.map(({ steps }) => {
      const step = steps[index]!;
      return step.skipped ? null : step.result.result;
    }),
  );
  return [...steps, reports.map(({ shows }) => shows)];
}

/** The same from the table, up to the row `Shows`. */
function cellsInPage(page: Page): Promise<(string | null)[][]> {
  return page.getByRole("region", { name: "Comparison" }).evaluate((region) => {
    const rows = [...region.querySelectorAll("tbody tr, tfoot tr:first-child")];
    return rows.map((row) =>
      [...row.querySelectorAll("td")].map((cell) => {
        const result = cell.querySelector(".cell-result")?.cloneNode(true) as HTMLElement | undefined;
        if (result === undefined) return null;
        for (const sign of result.querySelectorAll(".answer-number, .mark")) sign.remove();
        return result.textContent.trim();
      }),
    );
  });
}

test.for<[scenario: string, systems: string[]]>([
  ["situations/situation-03-direct-map-load", ["pkvm", "gunyah", "kvm-gmem"]],
  ["situations/situation-03-direct-map-load", ["pkvm-android", "ffa", "kvm-gmem-shared", "gunyah-linux-pinned"]],
])("%s on %j: the cells of node", async ([scenario, systems], { shared: page }) => {
  const expected = await cellsInNode(scenario, systems);
  const name = scenario.split("/").at(-1)!;
  await follow(page, `view=compare&scenario=${name}&systems=${systems.join(",")}`);
  await eventually(() => cellsInPage(page)).toEqual(expected);
});

const GOOD = textOf("situations/situation-03-direct-map-load");

/** The sentence of node's reader. */
function refusalOf(text: string, file: string): string {
  try {
    readScenario(text, file);
  } catch (error) {
    return (error as ScenarioError).message;
  }
  throw new Error("the scenario is good");
}

// prettier-ignore
test.for<[string, string, RegExp]>([
  ["an unknown key",     GOOD.replace("by: kernel", "buy: kernel"),           /^wrong\.yaml:14:5: /],
  ["an unknown system",  GOOD.replace("pkvm-android:", "pkvm-andriod:"),      /^wrong\.yaml:18:7: /],
  ["broken YAML",        GOOD.replace("participants:", "participants: ["),    /^wrong\.yaml:\d+:/],
  ["markup in a name",   GOOD.replace("{ of: guest }", `{ of: "<img src=x onerror=alert(1)>" }`), /^wrong\.yaml:\d+:/],
  ["nothing",            "\n",                                                /^wrong\.yaml/],
])("a scenario with %s is dropped: the editor says what node says", async ([, text, place], { shared: page }) => {
  const sentence = refusalOf(text, "wrong.yaml");
  expect(sentence).toMatch(place);
  await follow(page, "view=map");
  await drop(page, "wrong.yaml", text);
  await eventually(() => tab(page, "Scenario").getAttribute("aria-selected")).toBe("true");
  await page.getByText(sentence).first().waitFor();
  expect(await page.locator("img").count()).toBe(0);
});

test("what is typed is checked, mended and run", async ({ shared: page }) => {
  await follow(page, "view=map&systems=pkvm,gunyah,kvm-gmem");
  await drop(page, "mine.yaml", GOOD.replace("how: direct-map", "how: direct-mop"));
  const run = page.getByRole("button", { name: "Run on 3 systems" });
  await page.getByText(/^mine\.yaml:\d+:\d+: /).waitFor();
  expect(await run.isDisabled()).toBe(true);

  await page.getByRole("textbox", { name: "Scenario mine.yaml" }).fill(GOOD);
  await page.getByText("No problem found.").waitFor();
  await run.click();
  await eventually(() => tab(page, "Compare").getAttribute("aria-selected")).toBe("true");
  const expected = await cellsInNode("situations/situation-03-direct-map-load", ["pkvm", "gunyah", "kvm-gmem"]);
  await eventually(() => cellsInPage(page)).toEqual(expected);
});

test("a scenario that is no text is refused with its name", async ({ shared: page }) => {
  await follow(page, "view=map");
  await drop(page, "noise.yaml", Uint8Array.of(0x66, 0xff, 0xfe, 0x00));
  await problem(page).getByText("noise.yaml: ").waitFor();
});
