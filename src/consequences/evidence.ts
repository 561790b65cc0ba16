// What a step's outcome stands on: the operations that ran, the descriptors they changed, syndromes, and the rules that
// were applied, each with its source and with how well it is known. Every layer writes into one log per world.

/** How well a fact is known: measured, read from source, posted or stated by its authors, unverified. From best to worst. */
export const MARKS = ["M", "S", "P", "U"] as const;
export type Mark = (typeof MARKS)[number];

/** Where a fact is written down. */
export interface Citation {
  /** The reference page ("host-and-vmm", "gunyah", "pkvm-el2", "verbs") or "observed" (recordings of a real Linux 7.3 host). */
  readonly page: string;
  /** Its section: "1.3", "7.2". */
  readonly section: string;
  readonly mark: Mark;
  /** The real function or file, where there is one: `mm/fault.c:do_page_fault`. */
  readonly where?: string;
}

/** One row of a rule table: what follows from what. */
export interface Rule {
  /** Stable name, unique over all tables: `linux.do_sea.el1`. */
  readonly id: string;
  /** One sentence. */
  readonly says: string;
  readonly citation: Citation;
}

/** Who notices something. */
export const PARTIES = ["hypervisor", "kernel", "process", "vmm", "guest", "device"] as const;
export type Party = (typeof PARTIES)[number];

/** One piece of evidence, in the order in which things happened. Texts are ready to print, one line each. */
export type Evidence =
  | { readonly kind: "operation"; readonly text: string; readonly result: string; readonly effects: readonly string[] }
  | { readonly kind: "access"; readonly text: string; readonly result: string; readonly descriptor: string | null }
  | { readonly kind: "syndrome"; readonly register: string; readonly value: string; readonly words: string }
  | { readonly kind: "rule"; readonly rule: Rule }
  | { readonly kind: "saw"; readonly party: Party; readonly text: string };

/** The weakest of some marks; M if there are none. */
export function weakest(marks: Iterable<Mark>): Mark {
  let worst = 0;
  for (const mark of marks) worst = Math.max(worst, MARKS.indexOf(mark));
  return MARKS[worst] as Mark;
}
