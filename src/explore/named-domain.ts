// Domains by name. Those of other systems than pKVM hold functions, which no message carries: a worker is told the name of a
// domain, and makes it again.

import { BUGS, hasSearch } from "./bugs/index.js";
import type { Domain } from "./domain.js";
import { PRESETS } from "./presets.js";
import type { AnyDomain } from "./system-domain.js";

/** The machine of a preset, or the one that shows a bug of the catalogue. */
export type DomainName = { readonly system: string; readonly preset: string } | { readonly bug: string };

/** What can be sent: a domain of pKVM, which is data, or the name of any. */
export type SentDomain = Domain | DomainName;

/** @throws RangeError if nothing has this name */
export function namedDomain(name: DomainName): AnyDomain {
  const make = "bug" in name ? bugDomain(name.bug) : PRESETS[name.system]?.[name.preset];
  if (make === undefined) throw new RangeError(`no domain is named ${JSON.stringify(name)}`);
  return make();
}

const bugDomain = (name: string): (() => AnyDomain) | undefined =>
  BUGS.filter(hasSearch).find((bug) => bug.name === name)?.search.domain;

/** The domain that was sent. */
export const receivedDomain = (domain: AnyDomain | DomainName): AnyDomain =>
  "steps" in domain ? domain : namedDomain(domain);
