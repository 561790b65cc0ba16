// A finding as a Freehold trace (docs/trace-format.md): the machine, the calls that make its first state, and the steps with
// what they answered in the search. A replay of it matches, call by call, if the search had no bug switched on. With one, the
// replayed machine does not have it, so that the replay differs where the bug first shows, and only says more than that there
// if the two machines go apart.

import { expectationsOf, traceHeader, traceLine } from "../../trace/freehold-trace-writer.js";
import type { Domain } from "../domain.js";
import { stepText } from "../report.js";
import type { Retelling } from "./retelling.js";

/**
 * The lines of the trace, newlines included.
 *
 * @param title what is found, for the header's note
 */
export function* traceOf(domain: Domain, retelling: Retelling, title: string): Generator<string> {
  yield traceHeader(domain.config, title);
  for (const operation of [...(domain.history ?? []), ...domain.setUp]) yield traceLine(operation);
  yield note("the first state of the search");
  for (const [index, { step, calls }] of retelling.steps.entries()) {
    const name = `step ${index + 1}`;
    // The format has no accesses: what one made the hypervisor do is in it.
    if (step.op === "access") yield note(`${name}: ${stepText(step)}`);
    for (const { operation, outcome } of calls) {
      yield traceLine(operation, expectationsOf(outcome), step.op === "access" ? {} : { note: name });
    }
  }
}

function note(text: string): string {
  return `${JSON.stringify({ note: text })}\n`;
}
