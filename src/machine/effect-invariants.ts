// Invariants of reference pkvm-el2 section 11 that speak of a step rather than of a state: what an operation did to the
// TLB (I25, I26), and poison that must not vanish (I21). They are checked on the operation's effects.

import type { Effect, EffectOf } from "./effects.js";
import type { Violation } from "./invariants.js";

/** What each of them says. */
export const EFFECT_INVARIANTS: Readonly<Record<string, string>> = {
  I21: "a poisoned address stays poisoned until its VM's table is destroyed",
  I25: "no cached translation grants what the tables no longer grant",
  I26: "no translation of a VMID outlives its VM",
};

/** The machine, as far as effects do not say it. */
export interface EffectGeometry {
  /** log2 of the page size. */
  readonly pageShift: number;
  /** Handle of VM slot 0; a VM's VMID is its slot + 1, the host's is 0. */
  readonly handleBase: number;
}

const VALID = 1n;
const TYPE = 2n;
const S2AP = 0xc0n;
const XN = 0x0060_0000_0000_0000n;
const XN_SHIFT = 53n;
const OUTPUT_ADDRESS = 0x0000_ffff_ffff_f000n;
const POISONED = 0x3000_0000_0000_0000n;

// These leave stale entries on purpose: the caller flushes the VMID (reference 3.12, I25's exceptions).
const LAZY = new Set([
  "host_wrprotect_guest",
  "hcall_wrprotect_guest",
  "host_test_clear_young_guest",
  "hcall_test_clear_young_guest",
]);

/**
 * Checks one operation's effects.
 *
 * @param op the verb, as in traces
 * @returns the first violation, or null
 */
export function checkEffects(geometry: EffectGeometry, op: string, effects: readonly Effect[]): Violation | null {
  const ended = effects.filter((effect) => effect.kind === "vm" && isEnd(effect));
  for (const effect of effects) {
    if (effect.kind !== "descriptor") continue;
    const gone = ended.some((end) => end.kind === "vm" && end.vm === effect.vm);
    if (effect.before === POISONED && effect.after !== POISONED && !gone) return violation("I21", effect);
    if (LAZY.has(op) || !revokes(effect)) continue;
    if (!effects.some((flush) => covers(geometry, flush, effect))) return violation("I25", effect);
  }
  for (const end of ended) {
    if (end.kind !== "vm") continue;
    const vmid = vmidOf(geometry, end.vm);
    if (effects.some((flush) => flush.kind === "tlbi_vmid" && flush.vmid === vmid)) continue;
    const statement = EFFECT_INVARIANTS["I26"] ?? "";
    return { invariant: "I26", statement, subject: BigInt(end.vm), expected: BigInt(vmid), found: 0n };
  }
  return null;
}

function violation(invariant: string, effect: EffectOf<"descriptor">): Violation {
  const statement = EFFECT_INVARIANTS[invariant] ?? "";
  return { invariant, statement, subject: effect.ipa, expected: effect.before, found: effect.after };
}

function isEnd(effect: EffectOf<"vm">): boolean {
  return effect.before.state === "dying" && effect.after.state === "free";
}

function vmidOf(geometry: EffectGeometry, vm: number): number {
  return vm === 0 ? 0 : vm - geometry.handleBase + 1;
}

/** Bytes that an entry of `level` covers. */
function granule(geometry: EffectGeometry, level: number): bigint {
  return 1n << BigInt((geometry.pageShift - 3) * (4 - level) + 3);
}

function isLeaf(descriptor: bigint, level: number): boolean {
  return (descriptor & VALID) !== 0n && (level === 3 || (descriptor & TYPE) === 0n);
}

/** Whether a valid leaf granted something that the entry does not grant any more. */
function revokes({ before, after, level }: EffectOf<"descriptor">): boolean {
  if (!isLeaf(before, level)) return false;
  if (!isLeaf(after, level)) return true;
  if ((before & OUTPUT_ADDRESS) !== (after & OUTPUT_ADDRESS)) return true;
  return (before & S2AP & ~after) !== 0n || (executes(before) & ~executes(after)) !== 0;
}

/** XN[1:0] as who may execute: bit 0 privileged, bit 1 unprivileged. */
function executes(descriptor: bigint): number {
  return [3, 2, 0, 1][Number((descriptor & XN) >> XN_SHIFT)] ?? 0;
}

// An invalidation by IPA hits the entry that translates the address, whatever its size.
function covers(geometry: EffectGeometry, flush: Effect, effect: EffectOf<"descriptor">): boolean {
  const vmid = vmidOf(geometry, effect.vm);
  const end = effect.ipa + granule(geometry, effect.level);
  switch (flush.kind) {
    case "tlbi_vmid":
      return flush.vmid === vmid;
    case "tlbi_ipa":
      return flush.vmid === vmid && flush.ipa >= effect.ipa && flush.ipa < end;
    case "tlbi_range": {
      const size = flush.pages << BigInt(geometry.pageShift);
      return flush.vmid === vmid && flush.ipa < end && flush.ipa + size > effect.ipa;
    }
    default:
      return false;
  }
}
