// A machine's whole state as text, for "nothing changed" and "both ways end the same".

import { createHash } from "node:crypto";
import type { Machine } from "../../../src/machine/machine.js";

const hex = (value: bigint): string => value.toString(16);

/** Pages, leaves and tables of all stage 2s, VMs and vCPUs, one line each. Not: contents of pages. */
export function stateOf(machine: Machine): string {
  const lines = machine
    .pages()
    .map((run) => `P ${hex(run.pfn)} ${run.pages} ${run.host} ${run.hyp} ${run.refcount} ${run.shares}`);
  const vms = machine.vms();
  const stage2s = ["host" as const, ...vms.filter(({ state }) => state !== "reserved").map(({ vm }) => vm)];
  for (const stage2 of stage2s) {
    for (const { ipa, level, descriptor } of machine.leaves(stage2)) {
      lines.push(`L ${stage2} ${hex(ipa)} ${level} ${hex(descriptor)}`);
    }
    for (const { ipa, level } of machine.tables(stage2)) lines.push(`T ${stage2} ${hex(ipa)} ${level}`);
  }
  for (const { vm, state, protected: isProtected, vcpus } of vms)
    lines.push(`V ${vm} ${state} ${isProtected} ${vcpus}`);
  for (const { vm, vcpu, memcache, loaded, hostMemcache } of machine.vcpus()) {
    lines.push(`C ${vm} ${vcpu} ${memcache} ${loaded} ${hostMemcache}`);
  }
  return lines.join("\n");
}

/** The contents of pages, one line each: `zeros` or a digest. */
export function contentsOf(machine: Machine, pfns: readonly bigint[]): string {
  const lines = pfns.map((pfn) => {
    const bytes = machine.readPage(pfn << BigInt(machine.pageShift));
    const digest = createHash("sha256").update(bytes).digest("hex");
    return `D ${hex(pfn)} ${bytes.every((byte) => byte === 0) ? "zeros" : digest.slice(0, 16)}`;
  });
  return lines.join("\n");
}
