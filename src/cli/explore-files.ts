// Where findings go: to the report, and the first one to the files that were asked for.

import { writeFileSync } from "node:fs";
import { isUnmended, type FoundBug } from "../explore/bugs/index.js";
import { itfOf } from "../explore/counterexample/itf.js";
import type { Retelling } from "../explore/counterexample/retelling.js";
import { traceOf } from "../explore/counterexample/trace.js";
import { ruleName, ruleText } from "../explore/report.js";
import { isSystemDomain } from "../explore/system-domain.js";
import type { Finding } from "../explore/search.js";
import type { Plan } from "./explore-plan.js";
import type { ExploreReport } from "./explore-report.js";
import { RefusedInput } from "./failure.js";
import { type Terminal, writeLine } from "./terminal.js";

/** What was found, and where. */
export interface FoundThing {
  readonly plan: Plan;
  /** The bug that the machine has. */
  readonly bug: FoundBug | null;
  readonly finding: Finding;
  readonly retelling: Retelling;
  /** Its steps, taken again, broke the rule again. */
  readonly isConfirmed: boolean;
}

export interface FileOptions {
  readonly trace?: string;
  readonly itf?: string;
}

export class FindingFiles {
  readonly report: ExploreReport;
  readonly #options: FileOptions;
  #isWritten = false;

  constructor(options: FileOptions, report: ExploreReport) {
    this.#options = options;
    this.report = report;
  }

  /** @throws RefusedInput if a file cannot be written */
  finding(found: FoundThing): void {
    this.report.finding(found.finding, found.retelling, found.isConfirmed);
    if (this.#isWritten) return;
    this.#isWritten = true;
    const { trace, itf } = this.#options;
    if (trace !== undefined) write(trace, traceText(found));
    if (itf !== undefined) {
      const { system, machine } = found.plan;
      write(itf, `${JSON.stringify(itfOf(found.retelling, titleOf(found), `${system}, ${machine}`), null, 1)}\n`);
    }
  }

  /** Says which files there is nothing to write to. */
  close({ stderr }: Terminal): void {
    if (this.#isWritten) return;
    for (const file of [this.#options.trace, this.#options.itf]) {
      if (file !== undefined) writeLine(stderr, `${file}: not written, nothing was found`);
    }
  }
}

function traceText(found: FoundThing): string {
  const { domain } = found.plan;
  if (isSystemDomain(domain) && domain.given === undefined) {
    throw new RefusedInput("--trace", 0, `there are no traces of ${domain.system}`);
  }
  return [...traceOf(domain, found.retelling, titleOf(found))].join("");
}

function titleOf({ bug, finding, plan }: FoundThing): string {
  const rules = isSystemDomain(plan.domain) ? plan.domain.rules : {};
  const rule = `${ruleName(finding)}: ${ruleText(finding, rules)}`;
  if (bug === null) return rule;
  if (isUnmended(bug)) return `${rule}; the bug ${bug.name}`;
  return `${rule}; with the bug ${bug.name}, which a replayed machine does not have`;
}

function write(path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (error) {
    throw new RefusedInput(path, 0, `cannot be written (${(error as NodeJS.ErrnoException).code ?? "unknown error"})`);
  }
}
