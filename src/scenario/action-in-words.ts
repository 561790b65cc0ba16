// What a step does, as a phrase: `vmm loads from secret[1]`.

import { hex } from "../machine/names.js";
import type { Action, Instruction, PageRef } from "./scenario.js";

export function actionWords(action: Action): string {
  switch (action.verb) {
    case "donate":
      return `${action.from} donates ${pagesWords(action.pages)} to ${action.to}`;
    case "lend":
    case "share": {
      const { verb, pages, from, to, rights, sanitize } = action;
      return `${from} ${verb}s ${pagesWords(pages)} with ${rights} to ${listWords(to)}${sanitizeWords(sanitize)}`;
    }
    case "accept":
      return `${action.by} accepts ${pagesWords(action.pages)}${sanitizeWords(action.sanitize)}`;
    case "relinquish":
      return `${action.by} relinquishes ${pagesWords(action.pages)}${sanitizeWords(action.sanitize)}`;
    case "reclaim": {
      const { pages, by, force, sanitize } = action;
      return `${by} reclaims ${pagesWords(pages)}${force ? " by force" : ""}${sanitizeWords(sanitize)}`;
    }
    case "access":
      return accessWords(action);
    case "call":
      return `${action.by} calls ${action.call}${action.pages.length === 0 ? "" : ` on ${pagesWords(action.pages)}`}`;
    case "kill":
      return `${action.who} is killed`;
    case "teardown":
      return `${action.who} is torn down`;
    case "operation":
      return operationWords(action);
    case "walk":
      return `a walk of the stage 2 of ${action.of} for ${walkedAddress(action)}`;
  }
}

const sanitizeWords = (sanitize: boolean) => (sanitize ? ", sanitized" : "");

/** `a`, `a and b`, `a, b and c`. */
function listWords(names: readonly string[]): string {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

/** `secret`, `secret[3]`; runs of one name together: `secret[0..3]`. */
function pagesWords(pages: readonly PageRef[]): string {
  const runs: { name: string; first: number; last: number }[] = [];
  for (const { name, index } of pages) {
    const run = runs.at(-1);
    if (run !== undefined && run.name === name && run.last + 1 === index) run.last = index;
    else runs.push({ name, first: index, last: index });
  }
  return listWords(runs.map(runWords));
}

function runWords({ name, first, last }: { name: string; first: number; last: number }): string {
  if (first !== last) return `${name}[${first}..${last}]`;
  return first === 0 ? name : `${name}[${first}]`;
}

const INSTRUCTION_WORDS: Readonly<Record<Instruction, string>> = {
  user: "",
  uaccess: ", as the kernel's uaccess",
  nofault: ", as a no-fault read of the kernel",
  bpf: ", as a BPF program",
  zeropad: ", as load_unaligned_zeropad",
  "direct-map": ", through the kernel's direct map",
};

function accessWords({ page, by, kind, how, vcpu, value, offset }: Extract<Action, { verb: "access" }>): string {
  const place = pagesWords([page]) + (offset === 0 ? "" : `+${hex(offset)}`);
  const manner = INSTRUCTION_WORDS[how] + (vcpu === 0 ? "" : `, on vCPU ${vcpu}`);
  if (kind === "load") return `${by} loads from ${place}${manner}`;
  if (kind === "fetch") return `${by} fetches an instruction from ${place}${manner}`;
  return `${by} stores ${hex(value ?? 0n)} to ${place}${manner}`;
}

function operationWords({ op, args, save }: Extract<Action, { verb: "operation" }>): string {
  const words = Object.entries(args).map(([name, value]) => `${name}=${argumentWords(value)}`);
  return [op, ...words].join(" ") + (save === null ? "" : ` (kept as ${save})`);
}

function argumentWords(value: string | number | bigint | boolean): string {
  return typeof value === "bigint" ? hex(value) : String(value);
}

function walkedAddress({ ipa, page }: Extract<Action, { verb: "walk" }>): string {
  if (page !== null) return pagesWords([page]);
  return `IPA ${argumentWords(ipa ?? 0n)}`;
}
