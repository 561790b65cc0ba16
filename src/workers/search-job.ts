// The jobs "search-share" and "specification-share": one worker's share of a search (explore/shared-search.ts,
// explore/shared-specification.ts).

import { receivedDomain, type SentDomain } from "../explore/named-domain.js";
import type { Ports } from "../explore/peers.js";
import type { Place } from "../explore/search.js";
import { searchShare, type SharedOptions, type ShareResult } from "../explore/shared-search.js";
import { searchSystemShare, type SystemShareResult } from "../explore/shared-system-search.js";
import { searchSpecificationShare, type SpecificationShareResult } from "../explore/shared-specification.js";
import type { SearchOptions } from "../explore/specification-search.js";
import type { SpecificationSource } from "../explore/specification.js";
import { isSystemDomain } from "../explore/system-domain.js";
import { useCompiledVariant } from "../explore/variant.js";
import type { CoreModule } from "../machine/module.js";
import type { JobContext } from "./jobs.js";

export interface ShareInput {
  /** The compiled exploring variant: compiled once for all workers. */
  readonly variant: CoreModule;
  readonly domain: SentDomain;
  readonly options: SharedOptions;
  readonly place: Place;
  /** They move to the worker. */
  readonly ports: Ports;
}

/** @throws as searchShare, and as searchSystemShare */
export function searchShareJob(input: ShareInput, context: JobContext): Promise<ShareResult | SystemShareResult> {
  const { variant, options, place, ports } = input;
  useCompiledVariant(variant);
  const domain = receivedDomain(input.domain);
  return isSystemDomain(domain)
    ? searchSystemShare(domain, options, place, ports, context)
    : searchShare(domain, options, place, ports, context);
}

export interface SpecificationShareInput {
  readonly options: SearchOptions;
  readonly place: Place;
  /** They move to the worker. */
  readonly ports: Ports;
  /** The memory is that of all workers. */
  readonly source: SpecificationSource;
}

/** @throws as searchSpecificationShare */
export function specificationShareJob(
  { options, place, ports, source }: SpecificationShareInput,
  context: JobContext,
): Promise<SpecificationShareResult> {
  return searchSpecificationShare(options, place, ports, context, source);
}
