// `$name`: what an earlier step's operation answered.

import { excerpt } from "../trace/replay.js";
import { suggestion } from "../trace/spelling.js";
import type { Path, Source } from "./source.js";

/** @throws ScenarioError unless `text` is `$name` and a step before saved that name */
export function checkSaved(source: Source, path: Path, text: string, saved: ReadonlySet<string>): void {
  if (saved.has(text.slice(1)) && text.startsWith("$")) return;
  const names = [...saved].map((name) => `$${name}`);
  throw source.error(path, `no step before saved "${excerpt(text)}"${suggestion(text, names)}`);
}
