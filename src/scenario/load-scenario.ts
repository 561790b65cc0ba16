// Scenarios from files: node only. What is in them is read by read-scenario.ts, which works on texts alone.

import { isUtf8 } from "node:buffer";
import { readInput } from "../trace/input.js";
import { TraceError } from "../trace/replay.js";
import { readScenario } from "./read-scenario.js";
import { ScenarioError } from "./scenario-error.js";
import type { Scenario } from "./scenario.js";
import { TEXT_LIMIT } from "./source.js";

/**
 * Reads a file; `-` is standard input.
 *
 * @throws ScenarioError if it cannot be read, or is no scenario
 */
export async function loadScenario(path: string): Promise<Scenario> {
  const file = path === "-" ? "standard input" : path;
  const bytes = await readBytes(path, file);
  if (!isUtf8(bytes)) throw new ScenarioError(file, 0, 0, "is not UTF-8 text");
  return readScenario(bytes.toString("utf8"), file);
}

async function readBytes(path: string, file: string): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of readInput(path)) {
      length += chunk.length;
      if (length > TEXT_LIMIT) throw new TraceError(0, `is longer than ${TEXT_LIMIT} bytes`);
      chunks.push(chunk.slice());
    }
  } catch (error) {
    if (error instanceof TraceError) throw new ScenarioError(file, 0, 0, error.message);
    throw error;
  }
  return Buffer.concat(chunks);
}
