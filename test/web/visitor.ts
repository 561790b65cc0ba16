// A visitor of the built page: a test that takes `visit` opens it in a browser of its own settings, and fails if the page
// complains while it is open: an error in the console, an exception, a request that fails or leaves this computer.

import { chromium, type Browser, type BrowserContextOptions, type Page } from "playwright-core";
import { expect, inject, test as base } from "vitest";
import { isOpen, PATIENCE } from "./shown.js";
import { startStaticServer, type StaticServer, type StaticServerOptions } from "../../bench/web/static-server.js";

export const BUILT_PAGE = "dist/web";
/** Nothing in the page may expect to lie at the root of its server. */
const UNDER = "/some/where/";

export interface Visit extends BrowserContextOptions {
  /** Another page than the first. */
  readonly file?: string;
  /** What stands behind the `#` of the address. */
  readonly link?: string;
  /** Another server than the usual one. */
  readonly server?: StaticServer;
  /** Complaints that belong to the test. */
  readonly expected?: RegExp;
}

interface Fixtures {
  readonly browser: Browser;
  readonly server: StaticServer;
  /** Starts another server, which is there as long as the visits. */
  readonly serve: (options: StaticServerOptions) => Promise<StaticServer>;
  readonly visit: (visit?: Visit) => Promise<Page>;
  /** One visit that the tests of a file share: what they do to the page must not matter to the next one. */
  readonly shared: Page;
}

export const test = base.extend<Fixtures>({
  browser: [
    async ({}, use) => {
      const running = inject("browser");
      if ("problem" in running) throw new Error(running.problem);
      const browser = await chromium.connect(running.endpoint);
      await use(browser);
      await browser.close();
    },
    { scope: "file" },
  ],
  server: [
    async ({}, use) => {
      const server = await startStaticServer(BUILT_PAGE, { under: UNDER });
      await use(server);
      await server.close();
    },
    { scope: "file" },
  ],
  serve: async ({}, use) => {
    const servers: StaticServer[] = [];
    await use(async (options) => {
      const server = await startStaticServer(BUILT_PAGE, options);
      servers.push(server);
      return server;
    });
    for (const server of servers) await server.close();
  },
  visit: async ({ browser, server, serve }, use) => {
    void serve; // its servers outlast the visits
    const visits: Arrival[] = [];
    await use(async (visit = {}) => {
      const arrival = await arrive(browser, server, visit);
      visits.push(arrival);
      return arrival.page;
    });
    await leave(visits);
  },
  shared: [
    async ({ browser, server }, use) => {
      const arrival = await arrive(browser, server, {});
      await isOpen(arrival.page);
      await use(arrival.page);
      await leave([arrival]);
    },
    { scope: "file" },
  ],
});

interface Arrival {
  readonly page: Page;
  readonly complaints: readonly string[];
}

async function arrive(browser: Browser, usual: StaticServer, visit: Visit): Promise<Arrival> {
  const { file = "", link = "", server = usual, expected, ...options } = visit;
  const context = await browser.newContext(options);
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  const complaints = complaintsOf(page, server.url, expected);
  await page.goto(`${server.url}${file}${link === "" ? "" : `#${link}`}`);
  return { page, complaints };
}

async function leave(visits: readonly Arrival[]): Promise<void> {
  await Promise.all(visits.map(({ page }) => page.context().close()));
  expect(visits.flatMap(({ complaints }) => complaints)).toEqual([]);
}

/** Collects what the page and its workers complain of, from now on. */
function complaintsOf(page: Page, url: string, expected?: RegExp): string[] {
  const complaints: string[] = [];
  const complain = (complaint: string) => {
    if (expected?.test(complaint) !== true) complaints.push(complaint);
  };
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complain(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => complain(`exception: ${error.message}`));
  page.on("requestfailed", (request) => complain(`failed: ${request.url()} ${request.failure()?.errorText ?? ""}`));
  page.on("response", (response) => {
    if (response.status() >= 400) complain(`${response.status()}: ${response.url()}`);
  });
  page.on("request", (request) => {
    const isHere = request.url().startsWith(url) || /^(blob|data):/.test(request.url());
    if (!isHere) complain(`leaves its folder: ${request.url()}`);
  });
  return complaints;
}
