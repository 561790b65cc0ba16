// A random campaign: pieces of it are given to workers as they are free, what they reach that is new goes into those that follow,
// and what they find is told once per broken rule and verb.

import type { CampaignFinding, ChunkInput, ChunkResult } from "./chunk.js";
import type { Way } from "./way.js";

/** Ways in a piece: seconds of work at most. */
const WAYS_OF_CHUNK = 1000;

/** How long a campaign runs unless another bound is given. */
export const CAMPAIGN_SECONDS = 60;

/** What is known of a campaign, and all that is needed to go on with it. */
export interface CampaignState {
  /** So many ways were tried. */
  ways: number;
  operations: number;
  readonly corpus: Way[];
  readonly findings: CampaignFinding[];
  reached: number;
}

export const newCampaign = (): CampaignState => ({ ways: 0, operations: 0, corpus: [], findings: [], reached: 0 });

export interface CampaignOptions extends Pick<ChunkInput, "domain" | "options" | "seed"> {
  /** Pieces that run at a time. */
  readonly workers: number;
  /** Runs a piece: here, or in a worker. */
  readonly run: (input: ChunkInput) => Promise<ChunkResult>;
  /** No piece is begun after so many seconds, or beyond so many ways. */
  readonly seconds?: number;
  readonly ways?: number;
  readonly signal?: AbortSignal;
  /** Hears of every piece that is done, with what is new of it, before the next one begins: the place to save it. */
  readonly onChunk: (result: ChunkResult, state: CampaignState) => void;
}

/**
 * Goes on with a campaign until its time is over.
 *
 * @param state of which it begins, and which it changes
 * @throws what a piece throws
 */
export async function runCampaign(state: CampaignState, options: CampaignOptions): Promise<void> {
  const { seconds = Infinity, ways = Infinity, workers, run, onChunk, signal, ...of } = options;
  const start = performance.now();
  let next = state.ways;
  const isOver = () => signal?.aborted === true || performance.now() - start >= seconds * 1000 || next >= ways;
  const work = async (): Promise<void> => {
    while (!isOver()) {
      const first = next;
      const count = Math.min(WAYS_OF_CHUNK, ways - first);
      next = first + count;
      const known = state.findings.map(({ key }) => key);
      const result = await run({ ...of, first, ways: count, corpus: [...state.corpus], known });
      onChunk(add(state, result, count), state);
    }
  };
  await Promise.all(Array.from({ length: workers }, work));
}

/** What of a piece is new: another one may have found the same meanwhile. */
function add(state: CampaignState, result: ChunkResult, ways: number): ChunkResult {
  const isKnown = (key: string) => state.findings.some((finding) => finding.key === key);
  const findings = result.findings.filter(({ key }) => !isKnown(key));
  state.ways += ways;
  state.operations += result.operations;
  state.corpus.push(...result.kept);
  state.findings.push(...findings);
  state.reached = Math.max(state.reached, result.reached);
  return { ...result, findings };
}
