// Searches on all workers of a pool, each with its share. The answer is that of a search in this thread.

import type { Exploration, ExploreOptions } from "../explore/explore.js";
import type { SentDomain } from "../explore/named-domain.js";
import { connect } from "../explore/peers.js";
import type { Finding, FoundAt, SearchCounts } from "../explore/search.js";
import type { ShareResult } from "../explore/shared-search.js";
import type { SystemShareResult } from "../explore/shared-system-search.js";
import { total, type SearchOptions, type SearchResult } from "../explore/specification-search.js";
import { createSharedMemory } from "../explore/specification.js";
import { compiledVariant } from "../explore/variant.js";
import type { JOBS } from "./jobs.js";
import type { JobOptions, WorkerPool } from "./pool.js";
import { WorkerDied } from "./thread.js";

export interface SharedExploreOptions extends ExploreOptions {
  /** Stops the search. */
  readonly signal?: AbortSignal;
}

type SearchPool = Pick<WorkerPool<typeof JOBS>, "run" | "size">;

/**
 * Searches until everything was visited, a rule is broken, or a bound is reached. A round that was begun is finished: of pKVM, what
 * stops at the first finding has visited more states than a search in one thread, which stops in the middle of one.
 *
 * @param pool all its workers search; with other work to do, they begin when it is done
 * @param domain one of pKVM, or the name of any
 * @throws as `explore`; the signal's reason; WorkerDied if a worker dies: its share is lost, and the search with it
 */
export async function exploreInWorkers(
  pool: SearchPool,
  domain: SentDomain,
  options: SharedExploreOptions = {},
): Promise<Exploration> {
  const { onProgress, signal, ...shared } = options;
  const variant = await compiledVariant();
  const progress: SearchCounts[] = [];
  const start = performance.now();
  const results = await onAll(pool, signal, (worker, ports, running) => {
    const place = { worker, workers: pool.size };
    const heard = (counts: unknown): void => {
      progress[worker] = counts as SearchCounts;
      onProgress?.(sum(Object.values(progress)));
    };
    const input = { variant, domain, options: shared, place, ports };
    return pool.run("search-share", input, { ...running, onProgress: heard });
  });
  return { ...together(results, options), seconds: (performance.now() - start) / 1000 };
}

export interface SpecificationOptions extends SearchOptions {
  /** Stops the search. */
  readonly signal?: AbortSignal;
  /** The module, where it cannot be read from the file beside the built package (in a browser). */
  readonly bytes?: Uint8Array;
}

/**
 * Visits all states of the specification machine.
 *
 * @throws as `searchSpecification`, and as `exploreInWorkers`
 */
export async function exploreSpecificationInWorkers(
  pool: SearchPool,
  { signal, bytes, ...options }: SpecificationOptions,
): Promise<SearchResult & { readonly seconds: number }> {
  const source = { memory: createSharedMemory(), ...(bytes && { bytes }) };
  const results = await onAll(pool, signal, (worker, ports, running) => {
    const input = { options, place: { worker, workers: pool.size }, ports, source };
    return pool.run("specification-share", input, running);
  });
  return {
    ...total(results.map(({ counts }) => counts)),
    depth: Math.max(...results.map(({ depth }) => depth)),
    exhausted: results.every(({ exhausted }) => exhausted),
    findings: results.flatMap(({ findings }) => findings),
    seconds: Math.max(...results.map(({ seconds }) => seconds)),
  };
}

type Ports = ReturnType<typeof connect>[number];

/** Gives every worker its share. When one fails or dies, none goes on. */
async function onAll<Result>(
  pool: SearchPool,
  signal: AbortSignal | undefined,
  run: (worker: number, ports: Ports, running: Pick<JobOptions, "signal" | "transfer">) => Promise<Result>,
): Promise<Result[]> {
  const stop = new AbortController();
  const either = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  const shares = connect(pool.size).map((ports, worker) =>
    run(worker, ports, { signal: either, transfer: ports.filter((port) => port !== null) }),
  );
  try {
    return await Promise.all(shares);
  } catch (error) {
    if (!(error instanceof WorkerDied)) throw error;
    throw new WorkerDied(`a search cannot go on without a worker's share: ${error.message}`, { cause: error });
  } finally {
    stop.abort();
    await Promise.allSettled(shares);
  }
}

/** All shares end for the same reason. */
function together(
  results: readonly (ShareResult | SystemShareResult)[],
  { all = false, until }: ExploreOptions,
): Omit<Exploration, "seconds"> {
  const counts = sum(results.map((result) => result.counts));
  const findings = distinct(results.flatMap((result) => result.findings));
  return {
    end: results[0]?.end ?? "exhausted",
    counts,
    findings: all || until !== undefined ? findings : findings.slice(0, 1),
  };
}

/** All have the same states; what was tried is shared out. */
function sum(shares: readonly SearchCounts[]): SearchCounts {
  return shares.reduce((one, other) => ({
    states: Math.max(one.states, other.states),
    expanded: Math.max(one.expanded, other.expanded),
    tried: one.tried + other.tried,
    transitions: one.transitions + other.transitions,
    depth: Math.max(one.depth, other.depth),
    bytesPerState: Math.max(one.bytesPerState, other.bytesPerState),
    ...(one.compared === undefined ? {} : { compared: sumCompared(one, other) }),
    ...(one.inAll === undefined || other.inAll === undefined
      ? {}
      : { inAll: { states: one.inAll.states, transitions: one.inAll.transitions + other.inAll.transitions } }),
  }));
}

function sumCompared(...shares: readonly SearchCounts[]): Required<SearchCounts>["compared"] {
  const sumOf = (key: "answers" | "states") => shares.reduce((all, { compared }) => all + (compared?.[key] ?? 0n), 0n);
  return { answers: sumOf("answers"), states: sumOf("states") };
}

/** Of pKVM each worker has findings of its own; of other systems all have the same, in their order. */
const isPlaced = (finding: Finding | FoundAt): finding is FoundAt => "at" in finding;

const byPlace = (one: FoundAt, other: FoundAt) => one.at[0] - other.at[0] || one.at[1] - other.at[1];

/** The first of those that break the same rule by the same operation, in the order in which one worker finds them. */
function distinct(findings: readonly (Finding | FoundAt)[]): Finding[] {
  const sorted = findings.every(isPlaced) ? findings.toSorted(byPlace) : findings;
  const byRule = new Map<string, Finding>();
  for (const finding of sorted) {
    const key = [finding.kind, finding.rule, finding.code, finding.steps.at(-1)?.op].join(" ");
    if (!byRule.has(key)) byRule.set(key, finding);
  }
  return [...byRule.values()];
}
