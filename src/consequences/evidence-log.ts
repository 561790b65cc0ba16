// The log of one world: what ran, what was met and which rules were applied, in order. Writing is cheap: only references
// are kept, and the words are made when somebody reads them (most runs of a matrix are never opened).

import type { MemoryAccess, AccessAnswer } from "../machine/accesses.js";
import { describeDescriptor, describeEffects, stage2Name } from "../machine/describe.js";
import { kernelFunction } from "../machine/functions.js";
import { rmMessageName } from "../machine/gunyah-rm-reasons.js";
import type { Machine, Outcome } from "../machine/machine.js";
import { hex } from "../machine/names.js";
import { verbNamed, type Operation } from "../machine/operations.js";
import { panicSentence, refusalSentence } from "../machine/reasons.js";
import { decodeEsr } from "../machine/syndrome-in-words.js";
import { accessWords } from "../machine/walk-in-words.js";
import type { Evidence, Mark, Party, Rule } from "./evidence.js";

export interface EvidenceLogOptions {
  /** False: marks are kept, `take` has nothing to tell. Default: true. */
  readonly texts?: boolean;
}

/** An entry whose words are still to be made. */
type Pending = Evidence | (() => Evidence);

/** Collects what a world does. Every layer of it writes here. */
export class EvidenceLog {
  readonly #texts: boolean;
  #pending: Pending[] = [];
  readonly #marks: Mark[] = [];
  #restate: (rule: Rule) => Rule = (rule) => rule;

  constructor(options: EvidenceLogOptions = {}) {
    this.#texts = options.texts ?? true;
  }

  /** Whether words are kept: without them, effects of operations need not be recorded. */
  get hasTexts(): boolean {
    return this.#texts;
  }

  /**
   * An operation of the machine below and what it answered.
   *
   * @param messages what was passed in memory, as sentences
   */
  operation(machine: Machine, operation: Operation, outcome: Outcome, messages?: () => readonly string[]): void {
    if (!this.#texts) return;
    const said = messages?.() ?? [];
    this.#pending.push(() => ({
      kind: "operation",
      text: operationWords(operation),
      result: outcomeWords(operation, outcome, machine.pageShift),
      effects: [...said, ...describeEffects(outcome.effects, machine)],
    }));
  }

  /** An access to a stage 2. To be called before anything changes the tables: the descriptor it met is looked up here. */
  access(machine: Machine, access: MemoryAccess, answer: AccessAnswer): void {
    if (!this.#texts) return;
    const leaf = machine.leaf(access.stage2, access.ipa);
    this.#pending.push(() => {
      const vm = access.stage2 === "host" ? 0 : access.stage2;
      const whose = stage2Name(vm, machine);
      return {
        kind: "access",
        text: `${accessWords(access)}, ${whose}, IPA ${hex(access.ipa)}`,
        result: answerWords(answer),
        descriptor:
          leaf === null ? null : `level ${leaf.level}: ${describeDescriptor(leaf.descriptor, leaf.level, vm, machine)}`,
      };
    });
  }

  /** A transfer by a device or another access that no stage 2 translates: words of its own. */
  transfer(text: string, result: string): void {
    if (this.#texts) this.#pending.push({ kind: "access", text, result, descriptor: null });
  }

  /** A syndrome register as somebody reads it: `syndrome("ESR_EL1", 0x92000087n)`. */
  syndrome(register: string, value: bigint): void {
    if (!this.#texts) return;
    this.#pending.push(() => ({ kind: "syndrome", register, value: hex(value), words: syndromeWords(value) }));
  }

  /** A rule that was applied. */
  rule(rule: Rule): void {
    const stated = this.#restate(rule);
    this.#marks.push(stated.citation.mark);
    if (this.#texts) this.#pending.push({ kind: "rule", rule: stated });
  }

  /**
   * From here on rules are written down as `restate` gives them: what was measured on one system may be known less well of
   * another that works by the same rule.
   */
  restateRules(restate: (rule: Rule) => Rule): void {
    this.#restate = restate;
  }

  /** What somebody notices, as a sentence; a function is asked only if the log is read. */
  saw(party: Party, sentence: string | (() => string)): void {
    if (!this.#texts) return;
    this.#pending.push(() => ({
      kind: "saw",
      party,
      text: typeof sentence === "string" ? sentence : sentence(),
    }));
  }

  /** The entries since the last take, in order. */
  take(): readonly Evidence[] {
    const entries = this.#pending.map((entry) => (typeof entry === "function" ? entry() : entry));
    this.#pending = [];
    return entries;
  }

  /** The marks of the rules applied since the log was made, in order of use. */
  marks(): readonly Mark[] {
    return this.#marks;
  }
}

/** `host_donate_guest vm=0x1000 vcpu=0 pfn=0x41000 gfn=0x80000`. */
function operationWords(operation: Operation): string {
  const values = operation as unknown as Readonly<Record<string, string | number | bigint | boolean | undefined>>;
  const args = Object.entries(verbNamed(operation.op)?.args ?? {}).map(([name, { kind }]) => {
    const value = values[name];
    if (typeof value === "boolean") return `${name}=${Number(value)}`;
    if (operation.op === "rm_send" && name === "message") return rmMessageName(Number(value)) ?? `message ${value}`;
    const isHex = kind === "u64" || kind === "handle" || kind === "mask";
    return `${name}=${isHex && typeof value !== "string" ? hex(value ?? 0) : value}`;
  });
  return [operation.op, ...args].join(" ");
}

function outcomeWords(operation: Operation, outcome: Outcome, pageShift: number): string {
  if (outcome.panic !== null) return panicSentence(outcome.panic);
  if (outcome.status !== "ok") return outcome.status;
  if (outcome.ret < 0 || outcome.reason !== null) return refusalSentence(operation.op, outcome, pageShift);
  const { answer } = outcome.details;
  const also = answer === undefined ? "" : ` and ${hex(answer)}`;
  return `done by ${kernelFunction(operation.op)?.name ?? operation.op}, which answered ${outcome.ret}${also}`;
}

function answerWords(answer: AccessAnswer): string {
  switch (answer.status) {
    case "done":
      return `PA ${hex(answer.pa ?? 0n)}, ${hex(answer.value ?? 0n)} was there`;
    case "no_memory":
      return `PA ${hex(answer.pa ?? 0n)}, where there is no memory`;
    case "fault":
      return answer.fault === null ? "fault" : syndromeWords(answer.fault.esr);
    case "no_stage2":
      return "there is no such stage 2";
    case "invalid":
      return "no access that can be";
  }
}

const S1PTW = 0x80n;

/**
 * An abort's syndrome in one sentence. S1PTW is told apart from the kind of access, because pKVM sets it as its mark on
 * aborts that were no table accesses (host-and-vmm 1.1).
 */
function syndromeWords(esr: bigint): string {
  const summary = decodeEsr(esr & ~S1PTW).summary;
  return (esr & S1PTW) === 0n ? summary : `${summary}; S1PTW is set`;
}
