// The scenarios that come with Freehold, loaded when somebody asks for them.

import type { Scenario } from "./scenario.js";

/** All of them, in the order of the matrix: names, groups, titles and what they do. */
export async function bundledScenarios(): Promise<readonly Scenario[]> {
  return (await import("./bundled/index.js")).scenarios;
}
