// `freehold explore`: visits every state of a small machine, and shows the shortest way to a broken rule.

import { Command } from "commander";
import { MUTATION_NONE } from "../../assembly/abi/mutations.js";
import type { FoundBug } from "../explore/bugs/index.js";
import { foundAgain } from "../explore/counterexample/again.js";
import { minimise } from "../explore/counterexample/minimise.js";
import { retell } from "../explore/counterexample/retelling.js";
import { explore as search, type Exploration, type ExploreOptions } from "../explore/explore.js";
import { hunt, type Explorer } from "../explore/hunt.js";
import { PRESETS } from "../explore/presets.js";
import { inOrder, namesText } from "../explore/report.js";
import { CHEAP_RULES, RULES, rulesFor } from "../explore/rules.js";
import type { Finding, SearchCounts } from "../explore/search.js";
import { isSystemDomain, type AnyDomain } from "../explore/system-domain.js";
import { domainFromTrace } from "../explore/trace-domain.js";
import { count } from "../machine/names.js";
import { readInput } from "../trace/input.js";
import { exploreInWorkers } from "../workers/explore.js";
import { openWorkerPool, type NodeJobs } from "../workers/node.js";
import type { WorkerPool } from "../workers/pool.js";
import { duration, operationNumber, pageRanges, positiveCount, workerCount } from "./arguments.js";
import { DIVERGED, FINE, LIMIT } from "./exit-codes.js";
import { exploreRandom } from "./explore-random.js";
import { FindingFiles, type FoundThing } from "./explore-files.js";
import {
  cpuCount,
  declaredRules,
  foreignBug,
  foreignRule,
  planOf,
  ruleNames,
  type ChosenRules,
  searchedBug,
  sizeOptions,
  systemOf,
  vmKinds,
  type Plan,
  type PlanOptions,
} from "./explore-plan.js";
import { JsonExploreReport, progressText, TextExploreReport } from "./explore-report.js";
import { inputFailure, writeFailure } from "./failure.js";
import type { PageRange } from "./page-ranges.js";
import { statusLine } from "./progress.js";
import { table, type Terminal } from "./terminal.js";

export interface ExploreCommandOptions extends PlanOptions {
  readonly rules?: ChosenRules;
  readonly all?: boolean;
  readonly workers?: number;
  readonly cpus?: 1 | 2;
  readonly maxStates?: number;
  /** False: also states that differ in the names of interchangeable pages alone are visited each. */
  readonly symmetry?: boolean;
  readonly seconds?: number;
  readonly minutes?: number;
  readonly json?: boolean;
  readonly from?: string;
  readonly operation?: number;
  readonly random?: boolean;
  readonly seed?: number;
  readonly ways?: number;
  readonly campaign?: string;
  readonly inPlay?: readonly PageRange[];
  /** Files to write the first finding to. */
  readonly trace?: string;
  readonly itf?: string;
}

export function exploreCommand(terminal: Terminal, finish: (exitCode: number) => void): Command {
  const command: Command = new Command("explore");
  return command
    .description("Search every state of a small machine for a broken rule, and show the shortest way to it.")
    .option("--system <name>", `which hypervisor: ${Object.keys(PRESETS).join(", ")}`, "pkvm")
    .option("--preset <name>", `how large a machine: ${presetNames()} (default: small)`)
    .option(
      "--bug <name>",
      "with a bug of the catalogue; and once more without, to see that it is the bug",
      searchedBug,
    )
    .option("--rules <names>", "only these rules, with commas between (default: those that cost little)", ruleNames)
    .option("--all", "do not stop at the first finding: the shortest way to each broken rule")
    .option("--workers <n>", "search with so many threads", workerCount)
    .option(
      "--cpus <n>",
      "2: the operations of two CPUs interleave where EL2 releases its locks (default: 1)",
      cpuCount,
    )
    .option("--random", "try ways at random, where there are more states than can be visited (pKVM machines)")
    .option("--seed <n>", "of --random: the same seed tries the same ways (default: 1)", positiveCount)
    .option("--ways <n>", "of --random: stop when so many ways were tried", positiveCount)
    .option("--campaign <file>", "of --random: keep it in this file, and go on with what is there already")
    .option(
      "--max-states <n>",
      "stop when so many states were found (default: 20000000; 500000 for other systems than pKVM)",
      positiveCount,
    )
    .option(
      "--no-symmetry",
      "also visit states that differ in the names of interchangeable pages alone (pKVM machines)",
    )
    .option("--seconds <n>", "stop after so long", duration)
    .option("--minutes <n>", "stop after so long", duration)
    .option("--pages <n>", "pages that change hands", positiveCount)
    .option("--table-pages <n>", "pages that the host offers for guests' tables", positiveCount)
    .option("--vms <kinds>", "a VM each: p protected, n not, with commas between", vmKinds)
    .option("--gfns <n>", "guest frames of every VM", positiveCount)
    .option("--makes-vms", "the host makes the VMs too: else they are there from the start")
    .option("--trace <file>", "write the first finding as a Freehold trace, which freehold replay replays")
    .option("--itf <file>", "write the first finding in the Informal Trace Format, for viewers of counterexamples")
    .option("--json", "JSON Lines on standard output: a line for each search and each finding, a total at the end")
    .option("--in-play <ranges>", "of --from: the pages whose state counts, as --pages of freehold replay", pageRanges)
    .option("--from <trace>", "begin in a state of this trace, a Freehold trace or golden vectors of pKVM")
    .option("--operation <n>", "of --from: behind so many operations", operationNumber)
    .addHelpText("after", () => rulesHelp())
    .action(async (options: ExploreCommandOptions) => {
      const mistake = mistakeIn(options);
      if (mistake !== null) command.error(`error: ${mistake}`);
      if (options.from !== undefined) {
        finish(await exploreFrom(options.from, options.operation ?? 0, options, terminal));
        return;
      }
      const plan = planOf(options);
      if (typeof plan === "string") command.error(`error: ${plan}`);
      const foreign = foreignOption(options, plan);
      if (foreign !== null) command.error(`error: ${foreign}`);
      if (options.random === true) finish(await exploreRandom(plan, options, terminal));
      else finish(await explore(plan, options, terminal));
    });
}

function mistakeIn(options: ExploreCommandOptions): string | null {
  const { from, operation, preset, workers, system, bug, inPlay } = options;
  const cpus = options.cpus ?? bug?.search.cpus ?? 1;
  if (operation !== undefined && from === undefined) return "--operation goes with --from";
  if (inPlay !== undefined && from === undefined) return "--in-play goes with --from";
  if (from !== undefined && preset !== undefined) return "--preset does not go with --from";
  if (from !== undefined && system !== "pkvm") return "--from: only with --system pkvm";
  const [size] = sizeOptions(options);
  if (from !== undefined && size !== undefined) return `${size} does not go with --from`;
  if (options.random === true && (from !== undefined || cpus === 2))
    return "--random goes with neither --from nor two CPUs";
  if (options.random !== true && (options.seed ?? options.ways ?? options.campaign) !== undefined) {
    return "--seed, --ways and --campaign go with --random";
  }
  if (options.random === true && bug !== undefined) return "--bug: every state is searched, and none at random";
  if (options.random === true && options.maxStates !== undefined) return "--max-states: --random keeps no states";
  if (options.random === true && options.all === true) return "--all: --random goes on behind findings";
  if (bug !== undefined && options.all === true)
    return "--all does not go with --bug, which is searched until it is found";
  if (from !== undefined && bug !== undefined && systemOf(bug) !== "pkvm") return foreignBug(bug, "pkvm");
  if (cpus === 2 && workers !== undefined) return "--workers does not go with two CPUs";
  return null;
}

/** What does not go with the system that is searched, which may be the bug's; null: everything does. */
function foreignOption({ cpus, random, rules }: ExploreCommandOptions, plan: Plan): string | null {
  const { system } = plan;
  if (random === true && system !== "pkvm") return "--random: only with --system pkvm";
  if (cpus === 2 && system !== "pkvm") return "--cpus: only with --system pkvm";
  return rules === undefined ? null : foreignRule(rules, plan);
}

/** Searches from a state of a trace. */
async function exploreFrom(
  file: string,
  operation: number,
  options: ExploreCommandOptions,
  terminal: Terminal,
): Promise<number> {
  try {
    const domain = await domainFromTrace(readInput(file), operation, options.inPlay ?? null);
    const plan = { system: "pkvm", machine: `${file} behind ${count(operation, "operation")}`, domain };
    return await explore(plan, options, terminal);
  } catch (error) {
    const failure = inputFailure(file, error);
    writeFailure(failure, options.json === true, terminal);
    return failure.exitCode;
  }
}

function presetNames(): string {
  return Object.entries(PRESETS)
    .map(([system, presets]) => `${Object.keys(presets).join(", ")} (${system})`)
    .join("; ");
}

function rulesHelp(): string {
  const cost = (name: string) => (CHEAP_RULES.some((cheap) => cheap === name) ? "" : ", if asked for");
  const rules = Object.entries(RULES).map(([name, statement]) => [`  ${name}`, `${statement}${cost(name)}`]);
  return ["", "Rules:", ...table(rules), ...declaredHelp()].join("\n");
}

/** What each system declares; a rule that stands above is named alone. */
function declaredHelp(): string[] {
  const told = new Map<string, string>();
  return Object.keys(PRESETS).flatMap((system) => {
    const rules = Object.entries(declaredRules(system));
    const again = rules.filter(([name, statement]) => told.get(name) === statement).map(([name]) => name);
    const fresh = rules.filter(([name]) => !again.includes(name));
    for (const [name, statement] of fresh) told.set(name, statement);
    const above = again.length === 0 ? "" : `, and ${namesText(again)} as above`;
    const lines = table(inOrder(fresh, ([name]) => name).map(([name, statement]) => [`  ${name}`, statement]));
    return ["", `Rules of --system ${system} (invariant: all of these${above}):`, ...lines];
  });
}

/**
 * Searches, and with a bug searches again without it.
 *
 * @returns the exit code
 */
export async function explore(plan: Plan, options: ExploreCommandOptions, terminal: Terminal): Promise<number> {
  const Report = options.json === true ? JsonExploreReport : TextExploreReport;
  const report = new Report(options.bug ?? null, terminal);
  const line = statusLine(terminal);
  const onProgress = (counts: SearchCounts) => line.update((seconds) => progressText(counts, seconds));
  const limits = { ...limitsOf(options), onProgress };
  report.begin(plan, options);
  const findings = new FindingFiles(options, report);
  const pool = options.workers === undefined ? null : await openWorkerPool({ size: options.workers });
  const run = pool === null ? search : inWorkers(pool, plan);
  try {
    const exitCode =
      options.bug === undefined
        ? await searchRules(plan, { ...limits, all: options.all === true }, findings, run)
        : await searchBug(plan, options.bug, limits, findings, run);
    findings.close(terminal);
    return exitCode;
  } catch (error) {
    const failure = inputFailure("", error);
    writeFailure(failure, options.json === true, terminal);
    return failure.exitCode;
  } finally {
    line.clear();
    await pool?.close();
  }
}

function inWorkers(pool: WorkerPool<NodeJobs>, { name }: Plan): Explorer {
  return (domain, options) => {
    if (!isSystemDomain(domain)) return exploreInWorkers(pool, domain, options);
    if (name === undefined) throw new Error(`a machine of ${domain.system} that has no name`);
    return exploreInWorkers(pool, name, options);
  };
}

function limitsOf({
  rules,
  cpus,
  maxStates,
  symmetry = true,
  seconds,
  minutes,
}: ExploreCommandOptions): ExploreOptions {
  const time = Math.min(seconds ?? Infinity, (minutes ?? Infinity) * 60);
  return {
    ...rules,
    ...(cpus === undefined ? {} : { cpus }),
    ...(maxStates === undefined ? {} : { maxStates }),
    symmetry,
    seconds: time,
  };
}

async function searchRules(plan: Plan, options: ExploreOptions, output: FindingFiles, run: Explorer): Promise<number> {
  const exploration = await run(plan.domain, options);
  output.report.searched(null, exploration);
  for (const finding of exploration.findings) output.finding(await confirmed(plan, null, finding, options));
  output.report.end({ found: exploration.findings.length > 0, searches: [exploration] });
  return exploration.findings.length > 0 ? DIVERGED : unlessBounded([exploration]);
}

async function searchBug(
  plan: Plan,
  bug: FoundBug,
  limits: ExploreOptions,
  output: FindingFiles,
  run: Explorer,
): Promise<number> {
  const { mutated, clean, finding } = await hunt(bug, limits, plan.domain, run);
  output.report.searched(bug, mutated);
  if (finding !== null)
    output.finding(await confirmed(plan, bug, finding, { rules: rulesFor(finding.kind), ...limits }));
  if (clean !== null) output.report.searched(null, clean);
  const searches = clean === null ? [mutated] : [mutated, clean];
  output.report.end({ found: finding !== null, searches });
  return finding !== null ? DIVERGED : unlessBounded(searches);
}

/** A finding is believed once its steps, taken again, break the rule again. */
async function confirmed(
  plan: Plan,
  bug: FoundBug | null,
  finding: Finding,
  options: ExploreOptions,
): Promise<FoundThing> {
  const mutation = bug?.search.mutation ?? MUTATION_NONE;
  const again = finding.steps.length > 0 ? await takenAgain(plan.domain, finding, { ...options, mutation }) : finding;
  const shown = again ?? finding;
  const retelling = await retell(plan.domain, shown.steps, mutation);
  return { plan, bug, finding: shown, retelling, isConfirmed: again !== null };
}

function takenAgain(domain: AnyDomain, finding: Finding, options: ExploreOptions): Promise<Finding | null> {
  return isSystemDomain(domain) ? foundAgain(domain, finding, options) : minimise(domain, finding, options);
}

function unlessBounded(searches: readonly Exploration[]): number {
  return searches.every(({ end }) => end === "exhausted" || end === "found") ? FINE : LIMIT;
}
