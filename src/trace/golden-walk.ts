// Replays golden recordings of kind `walk` (format: golden/walk/README.md). Every field of every line is compared: a field
// that is missing on either side differs as one with another value does.

import type { Machine } from "../machine/machine.js";
import { memoryAttributesName } from "../machine/memory-attributes.js";
import type { FaultKind, Translation } from "../machine/translation.js";
import { WalkMachine } from "../machine/walk-machine.js";
import { FormatError, parseJson } from "./golden-fields.js";
import {
  changeText,
  parseWalkHeader,
  parseWalkLine,
  type Expected,
  type RegimeWalk,
  type Walk,
  type WalkCheck,
  type WalkConfig,
  type WalkHeader,
} from "./golden-walk-format.js";
import { LineSplitter } from "./lines.js";
import { TraceError, type Divergence, type Replay, type ReplayOptions, type ReplaySummary } from "./replay.js";

/** A replay of walks: no hypervisor's machine, but one regime over words. */
export interface WalkReplay extends Replay {
  /** As the lines so far have left it. */
  readonly walkMachine: WalkMachine;
}

/**
 * Starts the replay of a golden recording of walks.
 *
 * @throws TraceError if an operation is to be explained or observed: a walk has an answer, not an outcome
 */
export async function createGoldenWalkReplay(options: ReplayOptions = {}): Promise<WalkReplay> {
  if (options.explain === true) throw new TraceError(0, "a recording of walks has no operations to explain");
  if (options.observer !== undefined) throw new TraceError(0, "a recording of walks has no operations to step through");
  return new GoldenWalkReplay(await WalkMachine.create(), options);
}

/** A check stands after so many walks of a file. */
const CHECK_EVERY = 256;
const GRANULES: Readonly<Record<number, string>> = { 12: "4K", 14: "16K", 16: "64K" };

class GoldenWalkReplay implements WalkReplay {
  readonly walkMachine: WalkMachine;
  readonly machine: Machine | null = null;
  readonly explained = null;
  readonly #options: ReplayOptions;
  readonly #lines = new LineSplitter();
  #header: WalkHeader | null = null;
  /** Of the last config line; null before the first one, and behind a regime line, which has a machine of its own. */
  #config: WalkConfig | null = null;

  /** Number of the next line with an operation. */
  #next = 0;
  #configs = 0;
  #walks = 0;
  #regimes = 0;
  #checks = 0;
  /** Walks at the last check. */
  #checkedAt = 0;
  #walksDiverged = 0;
  #checksDiverged = 0;
  #first: Divergence | null = null;
  #done = false;

  constructor(machine: WalkMachine, options: ReplayOptions) {
    this.walkMachine = machine;
    this.#options = options;
  }

  get done(): boolean {
    return this.#done;
  }

  write(bytes: Uint8Array): void {
    if (!this.#done) this.#lines.write(bytes, (text) => this.#take(text));
  }

  end(): ReplaySummary {
    if (!this.#done) {
      const rest = this.#lines.rest();
      if (rest !== null) this.#take(rest);
    }
    if (!this.#done) this.#checkComplete();
    const ops = this.#walks + this.#regimes;
    return {
      format: "golden walk",
      ops,
      matched: ops - this.#walksDiverged,
      diverged: this.#walksDiverged + this.#checksDiverged,
      first: this.#first,
      panic: null,
      description: `${this.#lines.line} lines, ${this.#configs} machines, ${ops} walks, ${this.#checks} checks`,
    };
  }

  /** Whether more lines are wanted. */
  #take(text: string): boolean {
    try {
      this.#takeLine(text);
    } catch (error) {
      if (error instanceof FormatError) throw new TraceError(this.#lines.line, error.message);
      throw error;
    }
    return !this.#done;
  }

  #takeLine(text: string): void {
    const value = parseJson(text);
    if (this.#header === null) {
      this.#header = parseWalkHeader(value);
      return;
    }
    const line = parseWalkLine(value);
    if (line.type === "check") {
      this.#takeCheck(line.value);
      return;
    }
    if (!this.#isWanted(line.value.i)) return;
    if (line.type === "config") this.#takeConfig(line.value);
    else if (line.type === "walk") this.#takeWalk(line.value);
    else this.#takeRegime(line.value);
  }

  /** Checks that the operation's line is where it belongs. False if the replay was to stop before it. */
  #isWanted(i: number): boolean {
    if (i !== this.#next) throw new FormatError(`i: ${i} where ${this.#next} is expected`);
    if (this.#isCheckDue()) throw new FormatError(`no check line after ${this.#walks} walks`);
    const { at } = this.#options;
    this.#done = at !== undefined && i >= at;
    if (!this.#done) this.#next += 1;
    return !this.#done;
  }

  #isCheckDue(): boolean {
    return this.#walks % CHECK_EVERY === 0 && this.#checkedAt !== this.#walks;
  }

  #checkComplete(): void {
    const last = this.#lines.line;
    if (this.#header === null) throw new TraceError(last, "no header: the file is empty");
    const { ops } = this.#header;
    const found = this.#walks + this.#regimes;
    if (ops !== found) throw new TraceError(last, `the header announces ${ops} walks, the file has ${found}`);
    if (this.#isCheckDue()) throw new TraceError(last, "no check line at the end");
  }

  #countWalk(): void {
    const { ops } = this.#header as WalkHeader;
    if (this.#walks + this.#regimes >= ops) throw new FormatError(`more walks than the header's ${ops}`);
  }

  #takeConfig(config: WalkConfig): void {
    this.#config = config;
    this.#configs += 1;
    this.walkMachine.clear();
    const regime = this.walkMachine.setRegisters(config.registers);
    this.walkMachine.writeWords(config.words);
    follows("granule", config.granule, GRANULES[regime.granuleShift]);
    follows("ipaBits", config.ipaBits, regime.inputBits);
    if (regime.status === "legal") follows("startLevel", config.startLevel, regime.startLevel);
  }

  #takeWalk(walk: Walk): void {
    if (this.#config === null) throw new FormatError("a walk without a config line before it");
    if (walk.hasSecondOpinion && !this.#config.hasSecondOpinion) {
      throw new FormatError("linux: its walker was not asked");
    }
    this.#countWalk();
    this.#walks += 1;
    this.#compare(walk.i, "walk", walk.expected, describe(this.walkMachine.walk(walk.ipa, walk.access)));
  }

  #takeRegime({ i, registers, ipa, expected }: RegimeWalk): void {
    this.#countWalk();
    this.#regimes += 1;
    this.#config = null;
    this.walkMachine.clear();
    this.walkMachine.setRegisters(registers);
    const answer = this.walkMachine.walk(ipa, { kind: "read" });
    const found = new Map([
      ["ret", answer.fault === null ? "0" : "1"],
      ["level", String(answer.level)],
      ["fsc", String(answer.fault?.fsc ?? 0)],
      ["trace", answer.steps.map(({ address }) => hex(address)).join(" ")],
    ]);
    this.#compare(i, "regime", expected, found);
  }

  #takeCheck({ i, mem }: WalkCheck): void {
    if (i !== this.#next - 1) throw new FormatError(`check.i: ${i} where ${this.#next - 1} is expected`);
    this.#checks += 1;
    this.#checkedAt = this.#walks;
    const digest = `0x${this.walkMachine.digest().toString(16).padStart(16, "0")}`;
    this.#compare(-1, "check", new Map([["mem", mem]]), new Map([["mem", digest]]));
  }

  /** Notes the first field that differs. */
  #compare(operation: number, op: string, expected: Expected, found: Expected): void {
    for (const field of new Set([...expected.keys(), ...found.keys()])) {
      const [want, have] = [expected.get(field) ?? "absent", found.get(field) ?? "absent"];
      if (want === have) continue;
      if (op === "check") this.#checksDiverged += 1;
      else this.#walksDiverged += 1;
      this.#first ??= { line: this.#lines.line, operation, op, field, expected: want, found: have };
      if (this.#options.stopAtFirst === true) this.#done = true;
      return;
    }
  }
}

/** A field that repeats what VTCR_EL2 says must say the same. */
function follows(field: string, recorded: number | string, decoded: number | string | undefined): void {
  if (recorded !== decoded) throw new FormatError(`args.${field}: is ${recorded}, but VTCR_EL2 says ${decoded}`);
}

const hex = (value: bigint): string => `0x${value.toString(16)}`;

const FAULTS: Readonly<Record<FaultKind, string>> = {
  translation: "translation",
  address_size: "addrsize",
  access_flag: "access",
  permission: "permission",
  external_abort: "extabort",
  alignment: "alignment",
  granule_protection: "gpf",
};

/** A translation in the recording's fields. */
function describe({ pa, level, fault, leaf, reads, update }: Translation): Map<string, string> {
  const fields = new Map([
    ["ret", fault === null ? "0" : "1"],
    ["level", String(level)],
    ["reads", String(reads)],
  ]);
  if (fault !== null) {
    fields.set("fault", FAULTS[fault.kind]).set("fsc", String(fault.fsc)).set("esr", hex(fault.esr));
    if (fault.hpfar !== null) fields.set("hpfar", hex(fault.hpfar));
  }
  if (pa !== null && leaf !== null) {
    fields.set("pa", hex(pa)).set("desc", hex(leaf.descriptor));
    fields
      .set("s2ap", String(leaf.s2ap))
      .set("xn", String(leaf.xn))
      .set("cont", leaf.contiguous ? "1" : "0");
    fields
      .set("s2attr", memoryAttributesName(leaf.stage2Attributes))
      .set("attr", memoryAttributesName(leaf.attributes));
  }
  if (update !== null) fields.set("changed.mem", changeText([update]));
  return fields;
}
