// `freehold explore --random`: ways drawn at random, for machines with more states than can be visited.

import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { CAMPAIGN_SECONDS, newCampaign, runCampaign, type CampaignState } from "../explore/campaign/campaign.js";
import { keyOf, runChunk, type CampaignFinding, type ChunkInput } from "../explore/campaign/chunk.js";
import {
  CampaignFileError,
  chunkLine,
  headerLine,
  readCampaign,
  type CampaignIdentity,
} from "../explore/campaign/saved.js";
import type { Way } from "../explore/campaign/way.js";
import { retell } from "../explore/counterexample/retelling.js";
import type { Domain } from "../explore/domain.js";
import { Search } from "../explore/search.js";
import { count } from "../machine/names.js";
import { isSystemDomain } from "../explore/system-domain.js";
import { openWorkerPool } from "../workers/node.js";
import { DIVERGED, LIMIT } from "./exit-codes.js";
import { FindingFiles, type FileOptions } from "./explore-files.js";
import type { ChosenRules, Plan, PlanOptions } from "./explore-plan.js";
import { JsonExploreReport, TextExploreReport, type ExploreReport } from "./explore-report.js";
import { inputFailure, RefusedInput, writeFailure } from "./failure.js";
import { statusLine } from "./progress.js";
import type { Terminal } from "./terminal.js";

export interface RandomOptions extends PlanOptions, FileOptions {
  readonly seed?: number;
  readonly ways?: number;
  readonly seconds?: number;
  readonly minutes?: number;
  readonly workers?: number;
  readonly rules?: ChosenRules;
  readonly json?: boolean;
  /** The file that the campaign is kept in. */
  readonly campaign?: string;
}

/**
 * Runs a campaign, or goes on with the one in the file.
 *
 * @returns the exit code: that nothing was found is always a bound that was reached
 */
export async function exploreRandom(plan: Plan, options: RandomOptions, terminal: Terminal): Promise<number> {
  const { domain } = plan;
  const Report = options.json === true ? JsonExploreReport : TextExploreReport;
  const report: ExploreReport = new Report(null, terminal);
  const line = statusLine(terminal);
  try {
    if (isSystemDomain(domain)) throw new Error(`a campaign on a machine of ${domain.system}`);
    report.begin(plan, options);
    const state = await runAndKeep(domain, identityOf(plan, options), options, (now) => {
      line.update(
        () => `${count(now.ways, "way")}, ${count(now.reached, "kind")} reached, ${now.findings.length} found`,
      );
    });
    line.clear();
    report.tried(state);
    const files = new FindingFiles(options, report);
    for (const { finding } of state.findings) {
      const retelling = await retell(domain, finding.steps);
      files.finding({ plan, bug: null, finding, retelling, isConfirmed: true });
    }
    files.close(terminal);
    return state.findings.length > 0 ? DIVERGED : LIMIT;
  } catch (error) {
    const failure = inputFailure(options.campaign ?? "", refused(error, options.campaign));
    writeFailure(failure, options.json === true, terminal);
    return failure.exitCode;
  } finally {
    line.clear();
  }
}

/** What tells this campaign from another one. */
function identityOf({ system, machine }: Plan, options: RandomOptions): CampaignIdentity {
  const { seed = 1, rules } = options;
  const { pages, tablePages, vms, gfns, makesVms } = options;
  const search = { system, machine, sizes: { pages, tablePages, vms, gfns, makesVms }, rules };
  return { seed, search: JSON.parse(JSON.stringify(search)) as unknown };
}

async function runAndKeep(
  domain: Domain,
  identity: CampaignIdentity,
  options: RandomOptions,
  onProgress: (state: CampaignState) => void,
): Promise<CampaignState> {
  const { campaign: file, workers = 1, ways, seconds, minutes } = options;
  const state = file === undefined ? newCampaign() : await stateIn(file, domain, identity, options);
  let tried = state.ways;
  const asked = Math.min(seconds ?? Infinity, (minutes ?? Infinity) * 60);
  const pool = workers > 1 ? await openWorkerPool({ size: workers }) : null;
  try {
    await runCampaign(state, {
      domain,
      options: { ...options.rules },
      seed: identity.seed,
      workers,
      run: pool === null ? runChunk : (input: ChunkInput) => pool.run("campaign", input),
      seconds: asked === Infinity && ways === undefined ? CAMPAIGN_SECONDS : asked,
      ...(ways === undefined ? {} : { ways }),
      onChunk: (result, now) => {
        if (file !== undefined) appendFileSync(file, chunkLine(now.ways - tried, result));
        tried = now.ways;
        onProgress(now);
      },
    });
  } finally {
    await pool?.close();
  }
  return state;
}

/** The campaign in the file, which is begun if there is none. A line that broke off is cut away. */
async function stateIn(
  file: string,
  domain: Domain,
  identity: CampaignIdentity,
  options: RandomOptions,
): Promise<CampaignState> {
  const text = existsSync(file) ? readFileSync(file, "utf8") : "";
  const whole = text.slice(0, text.lastIndexOf("\n") + 1);
  if (whole === "") {
    if (text !== "") throw new CampaignFileError(1, "no line of a campaign: it has no end");
    writeFileSync(file, headerLine(identity));
    return newCampaign();
  }
  const search = await Search.forWays(domain, options.rules);
  const state = readCampaign(whole, identity, (way) => foundOn(search, way));
  if (whole.length < text.length) writeFileSync(file, whole);
  return state;
}

function foundOn(search: Search, way: Way): CampaignFinding | null {
  const { finding } = search.tryWay(way);
  return finding === null ? null : { key: keyOf(finding), way, finding };
}

function refused(error: unknown, file = "--campaign"): unknown {
  if (error instanceof CampaignFileError) return new RefusedInput(file, error.line, error.message);
  const { code } = error as NodeJS.ErrnoException;
  return typeof code === "string" && /^E[A-Z]+$/.test(code)
    ? new RefusedInput(file, 0, `cannot be used: ${code}`)
    : error;
}
