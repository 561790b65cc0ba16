// What a browser loads before the first picture, compressed, out of the built page (npm run build:web). Example data is apart, and
// so is what only some views need.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";

const BUILT = new URL("../../dist/web/", import.meta.url);
const KILOBYTE = 1000;

const read = (file: string) => readFileSync(new URL(file, BUILT));

/** Files that a built file names in quotes: imports, styles, icons. */
function named(file: string, pattern: RegExp): string[] {
  const base = new URL(file, BUILT);
  return [...read(file).toString().matchAll(pattern)].map(([, name = ""]) => {
    return new URL(name, base).href.slice(BUILT.href.length);
  });
}

/** With all that it imports when it starts. */
function withImports(file: string, found = new Set<string>()): Set<string> {
  if (found.has(file)) return found;
  found.add(file);
  if (file.endsWith(".js")) {
    for (const imported of named(file, /(?:\bfrom|\bimport)\s*["'](\.[^"']+)["']/g)) withImports(imported, found);
  }
  return found;
}

function asset(pattern: RegExp): string {
  const files = readdirSync(new URL("assets/", BUILT)).filter((file) => pattern.test(file));
  expect(files).toHaveLength(1);
  return `assets/${files[0]}`;
}

test("the page is built", () => {
  expect(existsSync(new URL("index.html", BUILT)), "run npm run build:web").toBe(true);
});

test("the first load is below 300 KB compressed, with the worker and the core", () => {
  const html = read("index.html").toString();
  const inPage = named("index.html", /(?:src|href)="([^"]+)"/g).flatMap((file) => [...withImports(file)]);
  const worker = [...withImports(asset(/^page-worker-.*\.js$/))];
  const files = new Set(["index.html", ...inPage, ...worker, asset(/^freehold-.*\.wasm$/)]);
  const sizes = [...files].map((file) => [file, gzipSync(read(file), { level: 9 }).length] as const);
  const total = sizes.reduce((sum, [, size]) => sum + size, 0);
  expect(html).toContain("<script");
  expect(total, sizes.map(([file, size]) => `${file} ${size}`).join("\n")).toBeLessThan(300 * KILOBYTE);
});

describe("the page is closed", () => {
  const html = read("index.html").toString();

  test("it names no other server", () => {
    expect(html.match(/(?:src|href)="(?!\.\/)[^"]*"/g)).toBeNull();
  });

  test("its policy lets it load what is its own", () => {
    const policy =
      /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(html)?.[1]?.replaceAll("&#39;", "'") ?? "";
    const rules = new Map(
      policy.split("; ").map((rule) => [rule.slice(0, rule.indexOf(" ")), rule.slice(rule.indexOf(" ") + 1)]),
    );
    expect(rules.get("default-src")).toBe("'self'");
    expect(rules.get("script-src")).toBe("'self' 'wasm-unsafe-eval'");
    expect(rules.get("style-src")).toBe("'self'");
    expect(rules.get("worker-src")).toBe("'self' blob:");
  });

  test("no script or style stands in it", () => {
    expect(html).not.toMatch(/<script(?![^>]*\ssrc=)/);
    expect(html).not.toMatch(/<style|\sstyle=|\son\w+=/);
  });
});

describe("the examples", () => {
  const list = JSON.parse(read("examples/index.json").toString()) as { name: string; file: string; bytes: number }[];

  test.each(list.map((example) => [example.name, example] as const))("%s is there", (_, { file, bytes }) => {
    expect(read(`examples/${file}`)).toHaveLength(bytes);
  });

  test("the first one is small: it is opened unasked", () => {
    expect(list[0]?.bytes).toBeLessThan(100 * KILOBYTE);
  });

  test("each has a name of its own", () => {
    expect(new Set(list.map(({ name }) => name)).size).toBe(list.length);
  });
});
