// The static server under the page's tests: a file it does not give out is a 404, whatever the address looks like.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, expect, test } from "vitest";
import { startStaticServer, type StaticServerOptions } from "../../../bench/web/static-server.js";

const folder = mkdtempSync(join(tmpdir(), "freehold-"));
mkdirSync(join(folder, "site/assets"), { recursive: true });
writeFileSync(join(folder, "secret.txt"), "not part of the site");
writeFileSync(join(folder, "site/index.html"), "the page");
writeFileSync(join(folder, "site/assets/core.wasm"), "the core");
writeFileSync(join(folder, "site/trace.txt.gz"), gzipSync("the trace"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Status and type; `path` goes out as it is, not tidied up as fetch() would. */
async function answer(path: string, options: StaticServerOptions = {}): Promise<string> {
  const server = await startStaticServer(join(folder, "site"), { under: "/some/where/", ...options });
  try {
    return await new Promise((resolve, reject) => {
      get(server.url, { path }, (response) => {
        response.resume();
        const { "content-type": type = "", "content-encoding": encoding = "" } = response.headers;
        resolve([response.statusCode, type, encoding].join(" ").trim());
      }).on("error", reject);
    });
  } finally {
    await server.close();
  }
}

// prettier-ignore
test.each<[string, StaticServerOptions, string]>([
  ["/some/where/",                       {},                       "200 text/html; charset=utf-8"],
  ["/some/where/index.html",             {},                       "200 text/html; charset=utf-8"],
  ["/some/where/assets/core.wasm",       {},                       "200 application/wasm"],
  ["/some/where/assets/core.wasm",       { types: "plain" },       "200 application/octet-stream"],
  ["/some/where/trace.txt.gz",           {},                       "200 application/gzip"],
  ["/some/where/trace.txt.gz",           { gzipIsEncoding: true }, "200 application/gzip gzip"],
  ["/index.html",                        {},                       "404"],
  ["/some/where/assets",                 {},                       "404"],
  ["/some/where/assets/",                {},                       "404"],
  ["/some/where/../../secret.txt",       {},                       "404"],
  ["/some/where/..%2fsecret.txt",        {},                       "404"],
  ["/some/where/%zz",                    {},                       "404"],
])("%s %j: %s", async (path, options, expected) => {
  expect(await answer(path, options)).toBe(expected);
});
