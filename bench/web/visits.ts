// How the page feels: until its first picture is there, while a finger scrubs, and after a jump to any operation.

import type { Page } from "playwright-core";
import { median } from "../harness.js";
import type { ServedPage } from "./page.js";

/** The page allows no script but its own; what is asked of it here comes as text. */
const WINDOW = { viewport: { width: 1280, height: 800 }, bypassCSP: true };
/** Loading a trace of a million operations takes seconds, on a busy machine tens of them. */
const PATIENCE = 300_000;

/** Milliseconds from the request until the map of the first example is drawn. Each visitor comes with an empty cache. */
export async function measureFirstPicture({ browser, url }: ServedPage, visits: number): Promise<number> {
  const times: number[] = [];
  for (let visit = 0; visit <= visits; visit++) {
    const context = await browser.newContext(WINDOW);
    const page = await context.newPage();
    await page.goto(url, { waitUntil: "commit" });
    times.push(await shownAt(page, `document.querySelector("canvas") && document.querySelector(".map-legend")`));
    await context.close();
  }
  return median(times.slice(1)); // the first one finds the server cold
}

/** Waits until an expression in the page is true, which is asked with every frame. When that was, on the page's clock. */
async function shownAt(page: Page, expression: string): Promise<number> {
  const shown = await page.waitForFunction(`(${expression}) && performance.now()`, undefined, { timeout: PATIENCE });
  return Number(await shown.jsonValue());
}

/** Opens a file and waits until its operations can be gone through. */
export async function openTrace({ browser, url }: ServedPage, path: string, name: string): Promise<Page> {
  const context = await browser.newContext(WINDOW);
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  await page.goto(url);
  await page.getByLabel("Trace or scenario file").setInputFiles(path);
  await page.getByRole("heading", { name, exact: true }).waitFor();
  return page;
}

export interface Frames {
  /** A second. */
  readonly rate: number;
  /** Milliseconds that one frame in twenty is over. */
  readonly slowest: number;
}

const NOTE_FRAMES = `{
  globalThis.frameTimes = [];
  const note = (now) => {
    frameTimes.push(now);
    requestAnimationFrame(note);
  };
  requestAnimationFrame(note);
}`;

/** A pointer goes over the whole trace and back; the browser gives it one move a frame. */
export async function measureScrubbing(page: Page): Promise<Frames> {
  const box = await page.getByRole("slider", { name: "Operation" }).boundingBox();
  if (box === null) throw new Error("the page has no slider");
  const y = box.y + box.height / 2;
  await page.mouse.move(box.x + 2, y);
  await page.mouse.down();
  await page.evaluate(NOTE_FRAMES);
  await page.mouse.move(box.x + box.width - 2, y, { steps: 300 });
  await page.mouse.move(box.x + 2, y, { steps: 300 });
  const times = await page.evaluate<number[]>("frameTimes");
  await page.mouse.up();
  return framesOf(times);
}

function framesOf(times: readonly number[]): Frames {
  const gaps = times.slice(1).map((time, i) => time - times[i]!);
  const sorted = [...gaps].sort((a, b) => a - b);
  const total = gaps.reduce((sum, gap) => sum + gap, 0);
  return { rate: (1000 * gaps.length) / total, slowest: sorted[Math.floor(sorted.length * 0.95)] ?? 0 };
}

export interface Latency {
  /** Milliseconds. */
  readonly median: number;
  readonly slowest: number;
}

/** From the press of Enter until the page shows the operation with all that the machine says of it. */
export async function measureJumps(page: Page, operations: readonly number[]): Promise<Latency> {
  const times: number[] = [];
  const field = page.getByRole("textbox", { name: "Go to operation number" });
  for (const operation of operations) {
    await field.fill(String(operation));
    const start = await page.evaluate<number>("performance.now()");
    await field.press("Enter");
    times.push((await shownAt(page, isAllShown(operation))) - start);
  }
  return { median: median(times), slowest: Math.max(...times) };
}

/** The panel is of this operation, and nothing in the page waits for the machine. */
function isAllShown(operation: number): string {
  const number = JSON.stringify(operation.toLocaleString("en-US"));
  return `document.querySelector("[aria-label=Operation] h2 .operation-number")?.textContent === ${number}
    && document.querySelector("[aria-label=Operation] [aria-busy=false]")
    && !document.querySelector("[aria-busy=true]")`;
}
