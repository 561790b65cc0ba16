// A folder of scenario files, as src/scenario/bundled/ is one.

import { readdirSync, readFileSync } from "node:fs";
import { readScenario } from "./read-scenario.js";
import type { Scenario } from "./scenario.js";

/** Folders in the order in which the matrix lists their scenarios; others follow by name. */
const ORDER = ["situations", "host-actions", "sharing", "backing", "gunyah", "ffa"];

/**
 * Reads every YAML file of a folder and the folders in it.
 *
 * @throws ScenarioError at the first file that is no scenario
 */
export function readScenarioFolder(folder: URL): readonly Scenario[] {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".yaml"));
  return files.sort(byFolderThenName).map((file) => readScenario(readFileSync(new URL(file, folder), "utf8"), file));
}

function byFolderThenName(a: string, b: string): number {
  return rankOf(a) - rankOf(b) || (a < b ? -1 : 1);
}

function rankOf(file: string): number {
  const rank = ORDER.findIndex((folder) => file.startsWith(`${folder}/`));
  return rank < 0 ? ORDER.length : rank;
}
