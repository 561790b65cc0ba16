// The same replay in a worker of the page and in a worker of node, in turns: whether the browser keeps up.

import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import type { Page } from "playwright-core";
import { openWorkerPool } from "../../src/workers/node.js";
import { median } from "../harness.js";

export interface ReplayRates {
  /** Millions of operations a second. */
  readonly browser: number;
  readonly node: number;
}

/** What the bench page prints of a replay, as far as it is used here. */
interface BenchFigure {
  readonly name: string;
  readonly ops: number;
  readonly matched: number;
  readonly seconds: number;
}

/** @param path plain or gzip */
export async function measureReplayRates(page: Page, path: string, rounds: number): Promise<ReplayRates> {
  const raw = readFileSync(path);
  const bytes = raw[0] === 0x1f && raw[1] === 0x8b ? gunzipSync(raw) : raw;
  const pool = await openWorkerPool({ size: 1 });
  const inNode = async (): Promise<number> => {
    const { summary, seconds } = await pool.run("replay", { bytes });
    return rate(path, summary, seconds);
  };
  await page.getByLabel("or a file").setInputFiles(path);
  await inBrowser(page); // both have compiled their code then
  await inNode();
  const rates = { browser: [] as number[], node: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    rates.browser.push(await inBrowser(page));
    rates.node.push(await inNode());
  }
  await pool.close();
  return { browser: median(rates.browser), node: median(rates.node) };
}

/** One press of the button: the last of the figures that are printed. */
async function inBrowser(page: Page): Promise<number> {
  const log = page.getByRole("log");
  await page.evaluate(`document.querySelector("pre").replaceChildren()`);
  await page.getByLabel("Times").fill("2");
  await page.getByRole("button", { name: "Replay" }).click();
  await log.getByText(/"done"|"error"/).waitFor({ timeout: 600_000 });
  const lines = (await log.innerText()).trim().split("\n");
  const figure = JSON.parse(lines.at(-2) ?? "{}") as BenchFigure;
  return rate(figure.name, figure, figure.seconds);
}

function rate(name: string, { ops, matched }: { ops: number; matched: number }, seconds: number): number {
  if (ops === 0 || matched !== ops) throw new Error(`${name}: ${matched} of ${ops} results match`);
  return ops / seconds / 1e6;
}
