// The log of a world: operations, accesses and syndromes in the product's words, made when they are read.

import { expect, test } from "vitest";
import { EvidenceLog } from "../../src/consequences/evidence-log.js";
import type { Operation } from "../../src/machine/operations.js";
import { Machine } from "../../src/machine/machine.js";
import { hostRule } from "../../src/consequences/rule-table.js";

const RULE = hostRule("test.rule", "one thing follows from another", "1.3", "S");

async function aMachine(): Promise<Machine> {
  return Machine.create({ regions: [{ base: "0x40000000", size: "0x4000000" }] });
}

test("an operation: arguments, verdict, effects", async () => {
  const machine = await aMachine();
  const log = new EvidenceLog();
  const share: Operation = { op: "host_share_hyp", pfn: 0x41000n };
  log.operation(machine, share, machine.apply(share));
  log.operation(machine, share, machine.apply(share));

  const [first, second] = log.take();
  expect(first).toMatchObject({
    kind: "operation",
    text: "host_share_hyp pfn=0x41000",
    result: "done by __pkvm_host_share_hyp, which answered 0",
  });
  expect(first?.kind === "operation" ? first.effects : []).toContain("pfn 0x41000: host OWNED -> SHARED_OWNED");
  expect(second).toMatchObject({
    result: "refused with -EPERM by __pkvm_host_share_hyp: pfn 0x41000 is SHARED_OWNED at the host, must be OWNED",
    effects: [],
  });
});

test("an access: the descriptor is that of the moment, whatever happens before the log is read", async () => {
  const machine = await aMachine();
  const log = new EvidenceLog();
  const donate: Operation = { op: "host_donate_hyp", pfn: 0x41000n, nr: 1 };
  machine.apply(donate);
  const access = { stage2: "host", ipa: 0x4100_0000n, kind: "read", el: 0 } as const;
  log.access(machine, access, machine.access("host", access.ipa, "read", { el: 0 }));
  machine.apply({ op: "hyp_donate_host", pfn: 0x41000n, nr: 1 });

  expect(log.take()).toEqual([
    {
      kind: "access",
      text: "data read at EL0, host stage 2, IPA 0x41000000",
      result: "Data Abort from a lower Exception level: Translation fault, level 3, on a read",
      descriptor: "level 3: donated to EL2",
    },
  ]);
});

test("a syndrome: pKVM's mark is named, and does not hide the kind of access", () => {
  const log = new EvidenceLog();
  log.syndrome("ESR_EL1", 0x9200_00c7n);
  expect(log.take()).toEqual([
    {
      kind: "syndrome",
      register: "ESR_EL1",
      value: "0x920000c7",
      words: "Data Abort from a lower Exception level: Translation fault, level 3, on a write; S1PTW is set",
    },
  ]);
});

test("take gives what came since the last take; marks stay", () => {
  const log = new EvidenceLog();
  log.rule(RULE);
  log.saw("guest", () => "nothing");
  expect(log.take()).toEqual([
    { kind: "rule", rule: RULE },
    { kind: "saw", party: "guest", text: "nothing" },
  ]);
  expect(log.take()).toEqual([]);
  expect(log.marks()).toEqual(["S"]);
});

test("without texts nothing is kept but the marks, and no sentence is made", () => {
  const log = new EvidenceLog({ texts: false });
  log.rule(RULE);
  log.saw("guest", () => {
    throw new Error("not asked for");
  });
  expect(log.take()).toEqual([]);
  expect(log.marks()).toEqual(["S"]);
});

test("restated rules: the words stay or change as the system has it, and the mark that counts is the new one", () => {
  const log = new EvidenceLog();
  log.restateRules((rule) => ({ ...rule, citation: { ...rule.citation, mark: "U" } }));
  log.rule(RULE);
  expect(log.take()).toEqual([{ kind: "rule", rule: { ...RULE, citation: { ...RULE.citation, mark: "U" } } }]);
  expect(log.marks()).toEqual(["U"]);
});
