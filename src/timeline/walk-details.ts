// A walk of one of the machine's tables, level by level and in words.

import type { Stage2 } from "../machine/accesses.js";
import { fieldValue } from "../machine/fields.js";
import type { Machine } from "../machine/machine.js";
import { hex } from "../machine/names.js";
import { REGISTERS } from "../machine/registers-in-words.js";
import type { Access, Fault, Translation } from "../machine/translation.js";
import { describeSteps, faultWords, leafWords, type WalkSetting, type WordedStep } from "../machine/walk-in-words.js";
import type { WalkMachine } from "../machine/walk-machine.js";
import type { WalkDetails, WalkLevel } from "./timeline.js";

/** `decoder` takes the registers apart. Null if the machine has no such table. */
export function walkInWords(
  machine: Machine,
  decoder: WalkMachine,
  table: Stage2,
  ipa: bigint,
  access: Access,
): WalkDetails | null {
  const registers = machine.walkRegisters(table);
  const walk = machine.translate(table, ipa, access);
  if (registers === null || walk === null) return null;
  const setting = { registers, regime: decoder.setRegisters(registers) };
  return {
    levels: describeSteps(walk, ipa, setting).map(levelOf),
    result: resultOf(walk, access, setting),
    faults: walk.fault !== null,
    pa: walk.pa,
    registers: walk.fault === null ? [] : registersOf(walk.fault),
  };
}

function levelOf(step: WordedStep, place: number, steps: readonly WordedStep[]): WalkLevel {
  const { level, indexBits, index, address, descriptor, decoded, decision } = step;
  const summary = decoded === null ? "the read is aborted" : decoded.summary;
  // Of an entry that leads on, the decision says all that its summary would.
  const leadsOn = place < steps.length - 1;
  return {
    level,
    index: `${indexBits} = ${hex(index)}`,
    entry: address,
    descriptor,
    words: leadsOn ? decision : `${summary}: ${decision}`,
    fields: (decoded?.fields ?? []).map((field) => ({
      name: field.name,
      bits: field.bits,
      value: fieldValue(field),
      words: field.words,
    })),
  };
}

function resultOf(walk: Translation, access: Access, setting: WalkSetting): string {
  if (walk.fault !== null) return faultWords(walk, access, setting);
  const words = walk.leaf === null || setting.regime.status === "off" ? "" : `: ${leafWords(walk.leaf)}`;
  return `PA ${hex(walk.pa ?? 0n)}${words}`;
}

function registersOf({ esr, hpfar }: Fault): WalkDetails["registers"] {
  const named = (register: "esr" | "hpfar", value: bigint) => {
    const { name, decode } = REGISTERS[register];
    return { name, value, words: decode(value).summary };
  };
  return [named("esr", esr), ...(hpfar === null ? [] : [named("hpfar", hpfar)])];
}
