// `freehold walk`: a stage-2 walk level by level, over registers and a memory image, a replayed trace, or a recorded walk.

import { Command, Option } from "commander";
import { parseMemoryAttributes } from "../machine/memory-attributes.js";
import type { Access, AccessKind } from "../machine/translation.js";
import type { WalkFeatures, WalkRegisters } from "../machine/walk-machine.js";
import { suggestion } from "../trace/spelling.js";
import { operationNumber, vmHandle } from "./arguments.js";
import { FINE } from "./exit-codes.js";
import { inputFailure, RefusedInput, writeFailure } from "./failure.js";
import { notANumber, unsigned64 } from "./numbers.js";
import type { Terminal } from "./terminal.js";
import { memoryWalker, type ImageOption, type Walker } from "./walk-memory.js";
import { recordedWalk, traceWalker } from "./walk-recording.js";
import { printRuns, printWalk, type AddressRange } from "./walk-report.js";

export interface WalkCommandOptions {
  readonly vtcr?: string;
  readonly vttbr?: string;
  readonly hcr?: string;
  readonly sctlr?: string;
  readonly pamax?: string;
  readonly features?: string;
  readonly stage1?: string;
  readonly contiguousFault?: boolean;
  readonly ntFault?: boolean;
  readonly image: readonly string[];
  readonly words?: string;
  readonly trace?: string;
  readonly vector?: string;
  readonly at?: number;
  readonly vm?: number;
  readonly ipa?: string;
  readonly range?: string;
  readonly access?: string;
  readonly el?: string;
  readonly json?: boolean;
}

const ACCESS_KINDS: Readonly<Record<string, AccessKind>> = {
  r: "read",
  w: "write",
  x: "fetch",
  t: "table_read",
  u: "table_update",
  a: "atomic",
};

export function walkCommand(terminal: Terminal, finish: (exitCode: number) => void): Command {
  const command = new Command("walk").description(
    "Walk a stage-2 table level by level and tell what every descriptor says.",
  );
  for (const option of [...accessOptions(), ...registerOptions(), ...memoryOptions()]) command.addOption(option);
  return command.option("--json", "JSON on standard output").action(async (options: WalkCommandOptions) => {
    const mistake = usageMistake(options);
    if (mistake !== null) command.error(`error: ${mistake}`);
    finish(await walk(options, terminal));
  });
}

function accessOptions(): Option[] {
  const kinds = "r read, w write, x fetch, t stage-1 table read, u stage-1 table update, a atomic (default: r)";
  return [
    new Option("--ipa <address>", "walk for this intermediate physical address"),
    new Option("--range <start-end>", "walk for start to end (included), or start+size: a line for each run"),
    new Option("--access <kind>", kinds).choices(Object.keys(ACCESS_KINDS)),
    new Option("--el <level>", "exception level of the access (default: 1)").choices(["0", "1"]),
  ];
}

const FEATURES = ["lpa", "lpa2", "xnx", "hafdbs", "ttst", "s2fwb"] as const;
const PA_SIZES = ["32", "36", "40", "42", "44", "48", "52"];

function registerOptions(): Option[] {
  const features = `what the CPU implements: all, none, or some of ${FEATURES.join(",")},bbm1,bbm2,bbm3 (default: all)`;
  return [
    new Option("--vtcr <value>", "VTCR_EL2"),
    new Option("--vttbr <value>", "VTTBR_EL2"),
    new Option("--hcr <value>", "HCR_EL2 (default: 0x1)"),
    new Option("--sctlr <value>", "SCTLR_EL2 (default: 0x0)"),
    new Option("--pamax <bits>", "implemented physical address bits (default: 48)").choices(PA_SIZES),
    new Option("--features <list>", features),
    new Option("--stage1 <attributes>", "what stage 1 makes of the access (default: norm-iwb-owb/nsh)"),
    new Option("--contiguous-fault", "the CPU faults on a contiguous range larger than the input space"),
    new Option("--nt-fault", "the CPU faults on blocks with nT=1"),
  ];
}

function memoryOptions(): Option[] {
  const collect = (value: string, before: readonly string[]) => [...before, value];
  const at = "with --trace: after n operations; with --vector: the walk of that number";
  return [
    new Option("--image <file@address>", "raw memory at a physical address; may be repeated")
      .argParser(collect)
      .default([], "none"),
    new Option("--words <file>", "JSON list of [address, value], as in the recorded vectors"),
    new Option("--trace <file>", "walk over the machine of a trace"),
    new Option("--vector <file>", "make a walk of a recording again"),
    new Option("--at <n>", at).argParser(operationNumber),
    new Option("--vm <handle>", "with --trace: the stage 2 of this VM (default: the host's)").argParser(vmHandle),
  ];
}

/** Options that do not go together. */
function usageMistake(options: WalkCommandOptions): string | null {
  const { image, words, trace, vector, at, vm, ipa, range } = options;
  const hasMemory = image.length > 0 || words !== undefined;
  const sources = [hasMemory, trace !== undefined, vector !== undefined].filter((given) => given);
  if (sources.length !== 1) return "one memory is needed: --image and --words, --trace, or --vector";
  if (ipa !== undefined && range !== undefined) return "--ipa and --range exclude each other";
  if (vector === undefined && ipa === undefined && range === undefined) return "--ipa or --range is needed";
  if (vector !== undefined && at === undefined) return "--vector needs --at";
  if (hasMemory && at !== undefined) return "--at goes with --trace or --vector";
  if (trace === undefined && vm !== undefined) return "--vm goes with --trace";
  return hasMemory ? missingRegister(options) : ownRegister(options);
}

function missingRegister({ vtcr, vttbr }: WalkCommandOptions): string | null {
  return vtcr === undefined || vttbr === undefined ? "--vtcr and --vttbr are needed" : null;
}

/** A recording has registers: none can be given. */
function ownRegister(options: WalkCommandOptions): string | null {
  const given = registerOptions().find((option) => option.attributeName() in options);
  return given === undefined ? null : `${given.long}: a recording has registers of its own`;
}

/**
 * Makes one walk, or those of a range, and prints them.
 *
 * @returns the exit code: a fault is an answer like any other
 */
export async function walk(options: WalkCommandOptions, terminal: Terminal): Promise<number> {
  const isJson = options.json === true;
  let walker: Walker | null = null;
  try {
    const range = options.range === undefined ? null : parseRange(options.range);
    const asked = options.ipa === undefined ? null : numberOf("--ipa", options.ipa);
    const opened = await openWalker(options);
    walker = opened.walker;
    const access = { ...opened.access, ...accessOf(options) };
    if (access.el === 0 && access.kind.startsWith("table"))
      throw new RefusedInput("--el", 0, "stage 1 walks its tables as EL1");
    if (range !== null) printRuns(walker, range, access, isJson, terminal);
    else printWalk(walker, asked ?? opened.ipa, access, isJson, terminal);
    return FINE;
  } catch (error) {
    const failure = inputFailure(options.trace ?? options.vector ?? options.words ?? "walk", error);
    writeFailure(failure, isJson, terminal);
    return failure.exitCode;
  } finally {
    walker?.close();
  }
}

function accessOf({ access, el }: WalkCommandOptions): Partial<Access> {
  const kind = access === undefined ? undefined : ACCESS_KINDS[access];
  return { ...(kind === undefined ? {} : { kind }), ...(el === undefined ? {} : { el: el === "0" ? 0 : 1 }) };
}

/** The walker, with the access that a recording has made. */
async function openWalker(options: WalkCommandOptions): Promise<{ walker: Walker; ipa: bigint; access: Access }> {
  const { trace, vector, at, vm, words } = options;
  if (vector !== undefined && at !== undefined) return recordedWalk(vector, at);
  const access: Access = { kind: "read" };
  if (trace !== undefined) return { walker: await traceWalker(trace, at, vm ?? "host"), ipa: 0n, access };
  const images = options.image.map(parseImage);
  return { walker: await memoryWalker(registersOf(options), images, words), ipa: 0n, access };
}

function registersOf(options: WalkCommandOptions): WalkRegisters {
  const { vtcr = "", vttbr = "", hcr = "0x1", sctlr = "0x0", pamax = "48" } = options;
  const { features = "all", stage1 = "norm-iwb-owb/nsh" } = options;
  const stage1Attributes = parseMemoryAttributes(stage1);
  if (stage1Attributes === null) throw new RefusedInput("--stage1", 0, `"${stage1}" are no memory attributes`);
  return {
    ...{ vtcr: numberOf("--vtcr", vtcr), vttbr: numberOf("--vttbr", vttbr) },
    ...{ hcr: numberOf("--hcr", hcr), sctlr: numberOf("--sctlr", sctlr) },
    ...{ paBits: Number(pamax), features: parseFeatures(features), stage1Attributes },
    ...{ contiguousFault: options.contiguousFault === true, ntFault: options.ntFault === true },
  };
}

function numberOf(option: string, text: string): bigint {
  const value = unsigned64(text);
  if (value === null) throw new RefusedInput(option, 0, notANumber(text));
  return value;
}

function parseFeatures(text: string): WalkFeatures {
  const features: Record<string, boolean | number> = {};
  for (const name of text.split(",").flatMap((part) => (part === "all" ? [...FEATURES, "bbm2"] : [part]))) {
    const bbm = /^bbm([0-3])$/.exec(name)?.[1];
    if (bbm !== undefined) features["bbm"] = Number(bbm);
    else if ((FEATURES as readonly string[]).includes(name)) features[name] = true;
    else if (name !== "none") {
      throw new RefusedInput(
        "--features",
        0,
        `unknown feature "${name}"${suggestion(name, [...FEATURES, "all", "none"])}`,
      );
    }
  }
  return features;
}

/** `dump.bin@0x48000000`. */
function parseImage(text: string): ImageOption {
  const at = text.lastIndexOf("@");
  if (at < 1) throw new RefusedInput("--image", 0, `"${text}" is not FILE@ADDRESS`);
  return { path: text.slice(0, at), address: numberOf("--image", text.slice(at + 1)) };
}

/** `0x40000000-0x40ffffff` or `0x40000000+0x1000000`. */
function parseRange(text: string): AddressRange {
  const [, start = "", sign, end = ""] = /^([^-+]*)([-+])(.*)$/.exec(text) ?? [];
  const first = unsigned64(start);
  const second = unsigned64(end);
  const refuse = (sentence: string) => new RefusedInput("--range", 0, sentence);
  if (first === null || second === null) throw refuse(`"${text}" is not START-END or START+SIZE`);
  const last = sign === "+" ? first + second - 1n : second;
  if (last < first || last >= 1n << 64n) throw refuse(`"${text}" ends before it starts, or beyond 64 bits`);
  return { first, last };
}
