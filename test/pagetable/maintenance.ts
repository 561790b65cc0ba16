// TLB and cache maintenance of an operation, one line each, in order.

import type { Effect } from "../../src/machine/effects.js";

/**
 * `vmid 0: 0x80400000 level 1` is a TLBI by IPA, `vmid 0: 0x80800000 +512 pages` one by range, `vmid 0: all` one of a whole
 * VMID; `local` goes before one that is for this CPU only. Cache maintenance: `dcache 0x90000000 4096`, `icache`, `poc`.
 */
export function maintenanceOf(effects: readonly Effect[]): string[] {
  return effects.flatMap((effect) => {
    const line = lineOf(effect);
    return line === null ? [] : [line];
  });
}

const hex = (address: bigint): string => `0x${address.toString(16)}`;

function lineOf(effect: Effect): string | null {
  switch (effect.kind) {
    case "tlbi_ipa":
      return `vmid ${effect.vmid}: ${hex(effect.ipa)} level ${effect.level ?? "unknown"}`;
    case "tlbi_ipa_nsh":
      return `local vmid ${effect.vmid}: ${hex(effect.ipa)} level ${effect.level ?? "unknown"}`;
    case "tlbi_range":
      return `vmid ${effect.vmid}: ${hex(effect.ipa)} +${effect.pages} pages`;
    case "tlbi_vmid":
      return `vmid ${effect.vmid}: all`;
    case "dcache":
    case "icache":
    case "poc":
      return `${effect.kind} ${hex(effect.pa)} ${effect.size}`;
    default:
      return null;
  }
}
