// One part of a scenario against its schema. What is wrong becomes one sentence at the place of the field to blame.

import { z } from "zod";
import { excerpt } from "../trace/replay.js";
import { suggestion } from "../trace/spelling.js";
import type { ScenarioError } from "./scenario-error.js";
import type { Path, Source } from "./source.js";

/**
 * Reads one part.
 *
 * @param what what the part is, for messages: "a step", "access"
 * @throws ScenarioError at the first field that is not as the schema has it
 */
export function readPart<Schema extends z.ZodObject>(
  source: Source,
  path: Path,
  schema: Schema,
  value: unknown,
  what: string,
): z.output<Schema> {
  if (!isMapping(value)) throw source.error(path, `${what} is a mapping, and this is ${kindOf(value)}`);
  const { success, data, error } = schema.safeParse(value);
  if (success) return data;
  const known = Object.keys(schema.shape);
  for (const key of Object.keys(value)) {
    if (!known.includes(key)) throw unknownKey(source, [...path, key], what, known);
  }
  throw issueError(source, path, value, error.issues[0], what);
}

/** A mapping is needed where the value is optional; absent it is empty. */
export function mappingAt(source: Source, path: Path, value: unknown): Readonly<Record<string, unknown>> {
  if (value === undefined) return {};
  if (isMapping(value)) return value;
  throw source.error(path, `${String(path.at(-1))} is a mapping, and this is ${kindOf(value)}`);
}

export function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function unknownKey(source: Source, path: Path, what: string, known: readonly string[]): ScenarioError {
  const key = String(path.at(-1));
  const hint = suggestion(key, known);
  const rest = hint === "" ? `, which has ${known.join(", ")}` : hint;
  return source.error(path, `unknown key "${excerpt(key)}" of ${what}${rest}`, "key");
}

function issueError(
  source: Source,
  path: Path,
  part: unknown,
  issue: z.core.$ZodIssue | undefined,
  what: string,
): ScenarioError {
  if (issue === undefined) return source.error(path, `${what} is not valid`);
  const keys = issue.path.map((key) => (typeof key === "number" ? key : String(key)));
  const found = valueAt(part, keys);
  const field = keys
    .map((key) => (typeof key === "number" ? `[${key}]` : `.${key}`))
    .join("")
    .slice(1);
  const place: Path = [...path, ...keys];
  if (found === undefined) return source.error(place, `${what} needs "${field}"`);
  return source.error(place, `${field}: ${complaint(issue, found)}`);
}

function valueAt(part: unknown, keys: Path): unknown {
  let value = part;
  for (const key of keys) value = (value as Readonly<Record<string | number, unknown>> | undefined)?.[key];
  return value;
}

function complaint(issue: z.core.$ZodIssue, found: unknown): string {
  if (issue.code === "invalid_value") {
    const values = issue.values.map(String);
    return `${spelled(found)} is none of ${values.join(", ")}${typeof found === "string" ? suggestion(found, values) : ""}`;
  }
  if (issue.code === "invalid_type") return `${spelled(found)} is no ${TYPE_WORDS[issue.expected] ?? issue.expected}`;
  if (issue.code === "too_small") return `${spelled(found)} is empty`;
  return `${spelled(found)} ${issue.message}`;
}

const TYPE_WORDS: Readonly<Record<string, string>> = {
  boolean: "truth value (true or false)",
  string: "text",
  array: "list",
  object: "mapping",
  record: "mapping",
};

/** A value as a message quotes it. */
function spelled(value: unknown): string {
  if (typeof value === "string") return `"${excerpt(value)}"`;
  if (typeof value === "bigint" || typeof value === "number" || typeof value === "boolean") return String(value);
  return kindOf(value);
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "a mapping";
  return typeof value === "string" ? "a text" : typeof value === "boolean" ? "a truth value" : "a number";
}
