// I21 (reference pkvm-el2 section 11.3): poison stays, which only two states beside each other show.

import { expect, test } from "vitest";
import { POISON_FORGOTTEN } from "../../assembly/abi/mutations.js";
import { explore } from "../../src/explore/explore.js";
import { pkvmDomain } from "../../src/explore/pkvm-domain.js";

const domain = pkvmDomain({ pages: 1, tablePages: 1, vms: [true], gfns: 1, running: true });
// A donation wants table pages even where no table is missing (reference 3.0).
const ops = ["hcall_donate_guest", "host_force_reclaim_page_guest", "host_memcache_push_loaded", "hcall_donate_guest"];

test("a page that is mapped where another was reclaimed by force: found, by the invariant that compares states", async () => {
  const { findings } = await explore(domain, { mutation: POISON_FORGOTTEN });
  expect(findings.map(({ kind, code, subject }) => [kind, code, subject])).toEqual([["invariant", 21, 0x8000_0000n]]);
  expect(findings[0]?.steps.map(({ op }) => op)).toEqual(ops);
});

test("those that look at one state say nothing of it", async () => {
  const others = ["I1", "I2", "I3", "I12", "I13", "I15", "I19"];
  const { end, findings } = await explore(domain, {
    mutation: POISON_FORGOTTEN,
    rules: ["invariant"],
    invariants: others,
  });
  expect([end, findings]).toEqual(["exhausted", []]);
});
