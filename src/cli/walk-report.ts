// Walks as text and as JSON: one of them level by level, or those of a range as runs of equal answers.

import { fieldValue, type Decoded, type DecodedField } from "../machine/fields.js";
import { levelShift } from "../machine/geometry.js";
import { memoryAttributesName } from "../machine/memory-attributes.js";
import { hex, sizeName } from "../machine/names.js";
import { decodeEsr } from "../machine/syndrome-in-words.js";
import type { Access, Fault, LeafUsed, Translation } from "../machine/translation.js";
import {
  accessWords,
  describeSteps,
  faultWords,
  leafWords,
  regimeWords,
  type WalkSetting,
  type WordedStep,
} from "../machine/walk-in-words.js";
import { coloured, table, type Terminal, writeJson, writeLine } from "./terminal.js";
import type { Walker } from "./walk-memory.js";

/** Byte addresses, both included. */
export interface AddressRange {
  readonly first: bigint;
  readonly last: bigint;
}

/** A walk that was made. */
interface Made {
  readonly walk: Translation;
  readonly steps: readonly WordedStep[];
  readonly ipa: bigint;
  readonly access: Access;
  readonly setting: WalkSetting;
}

/** Makes one walk and prints it level by level. */
export function printWalk(walker: Walker, ipa: bigint, access: Access, json: boolean, { stdout }: Terminal): void {
  const { setting } = walker;
  const walk = walker.walk(ipa, access);
  const made = { walk, steps: describeSteps(walk, ipa, setting), ipa, access, setting };
  if (json) writeJson(stdout, walkJson(made));
  else for (const line of walkLines(made, stdout)) writeLine(stdout, line);
}

// JSON

function walkJson({ walk, steps, ipa, access, setting }: Made): object {
  const { registers, regime } = setting;
  const { vtcr, vttbr, hcr = 1n, sctlr = 0n, paBits = 48 } = registers;
  const { pa, level, fault, leaf, reads, update } = walk;
  return {
    registers: { vtcr, vttbr, hcr, sctlr, paBits },
    regime: { ...regime, words: regimeWords(setting) },
    access: { kind: access.kind, el: access.el ?? 1, ipa },
    steps: steps.map(stepJson),
    ...{ pa, level, reads, update },
    leaf: leaf === null || regime.status === "off" ? null : leafJson(leaf),
    fault: fault === null ? null : faultJson(fault, faultWords(walk, access, setting)),
  };
}

function stepJson({ level, indexBits, index, address, descriptor, decoded, decision }: WordedStep): object {
  const entry = { level, indexBits, index, address };
  if (decoded === null) return { ...entry, descriptor: null, kind: null, words: null, decision, fields: [] };
  const { kind, summary, fields } = decoded;
  return { ...entry, descriptor, kind, words: summary, decision, fields };
}

function leafJson(leaf: LeafUsed): object {
  const { descriptor, s2ap, xn, contiguous } = leaf;
  const [stage2Attributes, attributes] = [leaf.stage2Attributes, leaf.attributes].map(memoryAttributesName);
  return { descriptor, s2ap, xn, contiguous, stage2Attributes, attributes, words: leafWords(leaf) };
}

function faultJson({ kind, fsc, esr, hpfar }: Fault, words: string): object {
  return { kind, words, fsc, esr, esrWords: decodeEsr(esr).summary, hpfar };
}

// Text

function walkLines({ walk, steps, ipa, access, setting }: Made, stream: Terminal["stdout"]): string[] {
  return [
    coloured("bold", `${accessWords(access)}, IPA ${hex(ipa)}`, stream),
    `  ${regimeWords(setting)}`,
    ...steps.flatMap((step, i) => [
      ...stepLines(step, i === steps.length - 1).map((line) => `  ${line}`),
      coloured("dim", `    -> ${step.decision}`, stream),
    ]),
    ...resultLines(walk, access, setting).map((line) => `  ${line}`),
  ];
}

/** What ends a walk is told field by field; of a table that leads on the decision says it all. */
function stepLines({ level, indexBits, index, address, descriptor, decoded }: WordedStep, isLast: boolean): string[] {
  const entry = `level ${level}, ${indexBits} = ${hex(index)}: `;
  if (decoded === null) return [`${entry}the read at ${hex(address)} is aborted`];
  const line = `${entry}descriptor ${hex(descriptor)} at ${hex(address)}`;
  if (!isLast) return [line];
  const isTold = decoded.kind === "table" || descriptor === 0n;
  const fields = isTold ? [] : fieldLines(decoded.fields);
  return [line, `  ${decoded.summary}`, ...fields.map((field) => `    ${field}`)];
}

/** A line for each field: `MemAttr  5:2  0b1111  Normal Write-Back`. */
export function fieldLines(fields: readonly DecodedField[]): string[] {
  return table(fields.map((field) => [field.name, `[${field.bits}]`, fieldValue(field), field.words]));
}

function resultLines(walk: Translation, access: Access, setting: WalkSetting): string[] {
  const { pa, leaf, fault, update } = walk;
  if (fault !== null) return faultLines(fault, faultWords(walk, access, setting));
  const words = leaf === null || setting.regime.status === "off" ? "" : `: ${leafWords(leaf)}`;
  const lines = [`PA ${hex(pa ?? 0n)}${words}`];
  if (update !== null) {
    lines.push(`updated by hardware at ${hex(update.address)}: ${hex(update.before)} -> ${hex(update.after)}`);
  }
  return lines;
}

function faultLines({ esr, hpfar }: Fault, words: string): string[] {
  const unknown = "HPFAR_EL2 is UNKNOWN for this fault";
  return [
    words,
    ...decodedLines("ESR_EL2", decodeEsr(esr)),
    hpfar === null ? unknown : `HPFAR_EL2 ${hex(hpfar)}: the page at IPA ${hex((hpfar >> 4n) << 12n)}`,
  ];
}

/** A value with its sentence, its fields below. */
export function decodedLines(name: string, { value, summary, fields }: Decoded): string[] {
  return [`${name} ${hex(value)}: ${summary}`, ...fieldLines(fields).map((line) => `  ${line}`)];
}

// Ranges

/** Consecutive addresses with the same answer. */
interface Run {
  readonly first: bigint;
  last: bigint;
  readonly walk: Translation;
  readonly words: string;
  entries: number;
}

/** Walks for every entry that a range touches; each run of equal answers is a line. */
export function printRuns(
  walker: Walker,
  range: AddressRange,
  access: Access,
  json: boolean,
  terminal: Terminal,
): void {
  const { stdout } = terminal;
  if (!json) writeLine(stdout, coloured("bold", `${accessWords(access)}: ${regimeWords(walker.setting)}`, stdout));
  for (const run of runsOf(walker, range, access)) {
    if (json) writeJson(stdout, runJson(run));
    else writeLine(stdout, runLine(run));
  }
}

function* runsOf(walker: Walker, { first, last }: AddressRange, access: Access): Generator<Run> {
  let run: Run | null = null;
  for (let ipa = first; ipa <= last;) {
    const walk = walker.walk(ipa, access);
    const end = min(lastWithSameEntry(walk, ipa, walker.setting), last);
    const words = answerWords(walk, access, walker.setting);
    if (run !== null && continues(run, walk, words, ipa)) {
      run.last = end;
      run.entries += 1;
    } else {
      if (run !== null) yield run;
      run = { first: ipa, last: end, walk, words, entries: 1 };
    }
    ipa = end + 1n;
  }
  if (run !== null) yield run;
}

const min = (a: bigint, b: bigint) => (a < b ? a : b);

function answerWords(walk: Translation, access: Access, setting: WalkSetting): string {
  if (walk.fault !== null) return faultWords(walk, access, setting);
  return walk.leaf === null || setting.regime.status === "off" ? "stage 2 off" : leafWords(walk.leaf);
}

function continues(run: Run, walk: Translation, words: string, ipa: bigint): boolean {
  if (run.words !== words || run.walk.level !== walk.level) return false;
  if (walk.pa === null || run.walk.pa === null) return walk.pa === run.walk.pa;
  return walk.pa - run.walk.pa === ipa - run.first;
}

/**
 * The last address for which a walk goes the same way to the same end. Without a descriptor it is the whole space: the part
 * above the input size, or of which the entry of the first table cannot be read.
 */
function lastWithSameEntry({ steps, level }: Translation, ipa: bigint, { regime }: WalkSetting): bigint {
  const { status, inputBits, outputBits, granuleShift, startLevel } = regime;
  const everything = (1n << 64n) - 1n;
  if (status !== "legal" || ipa >> BigInt(inputBits) !== 0n) return everything;
  const shift = levelShift(granuleShift, steps.length === 0 ? startLevel : level);
  // In a block larger than the output space some addresses are beyond it and some are not.
  return ipa | ((1n << BigInt(Math.min(shift, outputBits))) - 1n);
}

function runJson({ first, last, entries, walk, words }: Run): object {
  const { pa, level, fault } = walk;
  return { ipa: first, last, entries, level, pa, fault: fault?.kind ?? null, words };
}

function runLine({ first, last, entries, walk, words }: Run): string {
  const size = sizeName(last - first + 1n);
  const span = `${hex(first)}-${hex(last)} (${size})`;
  if (walk.pa === null) return `${span}: ${words}`;
  return `${span} -> PA ${hex(walk.pa)}, level ${walk.level}, ${entries} ${entries === 1 ? "entry" : "entries"}: ${words}`;
}
