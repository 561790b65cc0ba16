// The walk view shows the tables as node's machine walks them after the same operation.

import type { Page } from "playwright-core";
import { expect } from "vitest";
import type { Stage2 } from "../../src/machine/accesses.js";
import type { AccessKind } from "../../src/machine/translation.js";
import { machineAfter } from "./recording.js";
import { eventually, follow, goTo, isOpen, tab } from "./shown.js";
import { test } from "./visitor.js";

interface Walked {
  readonly levels: readonly string[];
  readonly ends: string;
}

const hex = (value: bigint) => `0x${value.toString(16)}`;

async function walkedInNode(example: string, after: number, table: Stage2, ipa: bigint, kind: AccessKind) {
  const translation = (await machineAfter(example, after)).translate(table, ipa, { kind, el: 1 });
  if (translation === null) throw new Error("there is no such table");
  const levels = translation.steps.map(
    ({ level, address, descriptor }) =>
      `Level ${level} entry at ${hex(address)} 0x${descriptor.toString(16).padStart(16, "0")}`,
  );
  return { levels, ends: translation.pa === null ? "Faults" : hex(translation.pa) };
}

/** Address and descriptor of every level, and the result. */
async function walkedInPage(page: Page): Promise<Walked> {
  const walk = page.getByRole("region", { name: "Walk", exact: true });
  const texts = await walk.getByRole("listitem").allInnerTexts();
  const levels = texts.flatMap((text) => {
    const [, level, entry, descriptor] =
      /^Level (-?\d)\b[^]*?entry at (0x[0-9a-f]+)\s+(0x[0-9a-f]{16})/.exec(text.trim()) ?? [];
    return level === undefined ? [] : [`Level ${level} entry at ${entry} ${descriptor}`];
  });
  const results = await walk.getByRole("status").allInnerTexts();
  const ends = results.find((text) => /^(Translated|Faults)/.test(text)) ?? "";
  return { levels, ends: /^Faults|PA (0x[0-9a-f]+)/.exec(ends)?.at(ends.startsWith("Faults") ? 0 : 1) ?? ends };
}

const linkOf = (example: string, after: number, table: Stage2, ipa: bigint, kind: AccessKind) =>
  `example=${example}&op=${after}&view=walk&table=${table === "host" ? "host" : hex(BigInt(table))}&ipa=${hex(ipa)}&access=${kind}`;

// prettier-ignore
test.for<[example: string, after: number, table: Stage2, ipa: bigint, kind: AccessKind, ends: "Faults" | "PA"]>([
  // example    after  table   ipa            access   ends
  ["pvm-n1",   10_199, "host", 0x4800_0000n, "read",  "PA"],     // the host's own
  ["pvm-n1",   10_199, "host", 0x4453_2000n, "read",  "Faults"], // donated to a guest
  ["pvm-n1",   10_199, "host", 0x4453_1000n, "write", "PA"],     // shared back by the guest
  ["pvm-n1",   10_199, 0x1000, 0x8000_8000n, "write", "PA"],     // the same page as the guest sees it
  ["pvm-n1",   10_199, 0x1000, 0x7fff_f000n, "read",  "Faults"], // nothing there
  ["pvm-n1",   10_199, "host", 2n ** 52n,    "read",  "Faults"], // no such address
])("%s after %i, %s, %s, %s: %s", async ([example, after, table, ipa, kind, ends], { shared: page }) => {
  const expected = await walkedInNode(example, after, table, ipa, kind);
  expect(expected.ends === "Faults" ? "Faults" : "PA").toBe(ends);
  await follow(page, linkOf(example, after, table, ipa, kind));
  await isOpen(page, example);
  await eventually(() => walkedInPage(page)).toEqual(expected);
});

test("the walk follows the operation, and the address that is typed", async ({ shared: page }) => {
  await follow(page, linkOf("pvm-n1", 10_199, 0x1000, 0x8000_8000n, "read"));
  await isOpen(page, "pvm-n1");
  await goTo(page, 10_100);
  await eventually(() => walkedInPage(page)).toEqual(
    await walkedInNode("pvm-n1", 10_100, 0x1000, 0x8000_8000n, "read"),
  );
  await page.getByRole("textbox", { name: "IPA" }).fill("0x80000123");
  await eventually(() => walkedInPage(page)).toEqual(
    await walkedInNode("pvm-n1", 10_100, 0x1000, 0x8000_0123n, "read"),
  );
});

test("a VM that is not there has no table", async ({ shared: page }) => {
  await follow(page, linkOf("pvm-n1", 10_199, 0x1001, 0x8000_8000n, "read"));
  await page.getByText("There is no such table at this point of the trace").waitFor();
  expect(await tab(page, "Walk").getAttribute("aria-selected")).toBe("true");
});
