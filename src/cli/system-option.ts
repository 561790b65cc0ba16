// `--system NAME`, which may be repeated: the columns of a matrix, the systems that a scenario runs on.

import { Option } from "commander";
import type { System } from "../scenario/system.js";
import { loadSystem, SYSTEMS } from "../scenario/systems/index.js";
import { suggestion } from "../trace/spelling.js";
import { RefusedInput } from "./failure.js";

export function systemOption(): Option {
  const added = (name: string, before: readonly string[] = []) => [...before, name];
  return new Option("--system <name>", "only on this system; may be repeated (default: all)").argParser(added);
}

/**
 * The systems of those names, in the order of the matrix's columns; all if none is named.
 *
 * @throws RefusedInput if one is not known
 */
export async function namedSystems(asked: readonly string[] = []): Promise<readonly System[]> {
  const names = SYSTEMS.map(({ name }) => name);
  for (const name of asked) {
    if (names.includes(name)) continue;
    const hint = suggestion(name, names) || `: there are ${names.join(", ")}`;
    throw new RefusedInput("--system", 0, `unknown system "${name}"${hint}`);
  }
  const chosen = asked.length === 0 ? names : names.filter((name) => asked.includes(name));
  const systems = await Promise.all(chosen.map(loadSystem));
  return systems.filter((system) => system !== null);
}
