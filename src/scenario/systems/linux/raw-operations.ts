// The `operation` verb: any operation of the machine below, with names of pages and guests where it takes numbers.

import type { El2 } from "../../../consequences/kvm/el2.js";
import { stepResult, type StepResult } from "../../../consequences/result.js";
import { callAnswer } from "../../../consequences/kvm/guest-calls.js";
import { fitsArgument, verbNamed, type Argument, type Operation } from "../../../machine/operations.js";
import { hex } from "../../../machine/names.js";
import type { Action, PageRef } from "../../scenario.js";
import { noSuchVerb } from "./linux-world.js";

/** What names stand for. */
export interface Names {
  /** The hypervisor's number for a guest (handle, VMID); null if no guest is called so. */
  handleOf(name: string): number | null;
  /** Bytes; null if the page has no frame. */
  frameOf(page: PageRef): bigint | null;
  /** Bytes; null if the page is no guest's. */
  ipaOf(page: PageRef): bigint | null;
  hasPage(page: PageRef): boolean;
  /** The machine's descriptor of the file behind the page; null if there is none. */
  fileOf?(page: PageRef): number | null;
}

type Value = string | number | bigint | boolean;

/** Which address of a page an argument of this name means, in pages or bytes. */
const GUEST_ARGUMENTS = ["gfn", "gpa", "ipa", "vbase", "a1"];
const FRAME_NUMBERS = ["pfn", "gfn"];

export class RawOperations {
  readonly #el2: El2;
  readonly #names: Names;
  readonly #saved = new Map<string, bigint>();

  constructor(el2: El2, names: Names) {
    this.#el2 = el2;
    this.#names = names;
  }

  /** What `$name` stands for; null if nothing was saved so. */
  saved(name: string): bigint | null {
    return this.#saved.get(name.replace(/^\$/, "")) ?? null;
  }

  /** Runs it; arguments that are left out are 0. */
  run({ op, args, save }: Extract<Action, { readonly verb: "operation" }>): StepResult {
    const verb = verbNamed(op);
    if (verb === undefined) return noSuchVerb(`the machine has no operation ${op}`);
    const unknown = Object.keys(args).find((name) => !Object.hasOwn(verb.args, name));
    if (unknown !== undefined) return noSuchVerb(`${op} has no argument ${unknown}`);
    const values: Record<string, bigint | number> = {};
    for (const [name, argument] of Object.entries(verb.args)) {
      const value = this.#value(name, args[name] ?? 0, argument);
      if (value === null) return noSuchVerb(`${op}: ${name} cannot be ${spelled(args[name])}`);
      values[name] = value;
    }
    const outcome = this.#el2.apply({ op, ...values } as unknown as Operation);
    if (outcome.status === "invalid" || outcome.status === "limit") return noSuchVerb(`${op} is not to be had here`);
    const answer = outcome.details.answer ?? BigInt(outcome.ret);
    if (save !== null) this.#saved.set(save, answer);
    if (op === "guest_hvc" && outcome.ret === 1) {
      const { result, value } = callAnswer(outcome);
      return stepResult(result, { value });
    }
    return stepResult(outcome.errno ?? "ok", { value: outcome.errno === null ? answer : null });
  }

  /** The argument as the machine takes it; null if it stands for nothing that fits. */
  #value(name: string, given: Value, { kind }: Argument): bigint | number | null {
    if (typeof given === "number" && !Number.isInteger(given)) return null;
    const value = typeof given === "string" ? this.#named(name, given) : BigInt(given);
    if (value === null) return null;
    const fitting = kind === "u64" || kind === "count" ? value : Number(value);
    return fitsArgument(kind, fitting) ? fitting : null;
  }

  #named(argument: string, text: string): bigint | null {
    if (/^(0x[0-9a-f]+|[0-9]+)$/i.test(text)) return BigInt(text);
    if (text.startsWith("$")) return this.saved(text);
    const handle = this.#names.handleOf(text);
    if (handle !== null) return BigInt(handle);
    const page = pageNamed(text);
    if (page === null || !this.#names.hasPage(page)) return null;
    if (argument === "fd") return fdOf(this.#names.fileOf?.(page));
    const address = GUEST_ARGUMENTS.includes(argument) ? this.#names.ipaOf(page) : this.#names.frameOf(page);
    if (address === null) return null;
    return FRAME_NUMBERS.includes(argument) ? address >> BigInt(this.#el2.machine.pageShift) : address;
  }
}

const spelled = (value: Value | undefined) => (typeof value === "bigint" ? hex(value) : String(value));

const fdOf = (fd: number | null | undefined): bigint | null => (fd === null || fd === undefined ? null : BigInt(fd));

/** `ram[4]`, `ram`. */
function pageNamed(text: string): PageRef | null {
  const match = /^([^[\]]+)(?:\[([0-9]+)\])?$/.exec(text);
  return match?.[1] === undefined ? null : { name: match[1], index: Number(match[2] ?? 0) };
}
