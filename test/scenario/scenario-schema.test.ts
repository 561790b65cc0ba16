// The published JSON Schema of scenario files. `npm run schema` writes it anew.

import { format } from "prettier";
import { expect, test } from "vitest";
import { scenarioJsonSchema } from "../../src/scenario/scenario-schema.js";
import { VERBS } from "../../src/scenario/scenario.js";

test("schema/freehold-scenario.schema.json is what the code says", async () => {
  const text = await format(JSON.stringify(scenarioJsonSchema()), { parser: "json", printWidth: 120 });
  await expect(text).toMatchFileSnapshot("../../schema/freehold-scenario.schema.json");
});

test("there is a step for every verb", () => {
  const { properties } = scenarioJsonSchema() as {
    readonly properties: { readonly steps: { readonly items: { readonly anyOf: readonly { required: string[] }[] } } };
  };
  const verbs = properties.steps.items.anyOf.map(({ required }) => required[0]);
  expect([...new Set(verbs)]).toEqual([...VERBS]);
});
