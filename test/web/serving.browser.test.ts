// The page on servers as they are: under a path, without the types of WebAssembly, with gzip taken for an encoding, gone.

import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect } from "vitest";
import type { StaticServerOptions } from "../../bench/web/static-server.js";
import { goTo, isOpen, openExample, problem, tab } from "./shown.js";
import { BUILT_PAGE, test } from "./visitor.js";

test.for<[string, StaticServerOptions]>([
  ["at the root", {}],
  ["deep down", { under: "/~user/a%20b/freehold/" }],
  ["without the types", { under: "/x/", types: "plain" }],
  ["with .gz as an encoding", { gzipIsEncoding: true }],
])("served %s", async ([, options], { serve, visit }) => {
  const server = await serve(options);
  const page = await visit({ server });
  await openExample(page, "boot-n1");
  await goTo(page, 60);
  await page.getByRole("region", { name: "Operation" }).getByText("Answer").waitFor();
  await tab(page, "Compare").click(); // a part that is loaded when it is looked at
  await page.getByRole("region", { name: "Comparison" }).getByRole("button").first().waitFor();
  expect(server.missing).toEqual([]);
});

test("when the server is gone, what is not loaded yet says so, and the machine stays", async ({ serve, visit }) => {
  const server = await serve({});
  const page = await visit({ server, expected: /ERR_|Failed to (fetch|load)/ });
  await openExample(page, "boot-n1");
  await server.close();
  await page.getByRole("combobox", { name: "Example" }).selectOption("pvm-n1");
  await problem(page).getByText("pvm-n1: ").waitFor();
  await isOpen(page, "boot-n1");
  await goTo(page, 60);
  await page.getByRole("region", { name: "Operation" }).getByText("Answer").waitFor();
});

test("the first load is below 300 KB compressed", async ({ visit, server }) => {
  const loaded: string[] = [];
  const page = await visit({ link: "view=map" });
  await page.getByRole("region", { name: "Trace" }).getByRole("heading").waitFor();
  loaded.push(
    ...(await page.evaluate(() => performance.getEntriesByType("resource").map(({ name }) => name))),
    `${server.url}index.html`,
    ...page.workers().map((worker) => worker.url()),
  );
  const files = new Set(
    loaded.map((url) => url.slice(server.url.length)).filter((file) => !file.startsWith("examples/")),
  );
  expect([...files].some((file) => file.endsWith(".wasm"))).toBe(true);
  const sizes = [...files].map((file) => gzipSync(readFileSync(join(BUILT_PAGE, file)), { level: 9 }).length);
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(300_000);
});

test("nothing of it comes from elsewhere, or makes markup of what it reads", () => {
  const files = readdirSync(BUILT_PAGE, { recursive: true, encoding: "utf8" }).map((file) => join(BUILT_PAGE, file));
  const scripts = files.filter((file) => file.endsWith(".js") && statSync(file).isFile());
  expect(scripts.length).toBeGreaterThan(2);
  for (const file of scripts) {
    // The library that draws knows the word; only an attribute of this name would use it.
    expect(readFileSync(file, "utf8")).not.toMatch(
      /insertAdjacentHTML|document\.write|\beval\(|dangerouslySetInnerHTML:/,
    );
  }
  expect(readFileSync(join(BUILT_PAGE, "index.html"), "utf8")).not.toMatch(/(src|href)="(\/|https?:)/);
});
