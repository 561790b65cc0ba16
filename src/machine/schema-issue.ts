// The first thing that a schema found wrong, as the rest of a sentence that begins with the field.

import type { z } from "zod";

export interface SchemaIssue {
  /** `config.regions.0.base`; empty if it is the value as a whole. */
  readonly field: string;
  /** `is missing`, `expected number, received string`, ... */
  readonly complaint: string;
}

export function firstIssue(error: z.ZodError): SchemaIssue {
  const issue = error.issues[0];
  if (issue === undefined) return { field: "", complaint: "is not valid" };
  const missing = issue.code === "invalid_type" && issue.message.endsWith("received undefined");
  const complaint = missing ? "is missing" : issue.message.replace(/^Invalid input: /, "");
  return { field: issue.path.map(String).join("."), complaint };
}
