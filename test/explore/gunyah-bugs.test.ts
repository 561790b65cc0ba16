// Gunyah's bugs: complete as reference gunyah.md section 10 lists them, and each one that says so is found.

import { expect, test } from "vitest";
import { BUGS, hasSearch } from "../../src/explore/bugs/index.js";
import { foundAgain } from "../../src/explore/counterexample/again.js";
import { retell } from "../../src/explore/counterexample/retelling.js";
import { explore } from "../../src/explore/explore.js";
import { hunt } from "../../src/explore/hunt.js";
import { rulesFor } from "../../src/explore/rules.js";
import { isSystemDomain } from "../../src/explore/system-domain.js";

const OF_GUNYAH = BUGS.filter(({ section }) => section.startsWith("gunyah.md"));

// Rows of the tables; a row of 10.1 and the list behind 10.3 tell of more than one. What the versions before could not do at all
// (10.3, "limits"), and that a parcel can be accepted while it is being made (the model does, as 6.2 says), are no mistakes.
test.each([
  ["gunyah.md 10.1", 15],
  ["gunyah.md 10.3", 16],
  ["gunyah.md 10.4", 5],
  ["gunyah.md 10.5", 2],
])("%s: %i", (section, count) => {
  expect(OF_GUNYAH.filter((bug) => bug.section === section).length).toBe(count);
});

test("names are Gunyah's, and there is one of each", () => {
  const names = OF_GUNYAH.map(({ name }) => name);
  expect(names.filter((name) => !name.startsWith("gunyah-"))).toEqual([]);
  expect(new Set(names).size).toBe(names.length);
});

test.each(OF_GUNYAH.filter(hasSearch))("$name is found, and nothing of its kind without it", async (bug) => {
  const { domain, clean, finding } = await hunt(bug);
  expect([clean?.end, finding?.kind]).toEqual(["exhausted", bug.search.kind]);
  if (finding === null || !isSystemDomain(domain)) expect.fail("no finding of a machine of Gunyah's");
  // What is printed of it is made anew, on a machine of its own.
  const { mutation, kind } = bug.search;
  const again = await foundAgain(domain, finding, { mutation, rules: rulesFor(kind) });
  expect(again?.steps).toEqual(finding.steps);
  const { steps } = await retell(domain, finding.steps, mutation);
  expect(steps.map(({ step }) => step.op)).toEqual(finding.steps.map(({ op }) => op));
});

// The smallest scenarios that the reference gives, where it gives one.
// prettier-ignore
test.each([
  ["gunyah-map-asserts",              ["addrspace_map"]],                                         // "map at an address above the space"
  ["gunyah-unmap-all-keeps-slots",    ["addrspace_map", "memextent_modify"]],                     // unmap_all
  ["gunyah-update-access-carved-out", ["addrspace_map", "object_activate", "addrspace_update_access"]],
  ["gunyah-access-reduced",           ["addrspace_map"]],                                         // "map RW from an R extent"
  ["gunyah-space-left-in-extents",    ["addrspace_map", "cspace_delete_cap_from"]],               // "map, destroy AS"
  ["gunyah-derive-ignores-type",      ["memextent_configure_derive"]],                            // "derive SPARSE gives BASIC"
  ["gunyah-size-check-and",           ["memextent_configure"]],                                   // "size 0 accepted"
] as const)("%s: the shortest way is %j", async (name, ops) => {
  const bug = OF_GUNYAH.filter(hasSearch).find((each) => each.name === name) ?? expect.fail("no search finds it");
  const { finding } = await hunt(bug);
  expect(finding?.steps.map(({ op }) => op)).toEqual(ops);
});

test("with the rule about secrecy alone, memory that stays mapped is read: a VM's, by HLOS", async () => {
  const bug = OF_GUNYAH.filter(hasSearch).find(({ name }) => name === "gunyah-attach-keeps-access");
  if (bug === undefined) expect.fail("no search finds it");
  const options = { mutation: bug.search.mutation, rules: ["secrecy"] } as const;
  const { findings } = await explore(bug.search.domain(), options);
  expect(findings[0]).toMatchObject({ kind: "secrecy", rule: "secrecy", subject: 0x8000_0000n });
});
