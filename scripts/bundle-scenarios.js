// The bundled scenarios as one module: reading YAML takes longer than running it. It takes the place of the compiled module
// that reads the files, which are not part of the package.

import { rmSync, writeFileSync } from "node:fs";
import { URL } from "node:url";

const SOURCES = new URL("../src/scenario/bundled/", import.meta.url);
const BUILT = new URL("../dist/src/scenario/", import.meta.url);

/** @type {unknown} */
const built = await import(new URL("scenario-folder.js", BUILT).href);
const { readScenarioFolder } = /** @type {{ readScenarioFolder: (folder: URL) => readonly object[] }} */ (built);

/**
 * A value as the expression that makes it.
 * @param {unknown} value
 * @returns {string}
 */
function expression(value) {
  if (typeof value === "bigint") return `0x${value.toString(16)}n`;
  if (Array.isArray(value)) return `[${value.map(expression).join(",")}]`;
  if (value instanceof Map) return value.size === 0 ? "new Map()" : `new Map(${expression([...value])})`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  return `{${Object.entries(value)
    .map(([key, part]) => `${JSON.stringify(key)}:${expression(part)}`)
    .join(",")}}`;
}

const scenarios = readScenarioFolder(SOURCES).map(expression);
writeFileSync(new URL("bundled/index.js", BUILT), `export const scenarios = [\n${scenarios.join(",\n")},\n];\n`);
rmSync(new URL("bundled/index.js.map", BUILT), { force: true });
