// Replays hypervisor traces as tracefs prints them (the `hypervisor` remote, with the events of memory transitions). Bytes go
// into a window of linear memory and are parsed, run and compared there; this file feeds the window, makes the machine from
// the first snapshot, and puts what happened into words.

import { HOST_ABORT, OPERATION_CODE } from "../../assembly/abi/operations.js";
import { RESULT_REASON } from "../../assembly/abi/records.js";
import * as abi from "../../assembly/abi/tracefs.js";
import { ConfigError } from "../machine/config.js";
import { decodeEffect, type Effect } from "../machine/effects.js";
import { Machine } from "../machine/machine.js";
import { instantiateCore, type Core } from "../machine/module.js";
import { count, hex } from "../machine/names.js";
import { operationName } from "../machine/operations.js";
import { decodeOutcome } from "../machine/outcome.js";
import {
  LimitError,
  TraceError,
  type ExplainedOperation,
  type Replay,
  type ReplayOptions,
  type ReplaySummary,
} from "./replay.js";
import { openTape, type Tape } from "./tape.js";
import { TracefsParser, type RawStep } from "./tracefs-parser.js";
import { divergenceInWords, panicName, recordedInWords, refusalSentence, stateWord } from "./tracefs-words.js";

/** Makes a replay that waits for its first bytes. */
export async function createTracefsReplay(options: ReplayOptions = {}): Promise<Replay> {
  return new TracefsReplay(await instantiateCore(), options);
}

const NEWLINE = 0x0a;

class TracefsReplay implements Replay {
  machine: Machine | null = null;
  done = false;
  explained: ExplainedOperation | null = null;
  readonly #core: Core;
  readonly #parser: TracefsParser;
  readonly #options: ReplayOptions;
  readonly #tape: Tape | null;
  #panic: string | null = null;
  #lastByte = NEWLINE;
  #ended = false;

  constructor(core: Core, options: ReplayOptions) {
    this.#core = core;
    this.#parser = new TracefsParser(core);
    this.#options = options;
    this.#tape = openTape(core, options.observer);
    this.#parser.stopAt({
      seq: options.at,
      firstDivergence: options.stopAtFirst === true,
      everyStep: options.onEffects !== undefined,
    });
  }

  write(bytes: Uint8Array): void {
    let rest = bytes;
    while (rest.length > 0 && !this.done) {
      rest = rest.subarray(this.#parser.fill(rest));
      this.#run();
    }
    this.#lastByte = bytes.at(-1) ?? this.#lastByte;
  }

  end(): ReplaySummary {
    if (!this.done) {
      this.#ended = true;
      this.#parser.endInput();
      this.#run();
    }
    return this.#summary();
  }

  /** Lets the parser go on until it wants more text, or the replay is done. */
  #run(): void {
    while (!this.done) {
      const stop = this.#parser.run();
      this.#tape?.drain(recordedInWords);
      if (stop === abi.TRACEFS_INPUT) return;
      this.#handle(stop);
    }
  }

  #handle(stop: number): void {
    switch (stop) {
      case abi.TRACEFS_REFUSED:
        throw this.#refused();
      case abi.TRACEFS_MACHINE:
        this.#makeMachine();
        break;
      case abi.TRACEFS_STEP:
        this.#reportStep();
        break;
      case abi.TRACEFS_TAPE:
        break; // it was read
      case abi.TRACEFS_DONE:
        this.#finish();
        break;
      case abi.TRACEFS_PANICKED:
        this.#panic = panicName(this.#parser.lastResult.getUint16(RESULT_REASON, true));
        this.done = true;
        break;
      default:
        throw new LimitError(this.#parser.lastStep.line, this.#parser.lastResult.getUint16(RESULT_REASON, true));
    }
  }

  #makeMachine(): void {
    const config = this.#parser.config();
    if (config === null) throw this.#refused();
    try {
      this.machine = Machine.createOn(this.#core, config);
    } catch (error) {
      if (error instanceof ConfigError)
        throw new TraceError(this.#parser.lines, `the snapshot's machine: ${error.message}`);
      throw error;
    }
    if (this.#parser.start() === abi.TRACEFS_REFUSED) throw this.#refused();
    this.#options.observer?.begin(this.machine, this.#parser.nextSeq);
  }

  /** The parser stopped where it was told to. The operation to explain is still to be run. */
  #finish(): void {
    const { at, explain } = this.#options;
    if (explain === true && at !== undefined && this.#parser.nextSeq === at) {
      this.#parser.stopAt({ seq: at + 1, firstDivergence: false, everyStep: true });
    } else {
      this.done = true;
    }
  }

  /** An operation was run with its effects recorded. */
  #reportStep(): void {
    const seq = this.#parser.nextSeq - 1;
    const effects = this.#effects();
    this.#options.onEffects?.(seq, effects);
    if (seq === this.#options.at) this.explained = this.#explain(seq, effects);
  }

  #effects(): Effect[] {
    const effects: Effect[] = [];
    this.machine?.eachEffectRecord((view, at) => {
      const effect = decodeEffect(view, at);
      if (effect !== undefined) effects.push(effect);
    });
    return effects;
  }

  #explain(seq: number, effects: readonly Effect[]): ExplainedOperation {
    const step = this.#parser.lastStep;
    const code = this.#parser.lastRecord.getUint16(OPERATION_CODE, true);
    return {
      line: step.line,
      operation: seq,
      op: operationName(code) ?? "",
      ...(code === HOST_ABORT ? abortInWords(step) : operationInWords(step)),
      outcome: decodeOutcome(this.#parser.lastResult, 0, effects),
      effects,
    };
  }

  #refused(): TraceError {
    const { refusal, lines } = this.#parser;
    const sentence = refusalSentence(refusal);
    const cutOff = this.#ended && this.#lastByte !== NEWLINE && refusal.line === lines && refusal.column !== 0;
    const hint = cutOff ? " (the file's last line does not end: is it cut off?)" : "";
    return new TraceError(refusal.line, sentence + hint);
  }

  #summary(): ReplaySummary {
    const { lines, steps, stepsDiverged, snapshots, snapshotsDiverged, divergence } = this.#parser;
    const equal = snapshots - snapshotsDiverged;
    const snapshotsInWords =
      equal === snapshots
        ? `${count(snapshots, "snapshot")} equal`
        : `${equal} of ${count(snapshots, "snapshot")} equal`;
    return {
      format: "tracefs",
      ops: steps,
      matched: steps - stepsDiverged,
      diverged: stepsDiverged + snapshotsDiverged,
      first: divergence === null ? null : divergenceInWords(divergence),
      panic: this.#panic,
      description: [count(lines, "line"), count(steps, "operation"), snapshotsInWords].join(", "),
    };
  }
}

type InWords = Pick<ExplainedOperation, "args" | "recorded">;

function operationInWords({ pfn, gfn, nr, vm, ret, host, hyp, guest, cnt }: RawStep): InWords {
  const page = { pfn: hex(pfn), nr: Number(nr) };
  return {
    args: vm === 0 ? page : { ...page, gfn: hex(gfn), vm: hex(vm) },
    recorded: { ret, host: stateWord(host), hyp: stateWord(hyp), guest: stateWord(guest), cnt: Number(cnt) },
  };
}

function abortInWords({ pfn: ipa, gfn: esr, nr: far, cnt: start, length: size, ret }: RawStep): InWords {
  return {
    args: { ipa: hex(ipa), esr: hex(esr), far: hex(far) },
    recorded: ret === 0 ? { ret, start: hex(start), size: hex(size) } : { ret },
  };
}
