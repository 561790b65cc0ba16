// A trace of no operations, for what looks at the memory of a machine alone.

import { createOwnership } from "../../../src/timeline/ownership.js";
import type { LoadedTrace, MapRegion } from "../../../src/timeline/timeline.js";

export function machineOf(regions: readonly MapRegion[], more: Partial<LoadedTrace> = {}) {
  const pages = regions.reduce((sum, region) => sum + region.pages, 0);
  const none = new Uint32Array();
  const bytes = new Uint8Array();
  const trace: LoadedTrace = {
    summary: { format: "", ops: 0, matched: 0, diverged: 0, first: null, panic: null, description: "" },
    system: "pkvm",
    pageShift: 12,
    regions,
    firstOperation: 0,
    parties: ["host"],
    verbs: [],
    operations: {
      count: 0,
      line: none,
      verb: new Uint16Array(),
      vm: none,
      page: none,
      pages: none,
      ret: new Int32Array(),
      flags: bytes,
    },
    changes: { count: 0, operation: none, page: none, before: bytes, after: bytes },
    initial: new Uint8Array(pages),
    ...more,
  };
  return { trace, ownership: createOwnership(trace) };
}
