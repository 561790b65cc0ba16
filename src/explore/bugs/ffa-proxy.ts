// Bugs of pKVM's FF-A proxy (reference bugs.md 1.3).

import * as mutations from "../../../assembly/abi/mutations.js";
import { PKVM_FFA_PRESETS, pkvmFfaDomain } from "../pkvm-ffa-domain.js";
import type { Bug } from "./bug.js";

const domain = () => pkvmFfaDomain({ pages: 1, transactions: 1 });

export const FFA_PROXY_BUGS: readonly Bug[] = [
  {
    ...{ name: "ffa-composite-offset-wrap", section: "4", classes: ["S"] },
    source: "6.6 → 6.18 (103e17aac09c), CVE-2025-40266",
    mistake: "where the composite descriptor ends is computed in 32 bits, and wraps: EL2 reads other bytes as ranges",
    breaks: "a message that reaches beyond its end is refused as such",
    search: { mutation: mutations.FFA_COMPOSITE_OFFSET_WRAP, domain, kind: "watched", rule: "message" },
  },
  {
    ...{ name: "ffa-unaligned-range", section: "4", classes: ["S"] },
    source: "6.6 → 7.2 (6a7a181f6921); present in 6.12.117",
    mistake:
      "a range is shared page by page, but passed on as it came; with pages of 4K the SPMC refuses it, with larger ones not",
    breaks: "what is passed on is what was checked",
    search: { mutation: mutations.FFA_UNALIGNED_RANGE, domain, kind: "watched", rule: "message" },
  },
  {
    ...{ name: "ffa-reclaim-range-count", section: "4", classes: ["S"] },
    source: "→ 7.2 (8c6db30d7952)",
    mistake: "the number of ranges in the SPMC's answer to a reclaim is believed",
    breaks: "EL2 stays within its buffer",
    search: {
      mutation: mutations.FFA_RECLAIM_RANGE_COUNT,
      domain: () => pkvmFfaDomain({ pages: 1, transactions: 1, lies: "range counts" }),
      kind: "panic",
    },
  },
  {
    ...{ name: "ffa-access-descriptor-offset", section: "4", classes: ["S"] },
    source: "6.12-era → 7.2 (a6b49d27c179)",
    mistake: "where the access descriptors are is not compared with where the fragment ends",
    breaks: "a message that reaches beyond its end is refused as such",
    search: { mutation: mutations.FFA_ACCESS_DESCRIPTOR_OFFSET, domain, kind: "watched", rule: "message" },
  },
  {
    ...{ name: "ffa-rx-never-released", section: "4", classes: ["S"] },
    source: "6.6 → 6.10 (d66e50beb911)",
    mistake: "EL2 keeps its receive buffer after reading an answer, and the next answer is refused",
    breaks: "a call that is refused changes nothing; the next reclaim fails too, for ever",
    search: { mutation: mutations.FFA_RX_NEVER_RELEASED, domain, kind: "refusal" },
  },
  {
    ...{ name: "ffa-version-not-negotiated", section: "4", classes: ["X", "S*"] },
    source: "6.6 → 6.13-era",
    mistake: "host and proxy take the same message for layouts of different versions",
    breaks: "a message in the layout of the version in use is not refused as malformed",
    search: {
      mutation: mutations.FFA_VERSION_NOT_NEGOTIATED,
      domain: () => pkvmFfaDomain(PKVM_FFA_PRESETS.versions),
      kind: "watched",
      rule: "understood",
    },
  },
  {
    ...{ name: "ffa-fragment-rollback", section: "4", classes: ["S"] },
    source: "6.6 and later",
    mistake: "what fails in a later fragment leaves the pages of earlier ones shared with the secure world",
    breaks: "a page that the host shares with the secure world is in a transaction of the SPMC's",
    // No mutation: 7.3 does this.
    search: {
      mutation: mutations.MUTATION_NONE,
      domain: () => pkvmFfaDomain(PKVM_FFA_PRESETS.fragments),
      kind: "watched",
      rule: "recorded",
    },
  },
];
