// Bugs of pKVM's FF-A proxy (reference bugs.md 1.3).

import * as mutations from "../../../assembly/abi/mutations.js";
import { pkvmFfaDomain } from "../pkvm-ffa-domain.js";
import type { Bug } from "./bug.js";

const domain = () => pkvmFfaDomain({ pages: 1, transactions: 1 });

export const FFA_PROXY_BUGS: readonly Bug[] = [
  {
    ...{ name: "ffa-composite-offset-wrap", section: "4", classes: ["S"] },
    source: "6.6 → 6.18 (103e17aac09c), CVE-2025-40266",
    mistake: "where the composite descriptor ends is computed in 32 bits, and wraps: EL2 reads other bytes as ranges",
    breaks: "a message that reaches beyond its end is refused as such",
    search: { mutation: mutations.FFA_COMPOSITE_OFFSET_WRAP, domain, kind: "watched" },
  },
  {
    ...{ name: "ffa-unaligned-range", section: "4", classes: ["S"] },
    source: "6.6 → 7.2 (6a7a181f6921); present in 6.12.117",
    mistake:
      "a range is shared page by page, but passed on as it came; with pages of 4K the SPMC refuses it, with larger ones not",
    breaks: "what is passed on is what was checked",
    search: { mutation: mutations.FFA_UNALIGNED_RANGE, domain, kind: "watched" },
  },
  {
    ...{ name: "ffa-reclaim-range-count", section: "4", classes: ["S"] },
    source: "→ 7.2 (8c6db30d7952)",
    mistake: "the number of ranges in the SPMC's answer to a reclaim is believed",
    breaks: "EL2 stays within its buffer",
    whyNot: "it takes an SPMC that lies; the one behind the proxy here answers as Hafnium does",
  },
  {
    ...{ name: "ffa-access-descriptor-offset", section: "4", classes: ["S"] },
    source: "6.12-era → 7.2 (a6b49d27c179)",
    mistake: "where the access descriptors are is not compared with where the fragment ends",
    breaks: "a message that reaches beyond its end is refused as such",
    search: { mutation: mutations.FFA_ACCESS_DESCRIPTOR_OFFSET, domain, kind: "watched" },
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
    breaks: "messages mean the same to both",
    whyNot: "the searches over a host with a secure world speak version 1.2 alone",
  },
  {
    ...{ name: "ffa-fragment-rollback", section: "4", classes: ["S"] },
    source: "6.6 and later",
    mistake: "what fails in a later fragment leaves the pages of earlier ones shared with the secure world",
    breaks: "pages that no transaction names stay SHARED_OWNED",
    whyNot:
      "no mutation: Linux 7.3 as it is does this; the searches over a host with a secure world leave out fragments",
  },
];
