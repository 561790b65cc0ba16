// Spin and Freehold count the same protocol: bench/spin/ownership.pml has the states of assembly/explore/specification/.

import { expect, test } from "vitest";
import { SpinVerifier } from "../../bench/spin/process.js";
import { searchSpecification, type SearchOptions } from "../../src/explore/specification-search.js";

const BOTH: SearchOptions = { pages: 2, guests: [true, false], gfns: 1, pins: 1, shares: 1 };
const hasSpin = SpinVerifier.isThere();

// prettier-ignore
test.skipIf(!hasSpin).each<[string, SearchOptions]>([
  ["a guest of each kind",             BOTH],
  ["three pages, two gfns, two pins",  { ...BOTH, pages: 3, gfns: 2, pins: 2, shares: 2 }],
  ["a host that abandons",             { ...BOTH, pages: 3, gfns: 2, shares: 3, abandons: true }],
  ["three guests",                     { ...BOTH, guests: [true, false, true], gfns: 1, pages: 3 }],
])("%s: as many states and transitions", async (_, options) => {
  const verifier = SpinVerifier.build(options)!;
  try {
    const { states, transitions } = await searchSpecification(options);
    expect(verifier.run(20)).toMatchObject({ states, transitions });
  } finally {
    verifier.remove();
  }
});
