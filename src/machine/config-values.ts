// What every configuration is made of: values as users write them, and the error that names the field at fault.

import { z } from "zod";
import { ConfigError } from "./config-error.js";
import { firstIssue } from "./schema-issue.js";

export { ConfigError };

const U64_END = 1n << 64n;
const NO_U64 = "is neither a bigint, a whole number, nor a decimal or 0x-hexadecimal string";

/** 64-bit value: bigint, safe integer, or a decimal or 0x-hexadecimal string. */
export const u64 = z
  .union([z.bigint(), z.int(NO_U64), z.string().regex(/^(0x[0-9a-fA-F]{1,16}|[0-9]{1,20})$/, NO_U64)], NO_U64)
  .transform((value) => BigInt(value))
  .refine((value) => value >= 0n && value < U64_END, "does not fit 64 bits");

export const u32Field = z.int().nonnegative().max(0xffff_ffff);
export const switchField = z.union([z.boolean(), z.literal(0), z.literal(1)]).transform(Boolean);
export const rangeField = z.strictObject({ base: u64, size: u64 });
/** Memory that the machine has. */
export const regionField = z.strictObject({ base: u64, size: u64, nomap: switchField.default(false) });

/** Parses with `schema`; the first thing wrong becomes a ConfigError that names the field. */
export function parseConfig<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const { field, complaint } = firstIssue(result.error);
  throw new ConfigError(`${field === "" ? "configuration" : field}: ${complaint}`);
}
