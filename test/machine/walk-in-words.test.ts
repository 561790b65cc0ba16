// The words of a walk against what Arm's model recorded: kinds and addresses told of a descriptor are those the walk used.

import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { coveredSize, descriptorAddress } from "../../src/machine/descriptor-in-words.js";
import {
  descriptorContext,
  describeSteps,
  faultWords,
  regimeWords,
  type WalkSetting,
} from "../../src/machine/walk-in-words.js";
import type { Translation } from "../../src/machine/translation.js";
import { WalkMachine } from "../../src/machine/walk-machine.js";
import { parseWalkLine } from "../../src/trace/golden-walk-format.js";

test.each(["g4k-lpa2", "g4k-pa48-be", "g4k-pa48-fwb", "g16k-lpa2-hd", "g16k-pa52", "g64k-pa44", "g64k-pa52-abort"])(
  "%s",
  async (name) => {
    const text = gunzipSync(readFileSync(`test/vectors/walk/${name}.jsonl.gz`)).toString();
    const machine = await WalkMachine.create();
    let setting: WalkSetting | null = null;
    let walks = 0;
    for (const line of text.split("\n").slice(1, 1500)) {
      if (line === "") continue;
      const { type, value } = parseWalkLine(JSON.parse(line));
      if (type === "config") {
        machine.clear();
        setting = { registers: value.registers, regime: machine.setRegisters(value.registers) };
        machine.writeWords(value.words);
      } else if (type === "walk" && setting !== null) {
        checkWords(machine.walk(value.ipa, value.access), value.ipa, setting);
        walks += 1;
      }
    }
    expect(walks).toBeGreaterThan(1000);
  },
);

/** Every step but the last is a table that leads to the next, and the index names the entry. */
function checkWords(walk: Translation, ipa: bigint, setting: WalkSetting): void {
  const context = descriptorContext(setting);
  const steps = describeSteps(walk, ipa, setting);
  steps.forEach(({ level, address, index, descriptor, decoded }, i) => {
    const next = steps[i + 1];
    if (i === 0) expect(address).toBe(setting.regime.base + 8n * index);
    if (next === undefined) return;
    expect(decoded?.kind).toBe("table");
    expect(next.address).toBe(descriptorAddress(descriptor, level, context) + 8n * next.index);
  });
  checkEnd(walk, ipa, setting);
}

function checkEnd(walk: Translation, ipa: bigint, setting: WalkSetting): void {
  const context = descriptorContext(setting);
  const last = describeSteps(walk, ipa, setting).at(-1);
  if (walk.fault !== null) {
    expect(faultWords(walk, { kind: "read" }, setting)).toMatch(/^[A-Z].*, level -?\d: ./);
    if (last === undefined || walk.fault.kind !== "translation") return;
    expect(["invalid", "reserved"]).toContain(last.decoded?.kind);
    return;
  }
  expect(["page", "block"]).toContain(last?.decoded?.kind);
  if (last === undefined || walk.leaf?.contiguous !== false) return;
  const size = coveredSize(last.level, context);
  expect(descriptorAddress(last.descriptor, last.level, context) + (ipa % size)).toBe(walk.pa);
}

test.each<[string, bigint, bigint, string]>([
  // what                         VTCR_EL2       VTTBR_EL2     words
  ["KVM's 40-bit stage 2", 0x8002_3558n, 0x4800_0000n, "start level 1, 2 concatenated tables at 0x48000000"],
  ["a first table too large", 0x8002_3510n, 0x4800_0000n, "illegal, the start level does not fit the input size"],
  ["T0SZ out of limits", 0x8002_3500n, 0x4800_0000n, "illegal, VTCR_EL2.T0SZ is out of limits"],
  ["no such start level", 0x8002_75d8n, 0x4800_0000n, "illegal, VTCR_EL2.SL0 and SL2 name no start level"],
])("%s", async (_what, vtcr, vttbr, words) => {
  const registers = { vtcr, vttbr, features: { ttst: true } };
  const regime = (await WalkMachine.create()).setRegisters(registers);
  expect(regimeWords({ registers, regime })).toContain(words);
});
