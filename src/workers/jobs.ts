// What workers do for a pool: a table of jobs. A job is a function of a name; its input and its output go through messages, so
// they are plain values, typed arrays, Maps, Sets. Another worker may have a table of its own, with these in it or not.

import type { RunReport } from "../scenario/run-scenario.js";
import type { ReplayedJob, ReplayInput } from "./replay-job.js";
import type { ScenarioInput } from "./scenario-job.js";
import type { ShareResult } from "../explore/shared-search.js";
import type { SystemShareResult } from "../explore/shared-system-search.js";
import type { SpecificationShareResult } from "../explore/shared-specification.js";
import type { ShareInput, SpecificationShareInput } from "./search-job.js";

/** What a job has besides its input. */
export interface JobContext {
  /** Tells the pool's caller how far it is. */
  readonly report: (progress: unknown) => void;
  /**
   * Lets messages in, a cancellation among them. To be awaited between pieces of work; most calls cost nothing.
   *
   * @throws the reason, if the job is cancelled
   */
  readonly pause: () => Promise<void>;
  /** Aborted when the job is cancelled: for jobs that wait for something else than a pause. */
  readonly signal: AbortSignal;
}

/** Answers are cloned; one wrapped in Comlink's `transfer` moves. */
export type Job<Input, Output> = (input: Input, context: JobContext) => Promise<Output>;

// Parameters are checked where a job is named; a table's rows have nothing in common but their form.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type JobTable = Readonly<Record<string, Job<any, unknown>>>;

export type InputOf<J> = J extends Job<infer Input, unknown> ? Input : never;
export type OutputOf<J> = J extends Job<never, infer Output> ? Output : never;

/** The code of a job is loaded when it is first asked for. */
export const JOBS = {
  /** Replays a trace and compares every recorded result. */
  replay: async (input: ReplayInput, context: JobContext): Promise<ReplayedJob> =>
    (await import("./replay-job.js")).replayJob(input, context),

  /** Runs a scenario on a system. */
  scenario: async (input: ScenarioInput): Promise<RunReport> => (await import("./scenario-job.js")).scenarioJob(input),

  /** One worker's share of a search (explore.ts). */
  "search-share": async (input: ShareInput, context: JobContext): Promise<ShareResult | SystemShareResult> =>
    (await import("./search-job.js")).searchShareJob(input, context),

  /** The same over the specification machine. */
  "specification-share": async (
    input: SpecificationShareInput,
    context: JobContext,
  ): Promise<SpecificationShareResult> => (await import("./search-job.js")).specificationShareJob(input, context),
} as const;
