// The way to a finding of a search with two CPUs, done again part by part: the operations run in the variant that is left
// where EL2 releases its locks.

import { LOCK_GUEST, LOCK_HOST, LOCK_HYP, LOCK_VM_TABLE } from "../../../assembly/abi/locks.js";
import type { Machine } from "../../machine/machine.js";
import { errnoName } from "../../machine/outcome.js";
import { panicSentence } from "../../machine/reasons.js";
import { packDomain, type Domain, type Step } from "../domain.js";
import type { InterleavingCore } from "../interleaving.js";

const LOCKS: readonly (readonly [bit: number, name: string])[] = [
  [LOCK_VM_TABLE, "vm_table"],
  [LOCK_HOST, "host_mmu"],
  [LOCK_HYP, "pkvm_pgd"],
  [LOCK_GUEST, "the VM's"],
];

const TURN: ReadonlySet<string> = new Set(["cpu", "part", "releases"]);

/** An operation with its arguments, whoever's turn it is: tells the steps of a domain apart. */
export function operationKey(step: Step): string {
  return JSON.stringify(step, (name, value: unknown) => {
    if (TURN.has(name)) return undefined;
    return typeof value === "bigint" ? String(value) : value;
  });
}

/** What a part of an operation came to: as the whole of one that a single CPU made. */
export interface TurnTold {
  readonly calls: readonly [];
  readonly answer: string;
  readonly sentence: string | null;
}

/** Takes the steps of a way on a machine that is in the domain's first state. */
export class Turns {
  readonly #machine: Machine;
  readonly #core: InterleavingCore;
  readonly #numbers: ReadonlyMap<string, number>;

  /**
   * @throws RangeError if the domain does not fit
   */
  constructor(machine: Machine, core: InterleavingCore, domain: Domain) {
    this.#machine = machine;
    this.#core = core;
    this.#numbers = new Map(domain.steps.map((step, index) => [operationKey(step), index]));
    packDomain(domain, new DataView(core.memory.buffer), core.exports.domainWindow());
    if (core.exports.startTurns() === 0) throw new RangeError("a domain that two CPUs cannot take turns on");
  }

  /** Does a step, and says where it was left or what it answered. */
  take(step: Step): TurnTold {
    const { cpu = 0, part, releases = 0 } = step;
    const number = this.#numbers.get(operationKey(step));
    if (number === undefined) throw new RangeError(`${step.op} is no operation of the domain`);
    const parts = releases + (part === "begin" || part === "middle" ? 0 : 1);
    let ret = 0;
    for (let i = 0; i < parts; i++) ret = this.#core.exports.take(cpu, number);
    return { calls: [], ...this.#toldOf(cpu, step, ret) };
  }

  #toldOf(cpu: number, step: Step, ret: number): Pick<TurnTold, "answer" | "sentence"> {
    const { panicked } = this.#machine;
    if (panicked !== null) return { answer: "panic", sentence: panicSentence(panicked) };
    if (this.#core.exports.suspendedOperation(cpu) >= 0) return { answer: this.#placeOf(cpu), sentence: null };
    if (step.op === "access") return { answer: ret === 0 ? "done" : "fault", sentence: null };
    return { answer: ret < 0 ? `-${errnoName(ret) ?? ret}` : String(ret), sentence: null };
  }

  // Where the operation is left.
  #placeOf(cpu: number): string {
    const released = this.#core.exports.releasedLocks(cpu);
    const names = LOCKS.filter(([bit]) => (released & bit) !== 0).map(([, name]) => name);
    return names.length === 0 ? "not done yet, no lock held" : `not done yet, released ${names.join(", ")}`;
  }
}
