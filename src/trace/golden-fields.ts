// The values that all golden recordings are written in, checked one by one; and what is refused.

import type { z } from "zod";
import { firstIssue } from "../machine/schema-issue.js";
import { duplicateKey } from "./json-keys.js";
import { excerpt } from "./replay.js";

/** What is wrong with a line; the reader adds the line number. */
export class FormatError extends Error {
  override readonly name = "FormatError";
}

/** One line of JSON. */
export function parseJson(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new FormatError(text === "" ? "an empty line" : `not JSON: ${excerpt(text)}`);
  }
  // Recordings are written without spaces, so that a line written back is the same unless it says something twice.
  const twice = JSON.stringify(value) === text ? null : duplicateKey(text);
  if (twice !== null) throw new FormatError(`field ${excerpt(JSON.stringify(twice))} stands twice`);
  return value;
}

export const HEX = /^0x[0-9a-f]{1,16}$/;

export type Fields = Readonly<Record<string, unknown>>;

export function fail(message: string): never {
  throw new FormatError(message);
}

export function shown(value: unknown): string {
  return excerpt(JSON.stringify(value) ?? String(value));
}

export function object(value: unknown, where: string): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) fail(`${where}: not an object`);
  return value as Fields;
}

export function list(value: unknown, where: string): readonly unknown[] {
  if (!Array.isArray(value)) fail(`${where}: not a list`);
  return value;
}

export function integer(value: unknown, where: string, min: number, max: number): number {
  if (typeof value !== "number" || !Number.isInteger(value)) fail(`${where}: ${shown(value)} is not an integer`);
  if (value < min || value > max) fail(`${where}: ${value} is out of range`);
  return value;
}

export function hex(value: unknown, where: string): bigint {
  if (typeof value !== "string" || !HEX.test(value)) fail(`${where}: ${shown(value)} is not a hexadecimal number`);
  return BigInt(value);
}

export function onlyFields(fields: Fields, known: (name: string) => boolean, where: string): void {
  for (const name in fields) if (!known(name)) fail(`${where}unknown field ${shown(name)}`);
}

/** All numbers of a line's own fields fit this. */
export const COUNT_MAX = 2 ** 32;

/** Parses with `schema`; the first thing wrong becomes a FormatError that names the field. */
export function parse<S extends z.ZodType>(schema: S, value: unknown, where: string): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const { field, complaint } = firstIssue(result.error);
  const name = [where, field].filter((part) => part !== "").join(".");
  return fail(`${name === "" ? "header" : name}: ${complaint}`);
}

/** A header field that follows from others must say what they say. */
export function derived(field: string, recorded: number | string, follows: number | string | undefined): void {
  if (recorded !== follows) fail(`config.${field}: is ${recorded}, but ${follows} follows from the other fields`);
}
