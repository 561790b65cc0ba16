// What calls came to, as results of steps.

import { stepResult, type StepResult } from "../../../consequences/result.js";
import type { FfaAnswer } from "../../../machine/ffa-endpoint.js";

const PAGE_SIZE = 4096;

/** What a call came to: an error by its name, `ok`, or the fragment that is wanted next. */
export function answerResult({ error, reply }: FfaAnswer): StepResult {
  if (error !== null) return stepResult(error);
  return stepResult(reply?.fn === "FRAG_RX" ? `FRAG_RX ${reply.offset}` : "ok");
}

/** A step that partition managers cannot express. */
export function noSuchVerb(why: string): StepResult {
  return stepResult("no such verb", { why });
}

/** The first word of a response is its sender, attributes and flags. */
export function responseResult(answer: FfaAnswer, keep: boolean): StepResult {
  const { descriptor, reply } = answer;
  if (descriptor === null || reply?.fn !== "RETRIEVE_RESP") return answerResult(answer);
  const { sender, attributes, flags } = descriptor;
  const value = BigInt(sender) | (BigInt(attributes) << 16n) | (BigInt(flags) << 32n);
  return stepResult("ok", { value, bytes: keep ? reply.fragment : reply.total });
}

export function fragmentResult(answer: FfaAnswer): StepResult {
  const { reply } = answer;
  return reply?.fn === "FRAG_TX" ? stepResult("ok", { bytes: reply.fragment }) : answerResult(answer);
}

/** The permission, and how far it reaches. */
export function permissionResult(answer: FfaAnswer): StepResult {
  const { reply } = answer;
  if (reply?.fn !== "SUCCESS" || reply.perm === undefined) return answerResult(answer);
  return stepResult("ok", { value: BigInt(reply.perm), bytes: ((reply.pages ?? 0) + 1) * PAGE_SIZE });
}
