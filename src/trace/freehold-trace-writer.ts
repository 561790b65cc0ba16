// Writes Freehold's own trace format (docs/trace-format.md), a line at a time.

import { fitsArgument, type Argument, type Operation } from "../machine/operations.js";
import type { MachineConfig } from "../machine/config.js";
import type { FfaConfig } from "../machine/ffa-config.js";
import type { Outcome } from "../machine/outcome.js";
import {
  STATE_NAMES,
  TRACE_FORMAT,
  TRACE_VERBS,
  TRACE_VERSION,
  panicName,
  type TraceSystem,
} from "./freehold-trace-format.js";

/** What a line expects of its operation. All are optional; `panic` excludes the others. */
export interface TraceExpectations {
  /** The return value: 0, a count or handle, or a negative errno; of FF-A calls 0 or the code in w2 of FFA_ERROR. */
  readonly ret?: number;
  /** Page states after the operation, 0 (OWNED) to 3 (NOPAGE): of the operation's first page at the host, at EL2. */
  readonly host?: number;
  readonly hyp?: number;
  /** State of the guest's page at `gfn` after the operation, up to 4 (POISON). */
  readonly guest?: number;
  /** The function in which EL2 stops, or `el2-fault`. */
  readonly panic?: string;
}

/** What else a line can say. */
export interface TraceLineOptions {
  /** Page numbers that the host puts on its list of table pages before the call, in order (`mc_pages`). */
  readonly mcPages?: readonly bigint[];
  /** A remark for people. */
  readonly note?: string;
}

/** The first line of a pKVM machine's trace, newline included. */
export function traceHeader(config: MachineConfig, note?: string): string {
  return headerOf("pkvm", config, note);
}

/** The first line of the trace of FF-A partition managers, newline included. */
export function ffaTraceHeader(config: FfaConfig, note?: string): string {
  return headerOf("ffa", config, note);
}

function headerOf(system: TraceSystem, config: object, note: string | undefined): string {
  const header = {
    format: TRACE_FORMAT,
    version: TRACE_VERSION,
    system,
    ...(note === undefined ? {} : { note }),
  };
  return `${JSON.stringify({ ...header, config }, (_, value: unknown) => (typeof value === "bigint" ? hex(value) : value))}\n`;
}

/** The line that puts the machine back into its initial state, newline included. */
export function traceReset(note?: string): string {
  return `${JSON.stringify(note === undefined ? { reset: true } : { reset: true, note })}\n`;
}

/**
 * One operation as a line, newline included.
 *
 * @throws RangeError if the format has no such operation, an argument is missing, or its value does not fit
 */
export function traceLine(
  operation: Operation,
  expected: TraceExpectations = {},
  options: TraceLineOptions = {},
): string {
  const verb = TRACE_VERBS.get(operation.op);
  if (verb === undefined) throw new RangeError(`a trace has no operation ${JSON.stringify(operation.op)}`);
  if (options.mcPages !== undefined && verb.push === 0) throw new RangeError(`${verb.name} has no mc_pages`);
  const values = operation as unknown as Readonly<Record<string, unknown>>;
  const line: Record<string, unknown> = { op: verb.name };
  for (const [name, argument] of Object.entries(verb.args)) line[name] = written(name, argument, values[name]);
  if (options.mcPages !== undefined) line["mc_pages"] = options.mcPages.map(hex);
  if (expected.ret !== undefined) line["ret"] = expected.ret;
  for (const key of ["host", "hyp", "guest"] as const) {
    if (expected[key] !== undefined) line[key] = STATE_NAMES[expected[key]] ?? expected[key];
  }
  if (expected.panic !== undefined) line["panic"] = expected.panic;
  if (options.note !== undefined) line["note"] = options.note;
  return `${JSON.stringify(line)}\n`;
}

/** What a line has to expect so that a replay repeats `outcome`: its return value, or where EL2 stopped. */
export function expectationsOf(outcome: Outcome): TraceExpectations {
  return outcome.panic === null ? { ret: outcome.ret } : { panic: panicName(outcome.panic.code) };
}

function hex(value: bigint): string {
  return `0x${value.toString(16)}`;
}

// Counts, indices and flags are numbers; addresses, masks and handles are hex strings.
function written(name: string, { kind }: Argument, given: unknown): unknown {
  const value = typeof given === "boolean" ? Number(given) : given;
  if (value === undefined) throw new RangeError(`${name} is missing`);
  if (!fitsArgument(kind, value)) throw new RangeError(`${name} does not fit: it is no ${kind}`);
  if (kind === "index" || kind === "flag") return Number(value);
  if (kind === "count" && isSafe(value)) return Number(value);
  return hex(BigInt.asUintN(64, BigInt(value)));
}

function isSafe(value: number | bigint): boolean {
  return Number.isSafeInteger(Number(value));
}
