// A campaign in a file, one JSON object a line, and nothing in it is ever written again: a campaign that is killed has lost at most
// the pieces that were running.
//
//   {"freehold":"campaign","version":1,"seed":1,"search":{...}}     what is searched; the rest belongs to this alone
//   {"ways":1000,"operations":41230,"reached":96,"kept":[[3,1,4],...],"found":[{"key":"...","way":[2,7]}]}      a piece that is done

import { z } from "zod";
import type { CampaignFinding, ChunkResult } from "./chunk.js";
import type { CampaignState } from "./campaign.js";
import type { Way } from "./way.js";

const whole = z.int().nonnegative();
const steps = z.array(whole.max(0xffff));

const HEADER = z.strictObject({
  freehold: z.literal("campaign"),
  version: z.literal(1),
  seed: z.int(),
  search: z.unknown(),
});

const CHUNK = z.strictObject({
  ways: whole,
  operations: whole,
  reached: whole,
  kept: z.array(steps),
  found: z.array(z.strictObject({ key: z.string(), way: steps })),
});

/** The file belongs to another search, or is no campaign's. */
export class CampaignFileError extends Error {
  override readonly name = "CampaignFileError";
  /** From 1. */
  readonly line: number;

  constructor(line: number, message: string) {
    super(message);
    this.line = line;
  }
}

/** Whose campaign it is: its seed, and what is searched in terms that JSON has. */
export interface CampaignIdentity {
  readonly seed: number;
  readonly search: unknown;
}

export function headerLine({ seed, search }: CampaignIdentity): string {
  return `${JSON.stringify({ freehold: "campaign", version: 1, seed, search })}\n`;
}

/**
 * @param ways that were tried in the piece
 * @param result what is new of it
 */
export function chunkLine(ways: number, { operations, reached, kept, findings }: ChunkResult): string {
  const found = findings.map(({ key, way }) => ({ key, way: [...way] }));
  return `${JSON.stringify({ ways, operations, reached, kept: kept.map((way) => [...way]), found })}\n`;
}

/**
 * Reads a campaign's file. A last line that breaks off is left out: its piece was being written when the campaign was killed.
 *
 * @param found makes a finding of a way again
 * @throws CampaignFileError
 */
export function readCampaign(
  text: string,
  identity: CampaignIdentity,
  found: (way: Way) => CampaignFinding | null,
): CampaignState {
  const [first = "", ...lines] = text.split("\n");
  const header = parsed(HEADER, first, 1);
  if (headerLine(header) !== headerLine(identity)) {
    throw new CampaignFileError(1, "this is the campaign of another search: its system, sizes, rules or seed differ");
  }
  const state: CampaignState = { ways: 0, operations: 0, corpus: [], findings: [], reached: 0 };
  lines.pop(); // what follows the last newline
  lines.forEach((line, index) => {
    const chunk = parsed(CHUNK, line, index + 2);
    state.ways += chunk.ways;
    state.operations += chunk.operations;
    state.reached = Math.max(state.reached, chunk.reached);
    state.corpus.push(...chunk.kept.map((way) => Uint16Array.from(way)));
    for (const { key, way } of chunk.found) {
      const finding = found(Uint16Array.from(way));
      if (finding?.key !== key) throw new CampaignFileError(index + 2, `the finding "${key}" is none any more`);
      state.findings.push(finding);
    }
  });
  return state;
}

function parsed<T>(schema: z.ZodType<T>, line: string, number: number): T {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new CampaignFileError(number, "no line of a campaign: it is no JSON");
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new CampaignFileError(
    number,
    `no line of a campaign: ${result.error.issues[0]?.message ?? "it has another form"}`,
  );
}
