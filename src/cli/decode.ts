// `freehold decode`: registers of a stage-2 translation, syndromes and descriptors in words; also found in a pasted log.

import { Command, Option } from "commander";
import { decodeDescriptor, type AddressFormat, type DescriptorContext } from "../machine/descriptor-in-words.js";
import type { Decoded } from "../machine/fields.js";
import { findNamedValues, registerOf } from "../machine/log-values.js";
import { REGISTERS, type RegisterName } from "../machine/registers-in-words.js";
import { readInput } from "../trace/input.js";
import { LineSplitter } from "../trace/lines.js";
import { excerpt } from "../trace/replay.js";
import { suggestion } from "../trace/spelling.js";
import { FINE } from "./exit-codes.js";
import { inputFailure, RefusedInput, writeFailure } from "./failure.js";
import { notANumber, unsigned64 } from "./numbers.js";
import { coloured, type Terminal, writeJson, writeLine } from "./terminal.js";
import { decodedLines } from "./walk-report.js";

export interface DecodeCommandOptions {
  readonly level: string;
  readonly granule: string;
  readonly pamax: string;
  readonly ds?: boolean;
  readonly fwb?: boolean;
  readonly log?: string;
  readonly json?: boolean;
}

const GRANULES: Readonly<Record<string, number>> = { "4k": 12, "16k": 14, "64k": 16 };
const NAMES = [...Object.keys(REGISTERS), "desc"];

export function decodeCommand(terminal: Terminal, finish: (exitCode: number) => void): Command {
  return new Command("decode")
    .description("Tell in words what a register, a syndrome or a stage-2 descriptor says.")
    .argument("[what]", `${NAMES.join(", ")}; without it, or as -, the values that a log on standard input names`)
    .argument("[values...]", "64-bit numbers; without them, or as -, those on standard input")
    .addOption(new Option("--level <n>", "desc: level of the table").choices(["-1", "0", "1", "2", "3"]).default("3"))
    .addOption(new Option("--granule <size>", "desc: granule").choices(Object.keys(GRANULES)).default("4k"))
    .addOption(
      new Option("--pamax <bits>", "desc: implemented physical address bits").choices(["48", "52"]).default("48"),
    )
    .option("--ds", "desc: VTCR_EL2.DS is 1 (52-bit descriptors with 4 and 16 KiB)")
    .option("--fwb", "desc: HCR_EL2.FWB is 1")
    .option("--log <file>", "a file to read instead of standard input")
    .option("--json", "an object for each value on standard output")
    .action(async (what: string | undefined, values: string[], options: DecodeCommandOptions) => {
      finish(await decode(what ?? "-", values, options, terminal));
    });
}

/**
 * Decodes values.
 *
 * @param what a register, `desc`, or `-` for all that standard input names
 * @param values none, or `-`: those on standard input
 * @returns the exit code
 */
export async function decode(
  what: string,
  values: readonly string[],
  options: DecodeCommandOptions,
  terminal: Terminal,
): Promise<number> {
  const json = options.json === true;
  const log = options.log ?? "-";
  try {
    const wanted = what === "-" ? null : targetOf(what);
    const isGiven = values.length > 0 && values[0] !== "-";
    if (isGiven && wanted === null)
      throw new RefusedInput("decode", 0, "values need the name of a register before them");
    const found = isGiven && wanted !== null ? values.map((text) => given(wanted, text)) : readLog(log, wanted);
    for await (const { target, line, value } of found) {
      writeDecoded(target, line, decodeValue(target, value, options), json, terminal);
    }
    return FINE;
  } catch (error) {
    const failure = inputFailure(log, error);
    writeFailure(failure, json, terminal);
    return failure.exitCode;
  }
}

type Target = RegisterName | "desc";

/** Something to decode. Line 0: from the command line. */
interface Found {
  readonly target: Target;
  readonly line: number;
  readonly value: bigint;
}

function targetOf(what: string): Target {
  const target = what === "desc" ? what : registerOf(what);
  if (target !== null) return target;
  throw new RefusedInput("decode", 0, `"${excerpt(what)}" is not ${NAMES.join(", ")}${suggestion(what, NAMES)}`);
}

function given(target: Target, text: string): Found {
  const value = unsigned64(text);
  if (value === null) throw new RefusedInput(`decode ${target}`, 0, notANumber(text));
  return { target, line: 0, value };
}

/** The values of a log: those it names, and where one kind is wanted also lines that are nothing but a number. */
async function* readLog(path: string, wanted: Target | null): AsyncGenerator<Found> {
  const lines = new LineSplitter();
  let found = 0;
  for await (const values of logLines(path, lines, wanted)) {
    found += values.length;
    yield* values;
  }
  if (found > 0) return;
  const names = wanted ?? Object.keys(REGISTERS).join(", ");
  throw new RefusedInput(path, 0, `no value of ${names} in ${lines.line} lines, as in "ESR: 0x92000087"`);
}

async function* logLines(path: string, lines: LineSplitter, wanted: Target | null): AsyncGenerator<Found[]> {
  for await (const chunk of readInput(path)) {
    const found: Found[] = [];
    lines.write(chunk, (text) => {
      found.push(...valuesIn(path, text, lines.line, wanted));
      return true;
    });
    yield found;
  }
  const rest = lines.rest();
  if (rest !== null) yield valuesIn(path, rest, lines.line, wanted);
}

function valuesIn(path: string, text: string, line: number, wanted: Target | null): Found[] {
  const bare = wanted === null ? null : unsigned64(text.trim());
  if (bare !== null && wanted !== null) return [{ target: wanted, line, value: bare }];
  const named = findNamedValues(text).filter(({ register }) => wanted === null || register === wanted);
  return named.map(({ register, text: spelled, value }) => {
    if (value === null) throw new RefusedInput(path, line, `${register}: "${excerpt(spelled)}" is no 64-bit number`);
    return { target: register, line, value };
  });
}

function decodeValue(
  target: Target,
  value: bigint,
  options: DecodeCommandOptions,
): Decoded & { readonly name: string } {
  if (target === "desc") {
    const level = Number(options.level);
    return { name: `descriptor, level ${level}:`, ...decodeDescriptor(value, level, contextOf(options)) };
  }
  const register = REGISTERS[target];
  return { name: register.name, ...register.decode(value) };
}

function contextOf({ granule, pamax, ds, fwb }: DecodeCommandOptions): DescriptorContext {
  const granuleShift = GRANULES[granule] ?? 12;
  const format: AddressFormat = granuleShift === 16 ? "lpa" : ds === true ? "lpa2" : "48";
  return { granuleShift, format, paBits: Number(pamax), fwb: fwb === true, xnx: true };
}

function writeDecoded(
  target: Target,
  line: number,
  decoded: Decoded & { readonly name: string },
  json: boolean,
  { stdout }: Terminal,
): void {
  if (json) {
    const { value, summary, fields } = decoded;
    const kind = "kind" in decoded ? { kind: decoded.kind } : {};
    writeJson(stdout, { what: target, line: line === 0 ? null : line, value, ...kind, words: summary, fields });
    return;
  }
  const [head = "", ...fields] = decodedLines(decoded.name, decoded);
  writeLine(stdout, coloured("bold", line === 0 ? head : `line ${line}: ${head}`, stdout));
  for (const field of fields) writeLine(stdout, field);
}
