// What calls of the Realm Management Monitor do and answer, decoded (assembly/abi/cca.ts).

import * as cca from "../../assembly/abi/cca.js";
import { gptName, granuleStateName } from "./cca-reasons.js";
import { hex } from "./names.js";
import type { EffectFields } from "./gunyah-rm-effects.js";

/** A granule as RMM and EL3 have it. */
export interface Granule {
  /** GRANULE_* of assembly/abi/cca.ts. */
  readonly state: number;
  /** GPT_*. */
  readonly gpt: number;
  readonly references: number;
  readonly locked: boolean;
}

export type CcaEffect =
  | { readonly kind: "smc_result"; readonly registers: readonly [bigint, bigint, bigint, bigint] }
  | { readonly kind: "granule"; readonly pa: bigint; readonly before: Granule; readonly after: Granule };

/** Takes the word of a granule apart. */
export function decodeGranule(word: bigint): Granule {
  const byte = (shift: number) => Number((word >> BigInt(shift)) & 0xffn);
  return {
    state: byte(cca.GRANULE_STATE_SHIFT),
    gpt: byte(cca.GRANULE_GPT_SHIFT) ^ cca.GPT_NS,
    references: Number(word & 0xffffn),
    locked: byte(cca.GRANULE_LOCK_SHIFT) !== 0,
  };
}

export function decodeCcaEffect(kind: number, fields: EffectFields): CcaEffect | undefined {
  const { address, before, after, extra } = fields;
  if (kind === cca.EFFECT_SMC_RESULT) return { kind: "smc_result", registers: [address, before, after, extra] };
  if (kind !== cca.EFFECT_GRANULE) return undefined;
  return { kind: "granule", pa: address, before: decodeGranule(before), after: decodeGranule(after) };
}

/** The effect in words. */
export function ccaSentence(effect: CcaEffect): string {
  if (effect.kind === "smc_result") return effect.registers.map((value, i) => `x${i + 1} = ${hex(value)}`).join(", ");
  return `granule at PA ${hex(effect.pa)}: ${granuleWords(effect.before)} -> ${granuleWords(effect.after)}`;
}

function granuleWords({ state, gpt, references, locked }: Granule): string {
  const counted = references === 0 ? "" : `, count ${references}`;
  return `${granuleStateName(state)} (${gptName(gpt)})${counted}${locked ? ", locked" : ""}`;
}
