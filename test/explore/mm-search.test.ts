// The search over a partition manager's page-table library: its bugs, by the shortest ways of reference bugs.md section 7.

import { expect, test } from "vitest";
import { BUGS, hasSearch } from "../../src/explore/bugs/index.js";
import { explore } from "../../src/explore/explore.js";
import { FFA_RULES } from "../../src/explore/ffa-rules.js";
import { firstMachine } from "../../src/explore/first-state.js";
import { hunt } from "../../src/explore/hunt.js";
import { MM_PRESETS, MM_RULES, mmDomain } from "../../src/explore/mm-domain.js";
import { ruleText, stepText } from "../../src/explore/report.js";
import type { SystemDomain } from "../../src/explore/system-domain.js";
import { instantiateVariant, type ExploreCore } from "../../src/explore/variant.js";
import type { Operation } from "../../src/machine/operations.js";
import { messagesLeftOut } from "./system-steps.js";

const bugNamed = (name: string) =>
  BUGS.filter(hasSearch).find((bug) => bug.name === name) ?? expect.fail("no such bug");

const mapped = (addr: string, size: string, phys: string, mode = "0x7") =>
  `ffa_mm_map vm=0x1 addr=${addr} size=${size} phys=${phys} mode=${mode}`;
const unmapped = (addr: string, size: string) => `ffa_mm_unmap vm=0x1 addr=${addr} size=${size}`;
const WHOLE = mapped("0x0", "0x200000", "0x80000000");
const FEWER_RIGHTS = mapped("0x80000", "0x1000", "0x80080000", "0x1");
const ELSEWHERE = mapped("0x80000", "0x1000", "0x140000000");

// prettier-ignore
test.each<[string, RegExp, string[]]>([
  // bug                       what is found                          the shortest way
  ["hf-overmap",               /leads to the same page until/,        [WHOLE, ELSEWHERE]],
  ["hf-defrag-not-contiguous", /leads to the same page until/,        [WHOLE, unmapped("0x80000", "0x1000"), ELSEWHERE, "ffa_mm_defrag vm=0x1"]],
  ["hf-mode-range-ignores-pa", /one block of memory/,                 [WHOLE, unmapped("0x80000", "0x1000"), ELSEWHERE, "ffa_mm_get_mode vm=0x1 addr=0x7f000 size=0x2000"]],
  ["hf-walk-wrong-level",      /reads as a table what is none/,       [mapped("0x0", "0x1000", "0x80000000"), "ffa_mm_get_mode vm=0x1 addr=0x0 size=0x1000"]],
  ["hf-block-replace-flush",   /still cached/,                        [WHOLE, FEWER_RIGHTS]],
  ["hf-defrag-no-bbm",         /is written while another/,            [WHOLE, FEWER_RIGHTS]],
  ["hf-flush-wrong-regime",    /still cached after it/,               [WHOLE, unmapped("0x0", "0x200000")]],
  ["hf-defrag-own-tables",     /no call stops the hypervisor/,        [mapped("0x1ff000", "0x1000", "0x801ff000", "0x3"), "ffa_mm_defrag vm=0x1"]],
])("%s", async (name, found, way) => {
  const { finding, clean } = await hunt(bugNamed(name));
  expect(finding?.steps.map(stepText)).toEqual(way);
  expect(finding === null ? "" : ruleText(finding, MM_RULES)).toMatch(found);
  expect([clean?.end, clean?.findings]).toEqual(["exhausted", []]);
});

// A partition that retrieves memory of the normal world and gives it back: the managers' own tables.
test("hf-flush-wrong-space", async () => {
  const { finding, clean } = await hunt(bugNamed("hf-flush-wrong-space"));
  const ops = messagesLeftOut(finding?.steps ?? []);
  expect(ops).toEqual(["ffa_mem_share", "ffa_mem_retrieve_req", "ffa_mem_relinquish"]);
  expect(finding === null ? "" : ruleText(finding)).toMatch(/still cached after it/);
  expect([clean?.end, clean?.findings]).toEqual(["exhausted", []]);
});

test.each([
  [
    "hf-unmap-others-mailbox",
    /unmapped by itself alone/,
    ["ffa_rxtx_unmap vm=0x0 x64=1 tx_fault=0 wipe_fail=0 id=0x8001"],
  ],
  ["hf-rx-acquire-unknown", /EL2 stops/, ["ffa_rx_acquire vm=0x0 x64=1 tx_fault=0 wipe_fail=0 id=0x9"]],
])("%s", async (name, found, way) => {
  const { finding, clean } = await hunt(bugNamed(name));
  expect(finding?.steps.map(stepText)).toEqual(way);
  expect(finding === null ? "" : ruleText(finding, FFA_RULES)).toMatch(found);
  expect([clean?.end, clean?.findings]).toEqual(["exhausted", []]);
});

/** Where every page of two blocks leads, and in which entries. */
function tableOf({ exports }: ExploreCore): string {
  const pages = Array.from({ length: 1024 }, (_, page) => BigInt(page) * 0x1000n);
  return pages.map((ipa) => `${exports.mmOutput(1, ipa)} ${exports.mmMode(1, ipa)} ${exports.mmLevel(1, ipa)}`).join();
}

/** States by snapshots of a machine that the search has no part in. */
async function statesBySnapshots(domain: SystemDomain): Promise<number> {
  const core = await instantiateVariant();
  const machine = firstMachine(domain, core);
  const seen = new Set([tableOf(core)]);
  const open = [machine.snapshot()];
  for (let from = open.shift(); from !== undefined; from = open.shift()) {
    for (const { calls } of domain.steps) {
      machine.restore(from);
      for (const call of calls) if (call.op !== "access") machine.apply(call as Operation);
      if (seen.size === seen.add(tableOf(core)).size) continue;
      open.push(machine.snapshot());
    }
  }
  return seen.size;
}

test.each(Object.entries(MM_PRESETS))("%s: nothing is found, in as many states as by snapshots", async (_, sizes) => {
  const domain = mmDomain(sizes);
  const { end, counts, findings } = await explore(domain);
  expect([end, findings]).toEqual(["exhausted", []]);
  expect(counts.states).toBe(await statesBySnapshots(domain));
});
