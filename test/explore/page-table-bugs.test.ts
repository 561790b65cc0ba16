// The bugs of the page-table library: the shortest ways are those that reference bugs.md section 3 gives, in EL2's own functions.

import { expect, test } from "vitest";
import { BUGS, hasSearch } from "../../src/explore/bugs/index.js";
import { hunt } from "../../src/explore/hunt.js";
import { ruleText, stepText } from "../../src/explore/report.js";

const wayTo = async (name: string): Promise<readonly string[]> => {
  const bug = BUGS.filter(hasSearch).find((each) => each.name === name) ?? expect.fail("no such bug");
  const { finding } = await hunt(bug, { maxStates: 10_000 });
  if (finding === null) return [];
  return [ruleText(finding), ...finding.steps.map(stepText)];
};

const BLOCK = "pfn=0x40200 nr=0x200";
const shared = (rights: string) => `host_share_guest vm=0x1000 vcpu=0 ${rights}`;
const mapped = (size: string, flags = 0, prot = "prot=0xf") =>
  `pt_map addr=0x40000000 ${size} phys=0x80000000 ${prot} mc=1 flags=${flags}`;
const WHOLE_BLOCK = shared("pfn=0x40200 gfn=0x80000 nr=0x200 prot=0xf");
const ONE_PAGE = shared("pfn=0x40205 gfn=0x80005 nr=0x1 prot=0xf");

// prettier-ignore
test.each<[string, RegExp, string[]]>([
  // bug                             what is found              the shortest way
  ["walker-stale-entry-after-pre",   /walk goes down into/,     [`host_donate_hyp ${BLOCK}`, `hyp_donate_host ${BLOCK}`]],
  ["valid-update-leaks-table-ref",   /reference count/,                    ["host_donate_guest vm=0x1000 vcpu=0 pfn=0x40205 gfn=0x80005", "guest_share_host vm=0x1000 vcpu=0 gfn=0x80005"]],
  ["deferred-flush-after-table-free", /given back while/,       [ONE_PAGE, "host_unshare_guest vm=0x1000 gfn=0x80005 nr=0x1"]],
  ["level-hint-on-table",            /names a level/,           [ONE_PAGE, "host_unshare_guest vm=0x1000 gfn=0x80005 nr=0x1"]],
  ["relax-perms-level",              /names a level/,           ["host_relax_perms_guest vm=0x1000 vcpu=0 gfn=0x80000 prot=0xc"]],
  ["relax-perms-drops-exec",         /loses a right/,           [WHOLE_BLOCK, "host_relax_perms_guest vm=0x1000 vcpu=0 gfn=0x80000 prot=0xc"]],
  ["cmo-on-unmapped-page",           /EL2 stops/,               [WHOLE_BLOCK, "host_unshare_guest vm=0x1000 gfn=0x80000 nr=0x200"]],
  ["aging-partial-block",            /EL2 stops/,               [WHOLE_BLOCK, "host_test_clear_young_guest vm=0x1000 gfn=0x80005 nr=0x1 mkold=1"]],
  ["flush-range-not-for-pkvm", /VMID was flushed/, [WHOLE_BLOCK, "host_wrprotect_guest vm=0x1000 gfn=0x80000 nr=0x200", "hcall_tlb_flush_vmid vm=0x1000"]],
  // What no call of EL2's leads to, on a table by itself.
  ["pa-ipa-drift",                   /leads elsewhere/,         [mapped("size=0x1000"), mapped("size=0x2000", 16)]],
  ["merge-flushes-one-ipa",          /is written while/,        [mapped("size=0x2000"), mapped("size=0x200000")]],
  ["free-unlinked-double-put",       /EL2 stops/,               [mapped("size=0x40000000"), "pt_split addr=0x40000000 size=0x40000000 nobjs=513"]],
  ["range-operand-max",              /still cached after/,      [mapped("size=0x40000000"), "pt_unmap addr=0x40000000 size=0x200000000"]],
  ["map-lowers-permissions",         /loses a right/,           [mapped("size=0x1000"), mapped("size=0x1000", 0, "prot=0xb")]],
])("%s", async (name, found, way) => {
  const [rule, ...steps] = await wayTo(name);
  expect(steps).toEqual(way);
  expect(rule).toMatch(found);
});
