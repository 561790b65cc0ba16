// The built page in a browser, for whoever measures or photographs it.

import { fileURLToPath } from "node:url";
import { chromium, type Browser } from "playwright-core";
import { browser as installedBrowser, CHROMIUM_FLAGS } from "./chromium.js";
import { startStaticServer, type StaticServer } from "./static-server.js";

const BUILT_PAGE = fileURLToPath(new URL("../../web", import.meta.url));

export interface ServedPage {
  readonly browser: Browser;
  /** Of the folder, with a slash at the end. */
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Serves dist/web and starts a browser.
 *
 * @throws Error that says how to get a browser if there is none
 */
export async function servePage(): Promise<ServedPage> {
  const found = installedBrowser();
  if ("problem" in found) throw new Error(found.problem);
  const server: StaticServer = await startStaticServer(BUILT_PAGE);
  const browser = await chromium.launch({ executablePath: found.path, args: [...CHROMIUM_FLAGS] });
  return {
    browser,
    url: server.url,
    close: async () => {
      await browser.close();
      await server.close();
    },
  };
}
