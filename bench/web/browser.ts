// What the page can do in a browser: replay beside node, and how fast it answers a hand.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import type { Row } from "../report.js";
import { writeTracefsTrace } from "../traces.js";
import { writeJsonlTrace } from "../traces-jsonl.js";
import { servePage, type ServedPage } from "./page.js";
import { measureReplayRates } from "./replay-rates.js";
import { measureFirstPicture, measureJumps, measureScrubbing, openTrace } from "./visits.js";
import { writeWideTrace } from "./wide-trace.js";

const CAPTURE = "test/vectors/traces/pvm-n1.hyp.txt.gz";
const GENERATED_BYTES = 100e6;
const WIDE_OPERATIONS = 200_000;
/** Lines of the generated JSON Lines are a little shorter. */
const MILLION_OPERATIONS_BYTES = 100e6;
const JUMPS = 40;
/** A prime: jumps go all over the trace. */
const STRIDE = 377_717;

type Figure = Pick<Row, "id" | "title" | "bound" | "unit" | "freehold">;

const row = (figure: Figure): Row => ({ ...figure, c: null, js: null });

export const BROWSER_IDS: readonly string[] = [
  ...["browser-capture", "browser-capture-ratio", "browser-generated", "browser-generated-ratio"],
  ...["browser-first-picture", "browser-scrub", "browser-scrub-slowest", "browser-jump", "browser-jump-slowest"],
];

/** @throws Error that says how to get a browser if there is none */
export async function measureBrowser(rounds: number): Promise<Row[]> {
  const folder = mkdtempSync(join(tmpdir(), "freehold-bench-"));
  const served = await servePage();
  try {
    return [
      ...(await replayRows(served, folder, rounds)),
      await firstPictureRow(served, rounds),
      ...(await scrubRows(served, folder)),
      ...(await jumpRows(served, folder)),
    ];
  } finally {
    await served.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function replayRows({ browser, url }: ServedPage, folder: string, rounds: number): Promise<Row[]> {
  const generated = join(folder, "generated.txt");
  writeTracefsTrace(generated, GENERATED_BYTES);
  const page = await browser.newPage();
  await page.goto(`${url}bench.html`);
  const rows: Row[] = [];
  for (const [id, path, title] of [
    ["browser-capture", CAPTURE, "replay of pvm-n1 in the page's worker"],
    ["browser-generated", generated, "replay of 100 MB of tracefs text in the page's worker"],
  ] as const) {
    const rates = await measureReplayRates(page, path, rounds);
    const ratio = { title: "the same, over node's rate", bound: "the same core, two engines of one maker" };
    rows.push(row({ id, title, bound: "reading text", unit: "M ops/s", freehold: rates.browser }));
    rows.push(row({ id: `${id}-ratio`, ...ratio, unit: "x node", freehold: rates.browser / rates.node }));
  }
  await page.close();
  return rows;
}

async function firstPictureRow(served: ServedPage, rounds: number): Promise<Row> {
  const freehold = await measureFirstPicture(served, rounds);
  const title = "first visit until the first example's map is drawn";
  return row({ id: "browser-first-picture", title, bound: "starting a worker, replay", unit: "ms", freehold });
}

async function scrubRows(served: ServedPage, folder: string): Promise<Row[]> {
  const path = join(folder, "wide.jsonl");
  writeWideTrace(path, WIDE_OPERATIONS);
  const page = await openTrace(served, path, basename(path));
  const { rate, slowest } = await measureScrubbing(page);
  await page.context().close();
  const title = "scrubbing over 64 GiB, 16,777,216 pages";
  const bound = "changes of owner between two frames";
  return [
    row({ id: "browser-scrub", title, bound, unit: "frames/s", freehold: rate }),
    row({ id: "browser-scrub-slowest", title: "the same, one frame in twenty", bound, unit: "ms", freehold: slowest }),
  ];
}

async function jumpRows(served: ServedPage, folder: string): Promise<Row[]> {
  const path = join(folder, "million.jsonl");
  const { operations } = writeJsonlTrace(path, MILLION_OPERATIONS_BYTES);
  if (operations < 1e6) throw new Error(`the trace has ${operations} operations, not a million`);
  const page = await openTrace(served, path, basename(path));
  const targets = Array.from({ length: JUMPS }, (_, jump) => ((jump + 1) * STRIDE) % operations);
  const { median, slowest } = await measureJumps(page, targets);
  await page.context().close();
  const title = "to any operation of a million, until all of it is shown";
  const bound = "from the state kept before to the operation";
  return [
    row({ id: "browser-jump", title, bound, unit: "ms", freehold: median }),
    row({ id: "browser-jump-slowest", title: "the same, the slowest of 40", bound, unit: "ms", freehold: slowest }),
  ];
}
