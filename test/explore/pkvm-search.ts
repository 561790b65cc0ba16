// The domain of a bug that a search over pKVM finds, for tests of what only that search can do.

import { expect } from "vitest";
import type { BugSearch } from "../../src/explore/bugs/index.js";
import type { Domain } from "../../src/explore/domain.js";
import { isSystemDomain } from "../../src/explore/system-domain.js";

export function pkvmDomainOf({ domain }: BugSearch): Domain {
  const made = domain();
  return isSystemDomain(made) ? expect.fail("a search over another system") : made;
}
