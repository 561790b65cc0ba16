// What the variant in which two CPUs' operations interleave exports besides.

export { localsBytes, localsOf, releasedLocks, suspend, suspendedOperation } from "./cpus";
export {
  interleavedDeepest,
  interleavedExpanded,
  interleavedTransitions,
  interleavedTried,
  runInterleaving,
  startInterleaving,
  startTurns,
  take,
} from "./interleaving";
export { runSchedule, takenParts } from "./schedule";
