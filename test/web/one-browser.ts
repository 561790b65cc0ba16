// One browser for all tests of the page, started before the first and stopped behind the last.

import { chromium } from "playwright-core";
import type { TestProject } from "vitest/node";
import { browser, CHROMIUM_FLAGS } from "../../bench/web/chromium.js";

/** Where the browser listens, or one sentence that says why there is none; with it every test of the page fails. */
export type RunningBrowser = { readonly endpoint: string } | { readonly problem: string };

declare module "vitest" {
  interface ProvidedContext {
    browser: RunningBrowser;
  }
}

export default async function oneBrowser(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  const found = browser();
  if ("problem" in found) {
    project.provide("browser", found);
    return undefined;
  }
  try {
    const server = await chromium.launchServer({ executablePath: found.path, args: [...CHROMIUM_FLAGS] });
    project.provide("browser", { endpoint: server.wsEndpoint() });
    return () => server.close();
  } catch (error) {
    const [reason] = (error as Error).message.split("\n");
    project.provide("browser", { problem: `${found.path} does not start: ${reason}` });
    return undefined;
  }
}
