// A finding as a Freehold trace (docs/trace-format.md): the machine, the calls that make its first state, and the steps with
// what they answered in the search. A replay of it matches, call by call, if the search had no bug switched on. With one, the
// replayed machine does not have it, so that the replay differs where the bug first shows, and only says more than that there
// if the two machines go apart.

import { TRACE_VERBS } from "../../trace/freehold-trace-format.js";
import { expectationsOf, ffaTraceHeader, traceHeader, traceLine } from "../../trace/freehold-trace-writer.js";
import { stepText } from "../report.js";
import { isSystemDomain, type AnyDomain } from "../system-domain.js";
import type { Retelling } from "./retelling.js";

/**
 * The lines of the trace, newlines included.
 *
 * @param title what is found, for the header's note
 * @throws RangeError if there are no traces of such machines
 */
export function* traceOf(domain: AnyDomain, retelling: Retelling, title: string): Generator<string> {
  yield headerOf(domain, title);
  const history = isSystemDomain(domain) ? [] : (domain.history ?? []);
  for (const operation of [...history, ...domain.setUp]) yield traceLine(operation);
  yield note("the first state of the search");
  for (const [index, { step, calls }] of retelling.steps.entries()) {
    const name = `step ${index + 1}`;
    // The format has no accesses, no false answers, and not the calls that searches alone make: what an access made the
    // hypervisor do is in it.
    if (!TRACE_VERBS.has(step.op)) yield note(`${name}: ${stepText(step)}`);
    for (const { operation, outcome } of calls) {
      if (!TRACE_VERBS.has(operation.op)) continue;
      yield traceLine(operation, expectationsOf(outcome), step.op === "access" ? {} : { note: name });
    }
  }
}

function headerOf(domain: AnyDomain, title: string): string {
  if (!isSystemDomain(domain)) return traceHeader(domain.config, title);
  const { given, system } = domain;
  if (given === undefined) throw new RangeError(`there are no traces of ${system}`);
  return given.system === "pkvm" ? traceHeader(given.config, title) : ffaTraceHeader(given.config, title);
}

function note(text: string): string {
  return `${JSON.stringify({ note: text })}\n`;
}
