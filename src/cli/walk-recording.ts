// Walks over what a recording leaves behind: the machine of a trace after N operations, or the regime of a recorded walk.

import type { Stage2 } from "../machine/accesses.js";
import { hex } from "../machine/names.js";
import type { Access } from "../machine/translation.js";
import { WalkMachine, type Regime, type WalkRegisters } from "../machine/walk-machine.js";
import { FormatError, parseJson } from "../trace/golden-fields.js";
import {
  parseWalkHeader,
  parseWalkLine,
  type Walk,
  type WalkConfig,
  type WalkLine,
} from "../trace/golden-walk-format.js";
import { readInput } from "../trace/input.js";
import { LineSplitter } from "../trace/lines.js";
import { replayFile } from "../trace/open.js";
import { TraceError } from "../trace/replay.js";
import type { Walker } from "./walk-memory.js";

/**
 * Walks a stage 2 of a trace's machine.
 *
 * @param at operations to run first; undefined for all
 * @throws TraceError if there is no such stage 2
 */
export async function traceWalker(file: string, at: number | undefined, stage2: Stage2): Promise<Walker> {
  const { machine } = await replayFile(file, at === undefined ? {} : { at });
  if (machine === null) throw new TraceError(0, "is no trace of a machine (a recording of walks goes with --vector)");
  const registers = machine.walkRegisters(stage2);
  if (registers === null) {
    const when = at === undefined ? "at the end" : `after ${at} operations`;
    throw new TraceError(0, `there is no VM ${hex(Number(stage2))} ${when}`);
  }
  return {
    setting: { registers, regime: await decodeRegisters(registers) },
    walk(ipa, access) {
      const walk = machine.translate(stage2, ipa, access);
      if (walk === null) throw new Error("the stage 2 is gone");
      return walk;
    },
    close: () => undefined,
  };
}

/** What the core makes of registers. */
async function decodeRegisters(registers: WalkRegisters): Promise<Regime> {
  return (await WalkMachine.create()).setRegisters(registers);
}

/** A walk of a recording, ready to be made again. */
export interface RecordedWalk {
  readonly walker: Walker;
  readonly ipa: bigint;
  readonly access: Access;
}

/**
 * Makes the walks of a recording up to number `at` (`i` in the file), and hands that one out. Nothing is compared.
 *
 * @throws TraceError if there is no such walk, or the file is no recording of walks
 */
export async function recordedWalk(file: string, at: number): Promise<RecordedWalk> {
  const recording = new Recording(await WalkMachine.create(), at);
  const lines = new LineSplitter();
  try {
    for await (const chunk of readInput(file)) {
      lines.write(chunk, (text) => recording.take(text));
      if (recording.found !== null) return recording.found;
    }
  } catch (error) {
    if (error instanceof FormatError) throw new TraceError(lines.line, error.message);
    throw error;
  }
  throw new TraceError(0, `the recording has no walk ${at}`);
}

/** A file of walks, read up to one of them. */
class Recording {
  found: RecordedWalk | null = null;
  readonly #machine: WalkMachine;
  readonly #at: number;
  #config: WalkConfig | null = null;
  #hasHeader = false;

  constructor(machine: WalkMachine, at: number) {
    this.#machine = machine;
    this.#at = at;
  }

  /** Whether more lines are wanted. */
  take(text: string): boolean {
    if (this.#hasHeader) this.#takeLine(parseWalkLine(parseJson(text)));
    else parseWalkHeader(parseJson(text));
    this.#hasHeader = true;
    return this.found === null;
  }

  #takeLine(line: WalkLine): void {
    if (line.type === "check") return;
    const isAsked = line.value.i === this.#at;
    if (isAsked && line.type === "config") throw new FormatError(`operation ${this.#at} is a new machine, not a walk`);
    if (line.type === "config") this.#configure(line.value);
    else if (line.type === "walk") this.#walk(line.value, isAsked);
    else if (isAsked) this.#hand(line.value.registers, line.value.ipa, { kind: "read" });
  }

  #configure(config: WalkConfig): void {
    this.#config = config;
    this.#machine.clear();
    this.#machine.setRegisters(config.registers);
    this.#machine.writeWords(config.words);
  }

  #walk({ ipa, access }: Walk, isAsked: boolean): void {
    if (this.#config === null) throw new FormatError("a walk without a config line before it");
    if (isAsked) this.#hand(this.#config.registers, ipa, access);
    else this.#machine.walk(ipa, access);
  }

  #hand(registers: WalkRegisters, ipa: bigint, access: Access): void {
    if (registers !== this.#config?.registers) this.#machine.clear();
    const regime = this.#machine.setRegisters(registers);
    const walk = (address: bigint, kind: Access) => this.#machine.walk(address, kind);
    this.found = { walker: { setting: { registers, regime }, walk, close: () => undefined }, ipa, access };
  }
}
