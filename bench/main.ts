// npm run bench: the workloads in Freehold, plain C and plain JavaScript, side by side in one run.

import { Command, InvalidArgumentError } from "commander";
import { CTwin } from "./c/process.js";
import { EXPLORE_IDS, measureExploration } from "./explore.js";
import { measureFfa } from "./ffa.js";
import { ffaWorkloads } from "./ffa-definitions.js";
import { Freehold } from "./freehold.js";
import { measureGunyah } from "./gunyah.js";
import { gunyahWorkloads } from "./gunyah-definitions.js";
import { measure, type Rates, type Variant } from "./harness.js";
import { JavaScriptTwin } from "./js/twin.js";
import { measureLargeMachine } from "./large-machine.js";
import { measureReplay, type TraceKind } from "./replay.js";
import { formatTable, toJson, type Row } from "./report.js";
import { measureTimeline, timelineMachines } from "./timeline.js";
import { writeTracefsTrace } from "./traces.js";
import { writeJsonlTrace } from "./traces-jsonl.js";
import { walkWorkloads } from "./walk-definitions.js";
import { measureWalks } from "./walks.js";
import { BROWSER_IDS, measureBrowser } from "./web/browser.js";
import { measureWorkers, workersIds, workersWorkloads } from "./workers.js";
import { workloads, type WorkloadDefinition } from "./workloads.js";

interface Options {
  readonly json?: true;
  readonly seconds: number;
  readonly rounds: number;
  readonly megabytes: number;
}

/** One figure or several that are measured together. */
interface Measurement {
  readonly ids: readonly string[];
  /** Another name under which it can be asked for. */
  readonly family?: string;
  readonly run: (variants: readonly Variant[], options: Options) => Promise<Row[]>;
}

const traces: readonly TraceKind[] = [
  { id: "T1-tracefs", title: "replay of a tracefs text", write: writeTracefsTrace },
  { id: "T1-jsonl", title: "replay of a Freehold trace (JSON Lines)", write: writeJsonlTrace },
];

const measurements: readonly Measurement[] = [
  ...workloads.map((workload) => ({
    ids: [workload.id],
    run: async (variants: readonly Variant[], { seconds, rounds }: Options) => {
      return [rowOf(workload, await measure(workload, variants, { seconds, repeats: rounds }))];
    },
  })),
  ...walkWorkloads.map((workload) => ({
    ids: [workload.id],
    family: "walk",
    run: async (_: readonly Variant[], { seconds, rounds }: Options) => {
      return [await measureWalks(workload, { seconds, repeats: rounds })];
    },
  })),
  ...gunyahWorkloads.map((workload) => ({
    ids: [workload.id],
    family: "gunyah",
    run: async (_: readonly Variant[], { seconds, rounds }: Options) => {
      return [await measureGunyah(workload, { seconds, repeats: rounds })];
    },
  })),
  ...ffaWorkloads.map((workload) => ({
    ids: [workload.id],
    family: "ffa",
    run: async (_: readonly Variant[], { seconds, rounds }: Options) => {
      return [await measureFfa(workload, { seconds, repeats: rounds })];
    },
  })),
  ...traces.map((trace) => ({
    ids: [trace.id, `${trace.id}-growth`],
    run: (_: readonly Variant[], { megabytes, rounds }: Options) => measureReplay(trace, megabytes * 1e6, rounds),
  })),
  ...workersWorkloads.map((workload) => ({
    ids: workersIds(workload.id),
    family: "workers",
    run: (_: readonly Variant[], { rounds }: Options) => measureWorkers(workload, rounds),
  })),
  { ids: ["M64-create", "M64-memory"], run: measureLargeMachine },
  ...timelineMachines.map((size) => ({
    ids: [`${size.id}-load`, `${size.id}-goto`, `${size.id}-goto-worst`],
    family: "timeline",
    run: () => measureTimeline(size),
  })),
  { ids: BROWSER_IDS, family: "browser", run: (_: readonly Variant[], { rounds }: Options) => measureBrowser(rounds) },
  { ids: EXPLORE_IDS, family: "explore", run: (_, { rounds }) => measureExploration(rounds) },
];

function rowOf({ id, title, bound }: WorkloadDefinition, rates: Rates): Row {
  return { id, title, bound, unit: "M ops/s", freehold: rates.freehold!, c: rates.c ?? null, js: rates.js ?? null };
}

async function main(): Promise<void> {
  const command = new Command("bench")
    .description("Measures the workloads beside plain C and plain JavaScript in one interleaved run.")
    .argument(
      "[id...]",
      "what to measure, for example W1n T1-tracefs; a family by its beginning (T1) or name (walk, gunyah, ffa, explore, timeline, browser); all if left out",
    )
    .option(
      "--json",
      "JSON Lines: {id, unit, freehold, c, js, overC, overJs}, null where there is no figure (walks in a batch: prefetch, overPrefetch too; searches: spin, overSpin, states, bytesPerState)",
    )
    .option("--seconds <n>", "measured time per variant and round", positive, 1)
    .option("--rounds <n>", "rounds, of which the median is taken", positive, 5)
    .option("--megabytes <n>", "size of the traces of T1", positive, 1000)
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
    .parse();
  const ids = measurements.flatMap((measurement) => measurement.ids);
  const unknown = command.args.find((wanted) => !measurements.some((measurement) => isWanted(measurement, wanted)));
  if (unknown !== undefined) command.error(`error: no measurement "${unknown}"; there are ${ids.join(" ")}`);

  const c = CTwin.start();
  try {
    await report(c, command.args, command.opts());
  } finally {
    c?.stop();
  }
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError("a number above 0 is needed");
  return value;
}

/** Without regard to case; a whole family by its beginning. */
function isWanted({ ids, family }: Measurement, wanted: string): boolean {
  const name = wanted.toLowerCase();
  return family === name || ids.some((id) => `${id}-`.toLowerCase().startsWith(`${name}-`));
}

async function report(c: CTwin | null, wanted: readonly string[], options: Options): Promise<void> {
  const variants: Variant[] = [{ name: "freehold", runner: new Freehold() }];
  if (c !== null) variants.push({ name: "c", runner: c });
  variants.push({ name: "js", runner: new JavaScriptTwin() });

  const rows: Row[] = [];
  for (const measurement of measurements) {
    if (wanted.length > 0 && !wanted.some((want) => isWanted(measurement, want))) continue;
    const { ids, run } = measurement;
    progress(`measuring ${ids.join(", ")} ...`);
    try {
      for (const row of await run(variants, options)) {
        rows.push(row);
        if (options.json) console.log(toJson(row));
      }
    } catch (error) {
      progress("");
      console.error(`${ids[0]}: ${(error as Error).message}`);
      process.exitCode = 1;
    }
  }
  progress("");
  if (!options.json) console.log(formatTable(rows));
  // Standard output is for machines with --json, so there the remark goes beside it.
  const remark = options.json ? console.error : console.log;
  if (c === null) remark("There is no C compiler (cc) here: the C columns are empty.");
}

/** Says on a terminal what is going on; the line is replaced each time. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

await main();
