// The published JSON Schema of scenario files, by which editors complete and check them: the schemas of file-schema.ts with
// the names that systems, calls and operations have.

import { z } from "zod";
import { HOST_CALL_NAMES } from "../consequences/host-calls.js";
import { isOfSearches, OPERATIONS } from "../machine/operations.js";
import { fileSchema, NUMBER_TEXT } from "./file-schema.js";
import { PARTITION_CALLS } from "./partition-calls.js";
import { SYSTEM_NAMES } from "./systems/index.js";

type JsonSchema = z.core.JSONSchema.BaseSchema;

/** `pkvm, gunyah`: one key for several systems. */
const ONE_SYSTEM = `(${["all", ...SYSTEM_NAMES].join("|")})`;
const SEVERAL_SYSTEMS = `^${ONE_SYSTEM}( *, *${ONE_SYSTEM})+$`;

/** What is added to the schema with this id. */
const NAMED: Readonly<Record<string, (schema: JsonSchema) => void>> = {
  u64: (schema) =>
    (schema.anyOf = [
      { type: "integer", minimum: 0 },
      { type: "string", pattern: NUMBER_TEXT },
    ]),
  call: (schema) => (schema.enum = [...HOST_CALL_NAMES]),
  operation: (schema) =>
    (schema.enum = [...Object.keys(OPERATIONS).filter((name) => !isOfSearches(name)), ...Object.keys(PARTITION_CALLS)]),
  systems: (schema) => (schema.items = { enum: [...SYSTEM_NAMES] }),
  expectations: bySystem,
  "counting-expectations": bySystem,
  finally: bySystem,
};

/** One JSON Schema for a whole file. */
export function scenarioJsonSchema(): object {
  return z.toJSONSchema(fileSchema, {
    io: "input",
    unrepresentable: "any",
    override: ({ zodSchema, jsonSchema }) => {
      if (isNumber(zodSchema)) jsonSchema.anyOf = NUMBER;
      const id = z.globalRegistry.get(zodSchema)?.id;
      if (id !== undefined) NAMED[id]?.(jsonSchema);
    },
  });
}

/** JSON has no bigint, and its numbers have no limit. */
const NUMBER: JsonSchema[] = [
  { type: "integer", minimum: 0 },
  { type: "string", pattern: NUMBER_TEXT },
];

function isNumber(schema: z.core.$ZodTypes): boolean {
  const { def } = schema._zod;
  return def.type === "union" && def.options.some((option) => (option as z.core.$ZodTypes)._zod.def.type === "bigint");
}

/** A record of any keys becomes an object whose keys an editor can offer. */
function bySystem(schema: JsonSchema): void {
  const value = schema.additionalProperties ?? {};
  delete schema.propertyNames;
  schema.properties = Object.fromEntries(["all", ...SYSTEM_NAMES].map((name) => [name, value]));
  schema.patternProperties = { [SEVERAL_SYSTEMS]: value };
  schema.additionalProperties = false;
}
