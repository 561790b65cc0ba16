// A piece of a campaign: so many ways, tried on one machine. It is the same whoever runs it, and when: a worker that dies is missed
// by nobody but the clock.

import type { Domain } from "../domain.js";
import { Search, type Finding, type SearchOptions } from "../search.js";
import { shortened } from "./minimise.js";
import { Random } from "./random.js";
import { nextWay, type Way } from "./way.js";

export interface ChunkInput {
  readonly domain: Domain;
  /** What is looked after, and the bug that the machine has. */
  readonly options: SearchOptions;
  readonly seed: number;
  /** Number of the first way, and how many. */
  readonly first: number;
  readonly ways: number;
  /** Ways of earlier pieces that have reached something new. */
  readonly corpus: readonly Way[];
  /** Keys of findings that are known: they are not minimised again. */
  readonly known: readonly string[];
}

/** A finding with the steps that lead to it, by their numbers. */
export interface CampaignFinding {
  /** The broken rule and the verb that broke it: what makes two findings the same. */
  readonly key: string;
  readonly way: Way;
  readonly finding: Finding;
}

export interface ChunkResult {
  /** Ways that reached something that no way before them had. */
  readonly kept: readonly Way[];
  readonly findings: readonly CampaignFinding[];
  /** Operations that were carried out, those of the corpus left out. */
  readonly operations: number;
  /** Different (verb, check that refused it, answer) reached, the corpus's among them. */
  readonly reached: number;
}

/**
 * Tries the ways.
 *
 * @throws RangeError if the domain does not fit, Error if its first state cannot be made
 */
export async function runChunk(input: ChunkInput): Promise<ChunkResult> {
  const { domain, options, seed, first, ways, corpus } = input;
  const search = await Search.forWays(domain, options);
  const known = new Set(input.known);
  const kept: Way[] = [];
  const findings: CampaignFinding[] = [];
  let operations = 0;
  for (const way of corpus) search.tryWay(way);
  for (let number = first; number < first + ways; number++) {
    const way = nextWay(new Random(seed, number), [...corpus, ...kept], domain.steps.length);
    const outcome = search.tryWay(way);
    operations += outcome.way.length;
    if (outcome.finding === null) {
      if (outcome.isNew) kept.push(outcome.way);
      continue;
    }
    const found = { key: keyOf(outcome.finding), way: outcome.way, finding: outcome.finding };
    if (known.has(found.key)) continue;
    known.add(found.key);
    findings.push(minimised(search, found));
  }
  return { kept, findings, operations, reached: search.reached };
}

function minimised(search: Search, { key, way }: CampaignFinding): CampaignFinding {
  const shortest = shortened(way, wayTo(search, key));
  const { finding } = search.tryWay(shortest);
  if (finding === null) throw new Error("a way that led to a finding leads there no more");
  return { key, way: shortest, finding };
}

/** Tries ways to one finding: a way as far as it led there, or null if it did not. */
export function wayTo(search: Search, key: string): (way: Way) => Way | null {
  return (way) => {
    const outcome = search.tryWay(way);
    return outcome.finding !== null && keyOf(outcome.finding) === key ? outcome.way : null;
  };
}

/** Which rule is broken, and by which verb. */
export function keyOf({ kind, code, steps }: Finding): string {
  return `${kind} ${code} ${steps.at(-1)?.op ?? "boot"}`;
}
