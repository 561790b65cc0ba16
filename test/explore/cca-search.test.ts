// The search over realms: how many states there are, counted by hand, and that no rule is broken in them.

import { expect, test } from "vitest";
import { CCA_PRESETS, ccaDomain, type CcaSizes } from "../../src/explore/cca-domain.js";
import { ccaFoldDomain } from "../../src/explore/cca-fold-domain.js";
import { explore } from "../../src/explore/explore.js";
import type { AnyDomain } from "../../src/explore/system-domain.js";

const ONE = { granules: 1, realms: 1 } as const;
const NEW: CcaSizes = { ...ONE, moves: ["delegate", "data", "init"], first: { active: false, rec: false } };
const ACTIVE: CcaSizes = { ...ONE, moves: ["delegate", "data"], first: { active: true, rec: false } };
const MAPPED: CcaSizes = { ...ONE, moves: ["unprotected"], first: { active: true, rec: false }, pages: 2 };

// prettier-ignore
test.each<[string, () => AnyDomain, number]>([
  // A granule is the host's or delegated; the realm's descriptor is the host's, delegated, of a new realm or of an active one.
  ["tiny",                    () => ccaDomain(CCA_PRESETS.tiny), 2 * 4],
  // The granule is the host's, delegated or data.
  ["data of an active realm", () => ccaDomain(ACTIVE),           3],
  // The address is EMPTY, RAM or DESTROYED and the granule the host's or delegated; or it is data with zeros, or with a copy, which is RAM.
  ["data of a new realm",     () => ccaDomain(NEW),              3 * 2 + 3 + 1],
  // Each page is mapped or not.
  ["two of the host's pages", () => ccaDomain(MAPPED),           2 * 2],
  // The page in the middle is as at first, of more rights, another one, or none; all are one block; nothing is; and of the table that is
  // made of nothing, nothing or one of three pages is.
  ["a table full of the host's pages", () => ccaFoldDomain("host"), 4 + 1 + 1 + 4],
  // With the spare granule the host's or delegated: all as at first, in a table or in one block; or nothing in the middle. Or the spare
  // granule is there.
  ["a table full of data",    () => ccaFoldDomain("data"),       2 * (2 + 1) + 1],
])("%s: every state is visited, and no rule is broken", async (_name, domain, states) => {
  const { end, counts, findings } = await explore(domain());
  expect([end, counts.states, findings]).toEqual(["exhausted", states, []]);
});
