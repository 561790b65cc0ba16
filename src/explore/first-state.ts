// The machine of a domain, in the state in which its search begins.

import { MUTATION_NONE } from "../../assembly/abi/mutations.js";
import { resolveConfig } from "../machine/config.js";
import { Machine } from "../machine/machine.js";
import type { Domain } from "./domain.js";
import { isSystemDomain, type AnyDomain, type SystemDomain } from "./system-domain.js";
import type { ExploreCore } from "./variant.js";

/**
 * Makes the machine on a core that was reserved memory in, with the bug switched on. On a pKVM machine it is on from the start, as
 * some bugs show when EL2 takes the machine over: with one that stops EL2 there the machine goes no further. Other systems
 * get as far as their set-up without it.
 *
 * @param mutation MUTATION_* of assembly/abi/mutations.ts. Default: none
 * @throws ConfigError if the core cannot make it, Error if a call of the set-up is refused
 */
export function firstMachine(domain: AnyDomain, core: ExploreCore, mutation = MUTATION_NONE): Machine {
  const { exports } = core;
  exports.choosePrivateRange(!isSystemDomain(domain) && domain.privateRange === true ? 1 : 0);
  exports.setMutation(isSystemDomain(domain) ? MUTATION_NONE : mutation);
  const machine = isSystemDomain(domain) ? warmMachine(domain, core) : filledMachine(domain, core);
  for (const operation of machine.panicked === null ? domain.setUp : []) {
    const { status, ret, reason } = machine.apply(operation);
    if (status !== "ok" || ret < 0) throw new Error(`${operation.op}: ${reason ?? status}`);
  }
  exports.setMutation(mutation);
  return machine;
}

function warmMachine(domain: SystemDomain, core: ExploreCore): Machine {
  const machine = Machine.createOn(core, domain.config);
  domain.warmUp(machine);
  return machine;
}

function filledMachine({ config, contents, history = [] }: Domain, core: ExploreCore): Machine {
  const machine = Machine.createOn(core, resolveConfig(config));
  for (const { pa, word } of contents) {
    machine.writePage(pa, new Uint8Array(BigUint64Array.of(word).buffer), Number(pa) % machine.pageSize);
  }
  machine.applyBatch(history, { effects: false });
  return machine;
}
