// The specification machine as a module of its own, so that the replaying module pays nothing for it. An instance is one worker's
// share of one search, or a machine to be stepped by hand.

export { step } from "./protocol";
export {
  addInitial,
  beginDepth,
  broken,
  brokenBy,
  count,
  createSearch,
  expand,
  growTable,
  nextCall,
  panicHere,
  panicking,
  panics,
  transitions,
} from "./search";
export { brokenRule } from "./invariants";
export { canonicalise } from "./canonical";
export { configure, pages, setState, slots } from "./state";
export { pagesOf, parentOf, slotsOf, visitedBytes } from "./visited";
