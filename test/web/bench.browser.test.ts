// The bench page replays what node replays; how fast is for `npm run bench -- browser` to say.

import { expect } from "vitest";
import { replayFile } from "../../src/trace/open.js";
import { pathOf } from "./recording.js";
import { test } from "./visitor.js";

interface Figure {
  readonly name: string;
  readonly ops: number;
  readonly opsPerSecond: number;
}

test("the bench page counts what node counts", async ({ visit }) => {
  const page = await visit({ file: "bench.html" });
  await page.getByLabel("Example").selectOption("boot-n1");
  await page.getByLabel("Times").fill("3");
  await page.getByRole("button", { name: "Replay" }).click();
  const log = page.getByRole("log");
  await log.getByText(`{"done":"boot-n1"}`).waitFor();

  const lines = (await log.innerText()).trim().split("\n");
  const figures = lines.slice(0, -1).map((line) => JSON.parse(line) as Figure);
  const { format, ops, matched, diverged } = (await replayFile(pathOf("boot-n1"))).summary;
  const expected = { name: "boot-n1", format, ops, matched, diverged };
  expect(figures).toMatchObject([expected, expected, expected]);
  for (const { opsPerSecond } of figures) expect(opsPerSecond).toBeGreaterThan(0);
});
