// A scenario file of the user's: text, read whole, because nobody writes a long one.

import { readStream, unpack, type Chunk } from "./unpack.js";
import type { ScenarioFile } from "./store.js";

/** As the reader of scenarios has it (src/scenario/source.ts), which is not loaded before somebody looks at one. */
const LONGEST = 256 * 1024;

/** Traces are JSON Lines and text; whatever ends in `.yaml` or `.json` is a scenario, packed or not. */
export function isScenarioName(name: string): boolean {
  return /\.(ya?ml|json)(\.gz)?$/i.test(name);
}

/** @throws Error if it cannot be read or unpacked, is no UTF-8, or is too long */
export async function readScenarioFile(file: File): Promise<ScenarioFile> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  for await (const chunk of unpack(readStream(file.stream()))) {
    text += decode(decoder, chunk);
    if (text.length > LONGEST) throw new Error(`a scenario is not longer than ${LONGEST} characters`);
  }
  return { name: file.name.replace(/\.gz$/i, ""), text: text + decode(decoder) };
}

function decode(decoder: TextDecoder, chunk?: Chunk): string {
  try {
    return decoder.decode(chunk, { stream: chunk !== undefined });
  } catch {
    throw new Error("this is no UTF-8 text");
  }
}
