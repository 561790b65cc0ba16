// Matrices made by hand, as a run would have left them: what a renderer prints is then known without running anything.

import type { Evidence, Mark } from "../../../src/consequences/evidence.js";
import { stepResult } from "../../../src/consequences/result.js";
import type { Cell, Matrix, Row } from "../../../src/scenario/matrix.js";
import type { ExpectationFailure } from "../../../src/scenario/expectations.js";
import type { Fate } from "../../../src/scenario/observer.js";
import type { RunReport } from "../../../src/scenario/run-scenario.js";
import type { Action, Scenario, Step } from "../../../src/scenario/scenario.js";
import type { System } from "../../../src/scenario/system.js";

export function aSystem(name: string): System {
  return {
    name,
    title: `${name} in a title`,
    about: `${name} in a sentence.`,
    lacks: new Map(),
    create: () => Promise.reject(new Error("nothing is run here")),
  };
}

export const LOAD: Action = {
  verb: "access",
  page: { name: "secret", index: 0 },
  by: "vmm",
  kind: "load",
  how: "user",
  vcpu: 0,
  value: null,
  offset: 0,
};

export function aStep(action: Action = LOAD, details: Partial<Step> = {}): Step {
  return { action, id: null, note: null, expect: new Map(), only: [], line: 0, ...details };
}

export function aScenario(name: string, details: Partial<Scenario> = {}): Scenario {
  return {
    ...{ name, title: `What ${name} does`, source: "host-and-vmm 7.2", group: "Host accesses", systems: [] },
    ...{
      participants: [],
      pages: [],
      steps: [aStep()],
      cell: 0,
      finally: new Map(),
      finallyLine: 0,
      file: `${name}.yaml`,
    },
    ...details,
  };
}

/** What a cell is to be like, for one whose only step is a load. */
export interface CellLikeness {
  readonly shows?: string;
  readonly mark?: Mark;
  readonly result?: string;
  readonly why?: string;
  readonly secret?: boolean;
  readonly intact?: boolean;
  readonly died?: readonly string[];
  readonly fates?: readonly Fate[];
  readonly failures?: readonly ExpectationFailure[];
  readonly evidence?: readonly Evidence[];
}

export function aCell(scenario: Scenario, system: System, like: CellLikeness = {}): Cell {
  const { shows = "ok", mark = "M", result = "ok", why = null, secret = true, intact = true } = like;
  const { died = [], failures = [], evidence = [], fates = [] } = like;
  const steps = scenario.steps.map((step) => {
    return { step, result: stepResult(result, { why }), skipped: false, evidence, mark, fates, failures: [] };
  });
  const end = { secret, intact, split: false, died, mark, shows, failures };
  const report: RunReport = { scenario: scenario.name, system: system.name, steps, ...end };
  return { scenario, system, report };
}

/** Rows of one group under systems of these names. */
export function aMatrix(
  systems: readonly string[],
  rows: readonly (readonly [Scenario, readonly (CellLikeness | null)[]])[],
): Matrix {
  const columns = systems.map(aSystem);
  const rowOf = (scenario: Scenario, likes: readonly (CellLikeness | null)[]): Row => ({
    scenario,
    cells: columns.map((system, i) => {
      const like = likes[i] ?? null;
      return like === null ? null : aCell(scenario, system, like);
    }),
  });
  const names = new Set(rows.map(([scenario]) => scenario.group));
  return {
    systems: columns,
    groups: [...names].map((name) => ({
      name,
      rows: rows.filter(([scenario]) => scenario.group === name).map(([scenario, likes]) => rowOf(scenario, likes)),
    })),
  };
}

/** The end of a run that was to be secret and was not. */
export const FAILURE: ExpectationFailure = { line: 9, field: "secret", expected: "true", found: "false" };

/** One of each kind. */
export const EVIDENCE: readonly Evidence[] = [
  { kind: "operation", text: "host_touch pfn=0x41000", result: "refused", effects: ["ESR_EL1 = 0x92000087"] },
  { kind: "access", text: "data read at EL0", result: "translation fault", descriptor: "level 3: owned by the guest" },
  { kind: "syndrome", register: "ESR_EL1", value: "0x92000087", words: "data abort; S1PTW is set" },
  {
    kind: "rule",
    rule: {
      id: "linux.do_page_fault.pkvm",
      says: "A marked abort of user space ends in SIGSEGV.",
      citation: { page: "host-and-vmm", section: "1.3", mark: "S", where: "mm/fault.c:do_page_fault" },
    },
  },
  { kind: "saw", party: "process", text: "SIGSEGV, SEGV_ACCERR" },
];
