// What `npm pack` puts into the package: all that it needs to run and to be read, and none of what it is tested with.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

interface Manifest {
  readonly bin: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
}

const manifest = JSON.parse(readFileSync("package.json", "utf8")) as Manifest;

function packedFiles(): string[] {
  const output = execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  const [packed] = JSON.parse(output) as { files: { path: string }[] }[];
  return packed?.files.map(({ path }) => path) ?? [];
}

const packed = packedFiles();

test("what package.json points to is in the package", () => {
  const targets = Object.values(manifest.exports).flatMap((target) =>
    typeof target === "string" ? [target] : Object.values(target),
  );
  const files = [...targets, ...Object.values(manifest.bin)].map((target) => target.replace("./", ""));
  expect(packed).toEqual(expect.arrayContaining(files));
});

test("documents, schema and license are in the package", () => {
  const documents = ["README.md", "LICENSE", "docs/trace-format.md", "schema/freehold-trace.schema.json"];
  expect(packed).toEqual(expect.arrayContaining(documents));
});

test("the scripts of workers are beside those who start them, in the package and in the command", () => {
  const scripts = ["src/workers/node-worker.js", "src/workers/browser-worker.js", "cli/bundle/node-worker.js"];
  expect(packed).toEqual(expect.arrayContaining(scripts.map((script) => `dist/${script}`)));
});

test("tests, vectors, benchmarks and sources are not", () => {
  const expected =
    /^(dist\/(src|cli\/bundle|assembly\/abi)\/.+\.(js|d\.ts)|dist\/freehold(-explore|-interleave|-specification)?\.wasm|src\/assemblyscript\.d\.ts|(docs|schema)\/[^/]+|dist\/cli\/bundle\/LICENSES\.txt|[^/]+)$/;
  expect(packed.filter((file) => !expected.test(file))).toEqual([]);
});

test("the lock file names no registry", () => {
  expect(readFileSync("package-lock.json", "utf8")).not.toMatch(/"resolved": "http/);
});
