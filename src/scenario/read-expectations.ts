// What systems are expected to answer: read from keys such as `pkvm, pkvm-android` and `all`, checked for contradictions.

import type { z } from "zod";
import { excerpt } from "../trace/replay.js";
import { suggestion } from "../trace/spelling.js";
import type { Cast, Role } from "./cast.js";
import { type FieldValue, spelledExpectation } from "./expectations.js";
import { expectationSchema, finalSchema } from "./file-schema.js";
import { mappingAt, readPart } from "./part.js";
import type { Expectation, FinalExpectation } from "./scenario.js";
import type { Path, Source } from "./source.js";
import { SYSTEM_NAMES } from "./systems/index.js";

/** Where expectations stand, and which systems can have any there. */
export interface ExpectationContext {
  readonly source: Source;
  readonly cast: Cast;
  readonly path: Path;
  /** Systems that come to this place. */
  readonly systems: readonly string[];
  /** Why others do not: "the step is only for gunyah". */
  readonly restriction: string;
}

const MORTALS: readonly Role[] = ["vmm", "guest", "process", "partition", "kernel", "hypervisor"];

/** How expectations of one kind are read. */
interface Kind<Fields> {
  readonly schema: z.ZodObject;
  /** What of some fields cannot be true together, as a sentence. */
  readonly contradiction: (fields: Fields) => string | null;
  /** What of `all` still counts for a system that is named. */
  readonly inherited: (general: Fields, named: Fields) => Fields;
}

/** Of one step. */
export function readExpectations(value: unknown, context: ExpectationContext): ReadonlyMap<string, Expectation> {
  return readBySystem(value, context, OF_STEP);
}

/** Of the whole run. */
export function readFinalExpectations(
  value: unknown,
  context: ExpectationContext,
): ReadonlyMap<string, FinalExpectation> {
  return readBySystem(value, context, AT_END);
}

const OF_STEP: Kind<Expectation> = {
  schema: expectationSchema,
  contradiction: ({ result, value, bytes }) => {
    if (result === undefined || result === "ok") return null;
    if (value !== undefined) return `a value is expected, but the result "${excerpt(result)}" reads none`;
    return bytes === undefined ? null : `bytes are expected, but the result "${excerpt(result)}" moves none`;
  },
  // Where others read something, a system that is expected to fail reads nothing.
  inherited: (general, named) => {
    if (named.result === undefined || named.result === "ok") return general;
    return Object.fromEntries(Object.entries(general).filter(([field]) => field !== "value" && field !== "bytes"));
  },
};

/** What a seized page held is lost, and what leaked is no secret (codes of host-and-vmm 7.1). */
const AT_END: Kind<FinalExpectation> = {
  schema: finalSchema,
  contradiction: ({ intact, secret, shows = "" }) => {
    if (intact === true && shows.includes("TAKE")) return `a page that is seized (TAKE) cannot be intact`;
    return secret === true && shows.includes("LEAK") ? `what leaks (LEAK) cannot be secret` : null;
  },
  inherited: (general) => general,
};

/** What one key says. */
interface Entry<Fields> {
  readonly path: Path;
  /** Null: all of them. */
  readonly systems: readonly string[] | null;
  readonly fields: Fields;
}

function readBySystem<Fields extends Expectation | FinalExpectation>(
  value: unknown,
  context: ExpectationContext,
  kind: Kind<Fields>,
): ReadonlyMap<string, Fields> {
  const { source, path, systems } = context;
  const entries = Object.entries(mappingAt(source, path, value)).map(([key, part]): Entry<Fields> => {
    const place = [...path, key];
    return { path: place, systems: systemsOf(key, place, context), fields: readFields(part, place, context, kind) };
  });
  const bySystem = systems.flatMap((system): [string, Fields][] => {
    const general = entries.filter((entry) => entry.systems === null);
    const named = entries.filter((entry) => entry.systems?.includes(system));
    if (general.length + named.length === 0) return [];
    const over = joined(source, system, named);
    const fields = { ...kind.inherited(joined(source, system, general), over), ...over };
    const sentence = kind.contradiction(fields);
    if (sentence !== null) throw source.error((named.at(-1) ?? general.at(-1))?.path ?? path, `${system}: ${sentence}`);
    return [[system, fields]];
  });
  return new Map(bySystem);
}

function readFields<Fields extends Expectation | FinalExpectation>(
  part: unknown,
  path: Path,
  { source, cast }: ExpectationContext,
  { schema }: Kind<Fields>,
): Fields {
  const isResult = typeof part === "string" && schema === expectationSchema;
  const read = readPart(source, path, schema, isResult ? { result: part } : part, "an expectation");
  const fields = Object.fromEntries(
    Object.entries(read).filter(([, value]) => value !== undefined),
  ) as object as Fields;
  if (fields.died === undefined) return fields;
  return { ...fields, died: fields.died.map((name, i) => cast.party([...path, "died", i], name, MORTALS)) };
}

function systemsOf(key: string, path: Path, { source, systems, restriction }: ExpectationContext): string[] | null {
  const names = key.split(",").map((name) => name.trim());
  if (names.includes("all")) return null;
  for (const name of names) {
    checkSystem(source, path, name, "key");
    if (!systems.includes(name)) throw source.error(path, `an expectation for "${name}", but ${restriction}`, "key");
  }
  return names;
}

/** @throws ScenarioError if there is no such system */
export function checkSystem(source: Source, path: Path, name: string, at: "key" | "value"): void {
  if (SYSTEM_NAMES.includes(name)) return;
  const hint = suggestion(name, SYSTEM_NAMES) || `: there are ${SYSTEM_NAMES.join(", ")}`;
  throw source.error(path, `unknown system "${excerpt(name)}"${hint}`, at);
}

/** The fields of several keys of equal rank. */
function joined<Fields extends object>(source: Source, system: string, entries: readonly Entry<Fields>[]): Fields {
  const fields: Record<string, FieldValue> = {};
  for (const entry of entries) {
    const given: object = entry.fields;
    for (const [field, value] of Object.entries<FieldValue>({ ...given })) {
      const before = fields[field];
      if (before !== undefined && spelledExpectation(before) !== spelledExpectation(value)) {
        const both = `${spelledExpectation(before)} and ${spelledExpectation(value)}`;
        throw source.error([...entry.path, field], `"${field}" of ${system} is expected to be both ${both}`, "key");
      }
      fields[field] = value;
    }
  }
  return fields as Fields;
}
