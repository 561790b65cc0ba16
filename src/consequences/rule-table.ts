// Tables of rules: ordered rows, of which the first that applies decides. What the kernel's code does in its order of tests
// stands in such tables, and one function reads them.

import type { Citation, Mark, Rule } from "./evidence.js";
import type { EvidenceLog } from "./evidence-log.js";

/** One row: if `when` holds, `then` follows. */
export interface Row<Case, Then> {
  readonly rule: Rule;
  readonly when: (given: Case) => boolean;
  readonly then: Then;
}

/** A rule of the reference page host-and-vmm. */
export function hostRule(id: string, says: string, section: string, mark: Mark, where?: string): Rule {
  return { id, says, citation: citation("host-and-vmm", section, mark, where) };
}

/** A rule of the reference page gunyah: read in the published sources unless marked otherwise. */
export function gunyahRule(id: string, says: string, section: string, mark: Mark = "S", where?: string): Rule {
  return { id, says, citation: citation("gunyah", section, mark, where) };
}

/** A rule that recordings of a real host show. */
export function observedRule(id: string, says: string, section: string, where?: string): Rule {
  return { id, says, citation: citation("observed", section, "M", where) };
}

function citation(page: string, section: string, mark: Mark, where?: string): Citation {
  return where === undefined ? { page, section, mark } : { page, section, mark, where };
}

/** What the first row that applies says, written down as evidence. Tables end with a row that always applies. */
export function decide<Case, Then>(rows: readonly Row<Case, Then>[], given: Case, log: EvidenceLog): Then {
  for (const { rule, when, then } of rows) {
    if (!when(given)) continue;
    log.rule(rule);
    return then;
  }
  throw new Error(`no row of the table that begins with ${rows[0]?.rule.id ?? "nothing"} applies`);
}
