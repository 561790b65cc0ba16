// How well the host's rules are known under Gunyah.

import type { Rule } from "../../../consequences/evidence.js";

/**
 * Linux's rules were measured on a host under pKVM. Nothing of Gunyah was run on hardware (reference host-and-vmm 6): what
 * the same code does there is read from its source.
 */
export function asReadFromSource(rule: Rule): Rule {
  const { citation } = rule;
  return citation.mark === "M" ? { ...rule, citation: { ...citation, mark: "S" } } : rule;
}
