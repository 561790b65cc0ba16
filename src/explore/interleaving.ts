// The variant of the core in which two CPUs' operations interleave where EL2 releases its locks, and the steps of a way in it.

import { STEP_CPU, STEP_GOES_ON, STEP_OPERATION, STEP_SUSPENDED } from "../../assembly/abi/explore.js";
import { compileModule, instantiateModule, type CoreModule } from "../machine/module.js";
import type { Step, Turn } from "./domain.js";
import type { ExploreCore, ExploreExports } from "./variant.js";

/** Parts that a state has besides: what both CPUs left between, one for each, and what orders their calls may have. */
export const PARTS_OF_TWO_CPUS = 4;

/** What assembly/explore/interleaving-index.ts exports besides. */
export interface InterleavingExports extends ExploreExports {
  readonly startInterleaving: (invariants: bigint, rules: number) => number;
  readonly runInterleaving: (states: number, untilFinding: number) => number;
  readonly interleavedExpanded: () => number;
  readonly interleavedTried: () => bigint;
  readonly interleavedTransitions: () => bigint;
  readonly interleavedDeepest: () => number;
  readonly runSchedule: (parts: number) => number;
  readonly takenParts: () => number;
  readonly startTurns: () => number;
  readonly take: (cpu: number, operation: number) => number;
  readonly suspendedOperation: (cpu: number) => number;
  readonly releasedLocks: (cpu: number) => number;
  readonly localsOf: (cpu: number) => number;
  readonly localsBytes: (cpu: number) => number;
}

/** One instance. */
export interface InterleavingCore extends ExploreCore {
  readonly exports: InterleavingExports;
}

let compiled: Promise<CoreModule> | undefined;

/**
 * Makes a new instance, whose search is that of two CPUs. The first call compiles the module.
 *
 * @param bytes the module, where it cannot be read from the file beside the built package (in a browser)
 */
export async function instantiateInterleaving(bytes?: Uint8Array): Promise<InterleavingCore> {
  compiled ??= compileModule("freehold-interleave.wasm", bytes);
  const core = (await instantiateModule(await compiled)) as InterleavingCore;
  const { exports } = core;
  return {
    ...core,
    exports: {
      ...exports,
      startSearch: exports.startInterleaving,
      runSearch: exports.runInterleaving,
      expandedCount: exports.interleavedExpanded,
      triedCount: exports.interleavedTried,
      transitionCount: exports.interleavedTransitions,
      deepestState: exports.interleavedDeepest,
      runWay: exports.runSchedule,
      takenSteps: exports.takenParts,
    },
  };
}

/** The step that a number of the core's means. */
export function turnOf(steps: readonly Step[], code: number): Step | undefined {
  const step = steps[code & STEP_OPERATION];
  if (step === undefined) return undefined;
  const cpu = (code & STEP_CPU) === 0 ? 0 : 1;
  const releases = (code & STEP_SUSPENDED) === 0 ? 0 : 1;
  return {
    ...step,
    cpu,
    ...partOf((code & STEP_GOES_ON) !== 0, releases === 1),
    ...(releases === 0 ? {} : { releases }),
  };
}

/** The parts of a step as numbers that a schedule is made of. */
export function partsOfTurn(operation: number, { cpu = 0, part, releases = 0 }: Turn): number[] {
  const parts = releases + (part === "begin" || part === "middle" ? 0 : 1);
  return Array.from({ length: parts }, () => operation | (cpu === 1 ? STEP_CPU : 0));
}

function partOf(goesOn: boolean, isSuspended: boolean): Pick<Turn, "part"> {
  if (goesOn) return { part: isSuspended ? "middle" : "end" };
  return isSuspended ? { part: "begin" } : {};
}

/** The same way with parts of an operation put together between which no other CPU came in. */
export function withoutPauses(steps: readonly Step[]): Step[] {
  const joined: Step[] = [];
  for (const step of steps) {
    const last = joined.at(-1);
    const goesOn = step.part === "middle" || step.part === "end";
    if (goesOn && last !== undefined && last.cpu === step.cpu) joined[joined.length - 1] = joinedWith(last, step);
    else joined.push(step);
  }
  return joined;
}

function joinedWith(
  { part: first, releases: before = 0, ...step }: Step,
  { part: last, releases: after = 0 }: Step,
): Step {
  return { ...step, ...partOf(first !== "begin", last === "middle"), releases: before + after };
}
