// npm run picture:web: photographs the built page in a browser, each view in light and in dark, and on a phone, into docs/web/.

import { mkdirSync } from "node:fs";
import { fileURLToPath, URL } from "node:url";

/** @type {unknown} */
const built = await import(new URL("../dist/bench/web/page.js", import.meta.url).href);
const { servePage } = /** @type {typeof import("../bench/web/page.js")} */ (built);

const MOMENT = "example=pvm-n1&op=10199&page=0x44532";
const SCENARIO = "scenario=situation-03-direct-map-load&systems=pkvm,pkvm-android,gunyah,kvm-gmem";

/**
 * What to look at, the words by which it is seen to be there, and how often the map is zoomed in.
 * @type {readonly (readonly [name: string, link: string, words: string, zoom: number])[]}
 */
const VIEWS = [
  ["map", `${MOMENT}&view=map`, "State, by component", 0],
  ["pages", `${MOMENT}&view=map`, "State, by component", 4],
  ["walk", `${MOMENT}&view=walk&table=0x1000&ipa=0x80008000`, "The same access on each system", 0],
  ["compare", `${SCENARIO}&view=compare`, "Intact", 0],
  ["scenario", `${SCENARIO}&view=scenario`, "No problem found.", 0],
];

const DESK = { viewport: { width: 1280, height: 800 } };
const PHONE = { viewport: { width: 380, height: 760 }, isMobile: true, hasTouch: true };
const THEMES = /** @type {const} */ (["light", "dark"]);

const FOLDER = new URL("../docs/web/", import.meta.url);
mkdirSync(FOLDER, { recursive: true });
const served = await servePage();
try {
  for (const [name, ...what] of VIEWS) {
    for (const colorScheme of THEMES) await photograph(`${name}-${colorScheme}`, what, { ...DESK, colorScheme });
    await photograph(`${name}-phone`, what, { ...PHONE, colorScheme: "light" });
  }
} finally {
  await served.close();
}

/**
 * @param {string} name
 * @param {readonly [link: string, words: string, zoom: number]} what
 * @param {import("playwright-core").BrowserContextOptions} options
 */
async function photograph(name, [link, words, zoom], options) {
  const context = await served.browser.newContext({ ...options, reducedMotion: "reduce" });
  const page = await context.newPage();
  await page.goto(`${served.url}#${link}`);
  await page.getByText(words).first().waitFor();
  for (let i = 0; i < zoom; i++) await page.getByRole("button", { name: "Zoom in" }).click();
  if (zoom > 0) await page.mouse.move(0, 0);
  await page.locator("[aria-busy=true], progress").first().waitFor({ state: "detached" });
  await page.screenshot({ path: fileURLToPath(new URL(`${name}.webp`, FOLDER)), type: "webp", animations: "disabled" });
  await context.close();
}
